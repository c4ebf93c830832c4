"""A round over a program's whole pool, as a value: what goes in, and what the engine makes of it.

A snapshot is taken when a round is asked for; from then on the pool may change as it likes. Solving is a pure function
of the snapshot: the same one gives the same answer, bit for bit, on whichever process and however often. It builds a
pool of its own from the snapshot, so rules, score and reasons are those of every other decision. Refuses to apply
anything: `round_steps` does, over the pool as it is by then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import numpy as np

from . import forms, peers, search
from .codes import Rows
from .engine import columns, fairness, retrieval, rounds
from .engine.market import NOBODY, Assignment, Flags, Ints, Market, Places, load_costs
from .engine.runners_up import RunnersUp, runners_up
from .pool import Pool
from .rules import kept_apart
from .score import FACETS, SCALE, facet_points, weight_points
from .values import Figures, OwnVocabulary, Participant, Policy, Program, Reason

CANDIDATES: Final = 64
# A thousandth of a full score, a fourth of the engine's usual step: retrieval takes far longer than the solver, so that
# a finer proof costs next to nothing. See docs/matching on what steps cost and certify.
EPSILON: Final = SCALE >> 10
# What a mentor's next mentee costs under fairness, in points: two hundredths of a full score for each they have.
LOAD_STEP: Final = SCALE // 50
_AT_ONCE: Final = 2048
_ODD: Final = 0x9E3779B97F4A7C15


class Interrupted(RuntimeError):
    """Whoever asked for the answer does not wait for it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seeker:
    """A mentee for whom a round is. `mentored`: had a match before. `proposed_to`: the mentor of an open proposal."""

    participant_id: UUID
    since: datetime
    mentored: bool
    proposed_to: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a round depends on. Everything in it is sorted by participants' ids.

    `people` are all mentors and all seekers. `taken`: places that mentors' matches hold; those of open proposals are
    free to be given otherwise, but not in circles nor of partners. `former`: persons who are not to be matched again.
    """

    program: Program
    now: datetime
    seed: int
    people: tuple[Participant, ...]
    seekers: tuple[Seeker, ...]
    taken: tuple[tuple[UUID, int], ...]
    former: tuple[tuple[UUID, UUID], ...]
    own_vocabulary: OwnVocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class SolvedPair:
    """A pair of the answer. Runners-up are None where there is none; what they miss is in scores, prices counted."""

    mentor_id: UUID
    mentee_id: UUID
    score: float
    facets: dict[str, float]
    next_mentor_id: UUID | None
    ahead_of_next: float
    next_mentee_id: UUID | None
    short_of_place: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """The answer, with all that a checker needs: rows of `market` are those of `mentors` and `mentees`.

    Open proposals count a bonus in `market`. `floor` is the lowest points of a pair, where fairness raised it; the
    certificate is then about the candidates of those matched, from that floor on. `left_over`: who got nobody, and why.
    """

    mentors: tuple[UUID, ...]
    mentees: tuple[UUID, ...]
    market: Market
    assignment: Assignment
    floor: int | None
    figures: Figures
    pairs: tuple[SolvedPair, ...]
    left_over: tuple[tuple[UUID, tuple[Reason, ...]], ...]


def snapshot_of(pool: Pool, seed: int) -> Snapshot:
    """The pool as it is now."""
    participants = pool.participants
    movable = pool.program.kind not in ("group", "peer")
    proposals = {
        match.mentee.participant_id: match for match in pool.matches.values() if movable and match.status == "proposed"
    }
    seekers = {entry.participant_id: entry.since for entry in pool.waiting.values()}
    seekers |= {mentee_id: match.waiting_since for mentee_id, match in proposals.items()}
    peer = pool.program.kind == "peer"  # those who have a partner take no part
    wanted = sorted(each for each, known in participants.items() if each in seekers or (known.is_mentor and not peer))
    people = tuple(participants[each] for each in wanted)
    running: dict[UUID, int] = {}
    for match in pool.matches.values():
        if not movable or match.status == "confirmed":
            for side in (match.mentor, match.mentee) if match.partners else (match.mentor,):
                running[side.participant_id] = running.get(side.participant_id, 0) + 1
    return Snapshot(
        program=pool.program,
        now=pool.now,
        seed=seed,
        people=people,
        seekers=tuple(
            Seeker(
                participant_id=mentee_id,
                since=seekers[mentee_id],
                mentored=mentee_id in pool.mentored,
                proposed_to=proposals[mentee_id].mentor.participant_id if mentee_id in proposals else None,
            )
            for mentee_id in sorted(seekers)
        ),
        taken=tuple(sorted((mentor_id, count) for mentor_id, count in running.items() if mentor_id in participants)),
        former=former_pairs(
            pool,
            pool.program.policy,
            people,
            {each: {proposals[each].mentor.person_id} if each in proposals else () for each in seekers},
        ),
        own_vocabulary=pool.own_vocabulary,
    )


def former_pairs(
    pool: Pool, policy: Policy, people: Iterable[Participant], together: Mapping[UUID, Collection[UUID]]
) -> tuple[tuple[UUID, UUID], ...]:
    """Persons of the seekers, each with another of `people` from whom a former match keeps them.

    `together`: by seeker the persons with whom they are now, which keeps them from nobody.
    """
    facts = pool.facts
    person_of = {int(facts.person[facts.row_of[each.participant_id]]): each.person_id for each in people}
    kept_from, pairs = kept_apart(facts, policy), set()
    for seeker_id, beside in together.items():
        for code in kept_from(facts.row_of[seeker_id]):
            other = person_of.get(code)
            if other is not None and other not in beside:
                pairs.add((pool.participants[seeker_id].person_id, other))
    return tuple(sorted(pairs))


def pool_of(snapshot: Snapshot) -> Pool:
    """A pool in which nobody has been given anything yet. Rows are in the order of participants' ids."""
    pool = Pool(snapshot.program, snapshot.now)
    pool.put_vocabulary(snapshot.own_vocabulary)
    for participant in snapshot.people:
        pool.put_participant(participant)
    for one, other in snapshot.former:
        pool.facts.pair(one, other)
    for mentor_id, count in snapshot.taken:
        pool.facts.add_live(pool.facts.row_of[mentor_id], count, snapshot.now)
    return pool


