"""What another policy would do: two rounds over the same people, one by the policy in force and one by the other.

Both are solved as a round is, and neither becomes anything. `open` looks at those who wait, or are only proposed to
somebody, and at the places that are free; `all` at everybody, as if nobody were matched yet. Differences are about
pairs; by group they are counted, and groups of fewer than `SMALL` are hidden, with further ones where they could be
found by subtraction. What was declared for audits is no grouping here: who changes is listed by id, and one person more
or less in the list would tell their group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal
from uuid import UUID

import numpy as np
from msgspec import structs

from .engine import audit
from .engine.market import NOBODY, Ints
from .grouping import Known, groups_of
from .pool import Pool
from .rounding import Seeker, Snapshot, Solution, former_pairs, snapshot_of, solve
from .values import Policy

Scope = Literal["open", "all"]
SMALL: Final = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """One of the two rounds. `mean_score` is of its pairs; None where there are none. `value`, `bound`: full scores."""

    matched: int
    mean_score: float | None
    value: float
    bound: float
    blocking: int


@dataclass(frozen=True, slots=True)
class Change:
    """A mentee whose mentor would be another one; None is nobody."""

    mentee_id: UUID
    before: UUID | None
    after: UUID | None


@dataclass(frozen=True, slots=True)
class GroupChange:
    """A group of mentees. Counts are None where they are hidden."""

    group: str
    size: int
    gained: int | None
    lost: int | None
    moved: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What would be otherwise. `mentees`: how many were looked at."""

    mentees: int
    before: Figures
    after: Figures
    gained: tuple[Change, ...]
    lost: tuple[Change, ...]
    moved: tuple[Change, ...]
    kept: int
    groups: tuple[GroupChange, ...]


def compare(pool: Pool, policy: Policy, scope: Scope, grouping: Known) -> Comparison:
    """What `policy` would change. The pool stays as it is."""
    seen = _seen(pool, scope)
    before = solve(_by(pool, seen, pool.program.policy))
    after = solve(_by(pool, seen, policy))
    mentees = before.mentees
    # Both have the same mentees; which mentors have a place may differ, so mentors are compared by their ids.
    places: dict[UUID, int] = {}
    mine = np.array([_place(places, _mentor(before, row)) for row in range(len(mentees))], np.int32)
    theirs = np.array([_place(places, _mentor(after, row)) for row in range(len(mentees))], np.int32)
    found = audit.difference(mine, theirs)

    def changes(rows: Ints) -> tuple[Change, ...]:
        return tuple(Change(mentees[row], _mentor(before, row), _mentor(after, row)) for row in rows.tolist())

    return Comparison(
        mentees=len(mentees),
        before=_figures(before),
        after=_figures(after),
        gained=changes(found.gained),
        lost=changes(found.lost),
        moved=changes(found.moved),
        kept=found.kept,
        groups=_groups(pool, mentees, grouping, found),
    )


def everybody(pool: Pool) -> Snapshot:
    """A round over everybody by the policy in force, as if nobody were matched yet."""
    return _by(pool, _seen(pool, "all"), pool.program.policy)


def _seen(pool: Pool, scope: Scope) -> Snapshot:
    """The pool as a round would see it. For `all`, nobody is matched, and all who mentor have places."""
    now = snapshot_of(pool, 0)
    if scope == "open":
        return now
    waits = {each.participant_id: each.since for each in now.seekers}
    people = tuple(pool.participants[each] for each in sorted(pool.participants))
    seekers = tuple(
        Seeker(
            participant_id=each.participant_id,
            since=waits.get(each.participant_id, each.joined_at),
            mentored=each.participant_id in pool.mentored,
        )
        for each in people
        if each.is_mentee
    )
    return replace(now, people=people, seekers=seekers, taken=())


def _by(pool: Pool, seen: Snapshot, policy: Policy) -> Snapshot:
    """The same people under this policy. Who are together now are not kept apart: that is what is compared."""
    together = {
        each.participant_id: {
            side.person_id for match in pool.matches_of(each.participant_id) for side in (match.mentor, match.mentee)
        }
        for each in seen.seekers
    }
    program = structs.replace(pool.program, policy=policy)
    return replace(seen, program=program, former=former_pairs(pool, policy, seen.people, together))


def _mentor(found: Solution, row: int) -> UUID | None:
    place = int(found.assignment.mentor_of[row])
    return None if place == NOBODY else found.mentors[place]


def _place(places: dict[UUID, int], mentor_id: UUID | None) -> int:
    return NOBODY if mentor_id is None else places.setdefault(mentor_id, len(places))


def _figures(found: Solution) -> Figures:
    matched = len(found.pairs)
    return Figures(
        matched=matched,
        mean_score=sum(pair.score for pair in found.pairs) / matched if matched else None,
        value=found.figures.value,
        bound=found.figures.upper_bound,
        blocking=found.figures.blocking_pairs,
    )


def _groups(pool: Pool, mentees: tuple[UUID, ...], grouping: Known, found: audit.Difference) -> tuple[GroupChange, ...]:
    names, group = groups_of(pool, mentees, grouping)
    sizes = np.bincount(group, minlength=len(names))
    small = audit.hidden(sizes[:, None], (SMALL,))
    counts = []
    for rows in (found.gained, found.lost, found.moved):
        count = np.bincount(group[rows], minlength=len(names))
        counts.append([None if small[number] else int(count[number]) for number in range(len(names))])
    return tuple(GroupChange(name, int(size), *each) for name, size, *each in zip(names, sizes, *counts, strict=True))
