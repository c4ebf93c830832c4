"""By what people are put into groups, where a policy or its outcome is looked at by group.

By what matching knows of them, or by what their organisation declared for audits, which nothing else ever reads. A
group says nothing about why it fares as it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args
from uuid import UUID

import numpy as np

from .availability import offset_minutes
from .engine.market import Ints
from .pool import Pool
from .values import Participant

Known: TypeAlias = Literal["organisation", "seniority", "industry", "language", "zone"]
KNOWN: Final[tuple[Known, ...]] = get_args(Known)
NOT_TOLD: Final = "not told"


@dataclass(frozen=True, slots=True)
class Declared:
    """An attribute that was declared for audits, and the group of each participant of whom one was."""

    attribute: str
    group_of: Mapping[UUID, str]


Grouping: TypeAlias = Known | Declared


def known_grouping(name: str) -> Known | None:
    """The grouping of this name by what matching knows; None where it is none."""
    return next((known for known in KNOWN if known == name), None)


def groups_of(pool: Pool, participant_ids: Sequence[UUID], grouping: Grouping) -> tuple[list[str], Ints]:
    """The groups' names in order, and the number of each participant's group."""
    if isinstance(grouping, Declared):
        names = [grouping.group_of.get(each, NOT_TOLD) for each in participant_ids]
    else:
        names = [_known(pool, pool.participants[each], grouping) for each in participant_ids]
    ordered = sorted(set(names), key=lambda name: (not name.isdecimal(), len(name) if name.isdecimal() else 0, name))
    number = {name: place for place, name in enumerate(ordered)}
    return ordered, np.array([number[name] for name in names], np.int64)


def _known(pool: Pool, person: Participant, grouping: Known) -> str:
    profile = person.profile
    if grouping == "organisation":
        return str(person.organisation_id)
    if grouping == "seniority":
        return str(profile.seniority) if profile.seniority else NOT_TOLD
    if grouping == "industry":
        return profile.industry or NOT_TOLD
    if grouping == "language":  # the one named first
        return profile.languages[0].partition("-")[0] if profile.languages else NOT_TOLD
    minutes = offset_minutes(profile.zone, pool.now)
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    return f"UTC{sign}{hours:02d}:{rest:02d}"