@dataclass(frozen=True, slots=True)
class Posed:
    """A round as a problem: rows of `market` are those of `mentors` and `mentees` in `pool`, and `answer` solves it.

    `answer` takes any market of these mentors and mentees; what may differ is who is a candidate, and for how much.
    """

    pool: Pool
    mentors: Rows
    mentees: Rows
    market: Market
    answer: Callable[[Market], rounds.Round]


def solve(snapshot: Snapshot, interrupted: Callable[[], bool] = lambda: False) -> Solution:
    """Match the whole pool as its policy wants. Raises Interrupted, between two steps of a long search only."""
    posed = pose(snapshot, interrupted)
    return _told(posed.pool, snapshot, posed.answer(posed.market), posed.market, posed.mentors, posed.mentees)


def pose(snapshot: Snapshot, interrupted: Callable[[], bool] = lambda: False) -> Posed:
    """Find everybody's candidates. Raises Interrupted."""
    pool = pool_of(snapshot)
    facts, policy = pool.facts, snapshot.program.policy
    mentors = np.array([row for row in facts.mentors() if facts.free[row] > 0], np.intp)
    mentees = pool.rows([each.participant_id for each in snapshot.seekers])
    if snapshot.program.kind == "peer":
        people = mentees[facts.free[mentees] > 0]  # who pauses waits
        market = forms.peer_market(pool, people, _mixed(snapshot.seed), CANDIDATES)
        return Posed(pool, people, people, market, partial(forms.partners, epsilon=EPSILON))
    if snapshot.program.kind == "group":
        places, least = forms.circle_places(facts, policy, mentors)
        market = replace(_market(pool, snapshot, mentors, mentees, interrupted), capacity=places, place_cost=None)
        return Posed(pool, mentors, mentees, market, partial(forms.circles, least=least, epsilon=EPSILON))
    market = _market(pool, snapshot, mentors, mentees, interrupted)
    need = None
    if policy.objective == "fairness":
        waited = [(snapshot.now - each.since).total_seconds() for each in snapshot.seekers]
        mentored = np.array([each.mentored for each in snapshot.seekers], np.bool_)
        need = fairness.need_order(np.array(waited, np.int64), mentored)
    wish = rounds.Wish(policy.objective, epsilon=EPSILON, need_order=need)
    return Posed(pool, mentors, mentees, market, partial(rounds.run, wish=wish))


