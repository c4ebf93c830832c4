"""By request: mentees choose. Who can be chosen, what a list may hold, and who of a list is asked next.

Nothing is changed here; `arrivals` does what these say. A list is asked from its beginning each time, and who cannot be
asked just then (no place left, a new reporting line) is passed over, not struck out: should a place be free again when
the next one is due, it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

import numpy as np
from msgspec.structs import replace

from .codes import Counts, Rows
from .rules import RULES
from .score import FACETS, facet_points
from .search import Fit
from .values import Choice, Contradiction, Policy, Reason

if TYPE_CHECKING:
    from .pool import Pool

# Why a mentee waits who has nobody to be asked: they are to choose.
TO_CHOOSE: Final = (Reason(rule="no_request", removed=0),)


def by_request(policy: Policy) -> bool:
    """Whether mentees choose under this policy. Their mentors are asked then, whatever else it says of consent."""
    return policy.matching == "on_request"


def check(pool: Pool, mentors: Sequence[UUID]) -> None:
    """Raise Contradiction for a list that nobody can have meant: with a mentor twice, or with somebody unknown.

    Somebody who has left meanwhile, or mentors no more, contradicts nothing: they are passed over.
    """
    if len(set(mentors)) < len(mentors):
        raise Contradiction("mentor_twice", "the list names a mentor twice")
    unknown = next((each for each in mentors if each not in pool.participants and each not in pool.left), None)
    if unknown is not None:
        raise Contradiction("unknown_mentor", f"participant {unknown} was never in the program")


@dataclass(frozen=True, slots=True)
class Turn:
    """Who is to be asked now, and the list without them."""

    fits: tuple[Fit, ...]
    choice: Choice


def next_turn(pool: Pool, participant_id: UUID) -> Turn | None:
    """Whom of the mentee's list to ask now, so that as many as the policy says are asked at a time.

    None where there is no list. A list of which nobody is asked any more, and nobody can be, is done with.
    """
    choice = pool.choices.get(participant_id)
    if choice is None or not choice.mentors:
        return None
    asked = pool.matches_of_mentee(participant_id)
    due = pool.program.policy.requests_at_once - len(asked)
    mentee = pool.facts.row_of[participant_id]
    possible = [each for each in choice.mentors if each in pool.participants]
    fits = fitting(pool, pool.rows(possible), mentee)[: max(0, due)]
    taken = {pool.facts.id_at(fit.mentor) for fit in fits}
    left = tuple(each for each in choice.mentors if each not in taken) if asked or fits else ()
    return Turn(tuple(fits), replace(choice, mentors=left))


def candidates(pool: Pool, participant_id: UUID, limit: int) -> list[Fit]:
    """Mentors whom the mentee may choose now: at most `limit`, the best score first, then the lowest id."""
    facts, mentee = pool.facts, pool.facts.row_of[participant_id]
    asked = pool.rows([each.mentor.participant_id for each in pool.matches_of_mentee(participant_id)])
    free = facts.free_mentors()
    mentors = _possible(pool, free[~np.isin(free, asked)], mentee)
    points = _points(pool, mentors, mentee)
    totals = points.sum(axis=0)
    if len(totals) > limit:  # with all who are as good as the last one, so that ids decide and not rows
        best = np.flatnonzero(totals >= np.partition(totals, -limit)[-limit])
        mentors, points = mentors[best], points[:, best]
    return sorted(_fits(mentors, mentee, points), key=lambda fit: (-fit.total, facts.id_at(fit.mentor)))[:limit]


def fitting(pool: Pool, mentors: Rows, mentee: int) -> list[Fit]:
    """Those of the rows who may mentor the mentee now and have a place, in the order given."""
    mentors = _possible(pool, mentors, mentee)
    return _fits(mentors, mentee, _points(pool, mentors, mentee))


def _possible(pool: Pool, mentors: Rows, mentee: int) -> Rows:
    row = np.array([mentee], np.intp)
    for _, rule in RULES:
        if len(mentors):
            mentors = mentors[rule(pool.facts, pool.program.policy, mentors, row)]
    return mentors


def _points(pool: Pool, mentors: Rows, mentee: int) -> Counts:
    if not len(mentors):
        return np.zeros((len(FACETS), 0), np.int64)
    return facet_points(pool.facts, pool.program.policy.weights, mentors, np.array([mentee], np.intp))


def _fits(mentors: Rows, mentee: int, points: Counts) -> list[Fit]:
    return [Fit(mentor, mentee, tuple(each)) for mentor, each in zip(mentors.tolist(), points.T.tolist(), strict=True)]
