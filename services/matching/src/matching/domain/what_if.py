"""What another policy would do: two rounds over the same people, one by the policy in force and one by the other.

Both are solved as a round would be, and neither becomes anything. `open` looks at those who wait and the places that
are free; `all` at everybody, as if nobody were matched yet. Differences are about pairs; by group they are counted, and
groups of fewer than `SMALL` are hidden, with one more if just one would be, so that nobody finds it by subtraction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

import numpy as np

from .engine import audit, retrieval
from .engine.columns import columns_of, terms_of
from .engine.market import NOBODY, Ints, market
from .engine.rounds import Round, Wish, run
from .facts import Rows
from .pool import Pool
from .score import SCALE
from .values import Policy

Scope = Literal["open", "all"]
Grouping = Literal["organisation", "industry", "seniority"]
SMALL: Final = 5
_CANDIDATES: Final = 64


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
    """A group of mentees. Counts are None where it is hidden."""

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


def compare(pool: Pool, policy: Policy, scope: Scope, grouping: Grouping) -> Comparison:
    """What `policy` would change. The pool stays as it is."""
    facts = pool.facts
    mentors: Rows = facts.mentors()
    mentees: Rows = (
        facts.waiting_rows()
        if scope == "open"
        else np.sort(pool.rows([each.participant_id for each in pool.participants.values() if each.is_mentee]))
    )
    order = np.argsort([facts.id_at(int(row)).int for row in mentees], kind="stable") if len(mentees) else mentees
    mentees = mentees[order]
    before = _solve(pool, pool.program.policy, scope, mentors, mentees)
    after = _solve(pool, policy, scope, mentors, mentees)
    had, has = before.assignment.mentor_of, after.assignment.mentor_of
    found = audit.difference(had, has)

    def changes(rows: Ints) -> tuple[Change, ...]:
        return tuple(
            Change(facts.id_at(int(mentees[row])), _id(pool, mentors, had[row]), _id(pool, mentors, has[row]))
            for row in rows.tolist()
        )

    return Comparison(
        mentees=len(mentees),
        before=_figures(before),
        after=_figures(after),
        gained=changes(found.gained),
        lost=changes(found.lost),
        moved=changes(found.moved),
        kept=found.kept,
        groups=_groups(_group_of(pool, mentees, grouping), found),
    )


def _solve(pool: Pool, policy: Policy, scope: Scope, mentors: Rows, mentees: Rows) -> Round:
    facts = pool.facts
    columns = columns_of(facts, policy, mentors, mentees)
    if scope == "all":
        # Pairs that run now may be made again: they count as matched before only because they are matched.
        barred = [sorted(_barred(pool, policy, int(row))) for row in mentees]
        start = np.zeros(len(mentees) + 1, np.int64)
        np.cumsum([len(persons) for persons in barred], out=start[1:])
        flat = np.array([person for persons in barred for person in persons], np.int64)
        columns = type(columns)(columns.mentors, columns.mentees._replace(barred_start=start, barred=flat))
    places = facts.free[mentors] if scope == "open" else facts.capacity[mentors]
    start, mentor, points = retrieval.candidates(columns, terms_of(policy, scale=SCALE), _CANDIDATES)
    wish = Wish(objective=policy.objective, need_order=_need(pool, mentees))
    return run(market(start, mentor, points, places), wish)


def _barred(pool: Pool, policy: Policy, row: int) -> set[int]:
    facts = pool.facts
    former = facts.apart_from if policy.rematch_former else facts.paired_with
    live = {
        facts.persons[side.person_id]
        for match in pool.matches_of(facts.id_at(row))
        for side in (match.mentor, match.mentee)
    }
    return facts.blocked_with(row) | (former(row) - live)


def _need(pool: Pool, mentees: Rows) -> Ints:
    """Rows of the mentees, whoever has waited longest first; who does not wait, by when they joined."""
    ids = [pool.facts.id_at(int(row)) for row in mentees]
    since = [pool.waiting[each].since if each in pool.waiting else pool.participants[each].joined_at for each in ids]
    return np.array(sorted(range(len(ids)), key=lambda place: (since[place], ids[place])), np.int64)


def _figures(found: Round) -> Figures:
    certificate = found.certificate
    matched = found.assignment.matched
    return Figures(
        matched=matched,
        mean_score=certificate.value / matched / SCALE if matched else None,
        value=certificate.value / SCALE,
        bound=certificate.bound / SCALE,
        blocking=certificate.blocking,
    )


def _id(pool: Pool, mentors: Rows, place: int) -> UUID | None:
    return None if place == NOBODY else pool.facts.id_at(int(mentors[place]))


def _group_of(pool: Pool, mentees: Rows, grouping: Grouping) -> list[str]:
    people = [pool.participants[pool.facts.id_at(int(row))] for row in mentees]
    if grouping == "organisation":
        return [str(person.organisation_id) for person in people]
    if grouping == "industry":
        return [person.profile.industry or "not known" for person in people]
    return [str(person.profile.seniority or "not known") for person in people]


def _groups(group_of: Sequence[str], found: audit.Difference) -> tuple[GroupChange, ...]:
    members: dict[str, set[int]] = {}
    for row, group in enumerate(group_of):
        members.setdefault(group, set()).add(row)
    hidden = _hidden({group: len(rows) for group, rows in members.items()})
    told = []
    for group, rows in sorted(members.items()):
        counts = [None if group in hidden else len(rows & set(which.tolist())) for which in _kinds(found)]
        told.append(GroupChange(group, len(rows), *counts))
    return tuple(told)


def _kinds(found: audit.Difference) -> tuple[Ints, Ints, Ints]:
    return found.gained, found.lost, found.moved


def _hidden(sizes: Mapping[str, int]) -> set[str]:
    hidden = {group for group, size in sizes.items() if size < SMALL}
    if len(hidden) == 1 and len(sizes) > 1:
        hidden.add(min((group for group in sizes if group not in hidden), key=lambda group: (sizes[group], group)))
    return hidden