def candidates_now(posed: Posed, mentee: int) -> tuple[Places, Places]:
    """The candidates of one row as the pool has it now, by place among the mentors, and their points; best first."""
    facts, policy = posed.pool.facts, posed.pool.program.policy
    shown = columns.columns_of(facts, policy, posed.mentors, np.array([mentee], np.intp))
    _, mentor, points = retrieval.candidates(shown, columns.terms_of(policy, scale=SCALE), CANDIDATES)
    return mentor, points


def _market(pool: Pool, snapshot: Snapshot, mentors: Rows, mentees: Rows, interrupted: Callable[[], bool]) -> Market:
    facts, policy = pool.facts, snapshot.program.policy
    capacity = facts.free[mentors].astype(np.int32)
    shown = columns.columns_of(facts, policy, mentors, mentees)
    shown = replace(shown, mentors=shown.mentors._replace(tie=shown.mentors.tie ^ _mixed(snapshot.seed)))
    terms = columns.terms_of(policy, scale=SCALE)
    parts = []
    for first in range(0, max(len(mentees), 1), _AT_ONCE):
        if interrupted():
            raise Interrupted
        last = min(first + _AT_ONCE, len(mentees))
        parts.append(retrieval.candidates(shown, terms, CANDIDATES, first=first, last=last))
    start, mentor, points = retrieval.joined(parts)
    start, mentor, points = _with_proposals(pool, snapshot, mentors, mentees, start, mentor, points)
    cost = load_costs(facts.live[mentors], capacity, LOAD_STEP) if policy.objective == "fairness" else None
    return Market(start, mentor, points, capacity, cost)


def _with_proposals(
    pool: Pool, snapshot: Snapshot, mentors: Rows, mentees: Rows, start: Ints, mentor: Places, points: Places
) -> tuple[Ints, Places, Places]:
    """Open proposals that may still be count a bonus, and are candidates even where others would be better."""
    row_of, place_of = pool.facts.row_of, {int(row): place for place, row in enumerate(mentors)}
    bonus = round(snapshot.program.policy.incumbent_bonus * SCALE)
    counts, added = np.diff(start), []
    for place, seeker in enumerate(snapshot.seekers):
        row = row_of.get(seeker.proposed_to) if seeker.proposed_to is not None else None
        with_whom = place_of.get(row) if row is not None else None
        if row is None or with_whom is None:
            continue
        own = slice(int(start[place]), int(start[place + 1]))
        found = np.flatnonzero(mentor[own] == with_whom)
        if len(found):
            points[own.start + found[0]] += bonus
        elif (fit := search.fit_of(pool, row, int(mentees[place]))) is not None:
            added.append((own.stop, with_whom, fit.total + bonus))
            counts[place] += 1
    if added:
        where = [at for at, _, _ in added]
        mentor = np.insert(mentor, where, [with_whom for _, with_whom, _ in added])
        points = np.insert(points, where, [worth for _, _, worth in added])
        start = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=start[1:])
    return start, mentor, points


def _told(
    pool: Pool, snapshot: Snapshot, answer: rounds.Round, market: Market, mentors: Rows, mentees: Rows
) -> Solution:
    ids = np.array([each.participant_id for each in snapshot.people], object)
    assignment, certificate = answer.assignment, answer.certificate
    matched: Flags = assignment.mentor_of != NOBODY
    mentor_ids, mentee_ids = tuple(ids[mentors]), tuple(ids[mentees])
    return Solution(
        mentors=mentor_ids,
        mentees=mentee_ids,
        market=market,
        assignment=assignment,
        floor=answer.floor,
        figures=Figures(
            value=max(0, certificate.value) / SCALE,
            upper_bound=max(0, certificate.bound) / SCALE,
            gap=min(1.0, max(0.0, certificate.gap)),
            blocking_pairs=certificate.blocking,
            matched=certificate.matched,
        ),
        pairs=_pairs(pool, snapshot, assignment, runners_up(answer.scope, assignment), mentors, mentees),
        left_over=tuple(
            (mentee_ids[place], _why_nobody(pool, int(mentees[place]), market, assignment, place))
            for place in np.flatnonzero(~matched).tolist()
        ),
    )


def _pairs(
    pool: Pool, snapshot: Snapshot, assignment: Assignment, runners: RunnersUp, mentors: Rows, mentees: Rows
) -> tuple[SolvedPair, ...]:
    weights, facts = snapshot.program.policy.weights, pool.facts
    partners = snapshot.program.kind == "peer"
    places = forms.told_once(assignment.mentor_of) if partners else np.flatnonzero(assignment.mentor_of != NOBODY)
    chosen = assignment.mentor_of[places]
    if partners:
        fits = [
            peers.fit_of(pool, int(mentors[one]), int(mentees[other]))
            for one, other in zip(chosen, places, strict=True)
        ]
        facets = np.array([fit.points for fit in fits if fit is not None], np.int64).reshape(-1, len(FACETS)).T
    else:
        facets = facet_points(facts, weights, mentors[chosen], mentees[places])
    named = [(name, row) for row, name in enumerate(FACETS) if weight_points(weights)[name]]
    total = facets.sum(axis=0)

    def who(rows: Rows, place: int) -> UUID | None:
        return None if place == NOBODY else pool.facts.id_at(int(rows[place]))

    pairs = []
    for at, (place, mentor) in enumerate(zip(places.tolist(), chosen.tolist(), strict=True)):
        pairs.append(
            SolvedPair(
                mentor_id=pool.facts.id_at(int(mentors[mentor])),
                mentee_id=pool.facts.id_at(int(mentees[place])),
                score=int(total[at]) / SCALE,
                facets={name: int(facets[row, at]) / SCALE for name, row in named},
                next_mentor_id=who(mentors, int(runners.next_mentor[place])),
                ahead_of_next=int(runners.ahead_of_next[place]) / SCALE,
                next_mentee_id=who(mentees, int(runners.next_mentee[mentor])),
                short_of_place=int(runners.short_of_place[mentor]) / SCALE,
            )
        )
    return tuple(pairs)


def _why_nobody(pool: Pool, mentee: int, market: Market, assignment: Assignment, place: int) -> tuple[Reason, ...]:
    """How many mentors each rule removed; the others had a place, and gave it to pairs worth more to the whole, or
    would have led a circle that is too small.
    """
    if pool.program.kind == "peer":
        reasons, others = peers.why_no_partner(pool, mentee), len(pool.participants) - 1
    else:
        reasons, others = search.why_nobody(pool, mentee), pool.facts.mentor_rows.count
    left = others - sum(reason.removed for reason in reasons)
    if left and pool.program.kind == "group":
        fitting = market.mentor[market.start[place] : market.start[place + 1]]
        unopened = int(np.count_nonzero(~np.isin(fitting, assignment.mentor_of)))
        if unopened:
            reasons, left = (*reasons, Reason(rule="awaits_circle", removed=unopened)), left - unopened
    return (*reasons, Reason(rule="better_used_elsewhere", removed=left)) if left else reasons


def _mixed(seed: int) -> np.uint64:
    """What is mixed into ids: only where points are equal does it matter how."""
    return np.uint64(seed * _ODD & 0xFFFF_FFFF_FFFF_FFFF)
