"""What follows from each thing that happens to a round: asked for, solved, published, discarded.

The answer of a round is days or a moment old when it is applied. So every pair is held against the rules and the places
as they are by then; what cannot be any more is dropped and counted, and whoever was in it waits on. An open proposal
that a round gives to somebody else ends, and one that it confirms is left as it is. Refuses to run a second round while
one is open. What comes too late decides nothing: None, or an empty result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from . import peers, search
from .pool import Pool
from .rounding import Solution
from .step import NewMatchId, Step
from .values import Decision, Match, Reason, Round, RoundStatus

Pair: TypeAlias = tuple[UUID, UUID]  # mentor, mentee
_AWAITS_CIRCLE: Final = (Reason(rule="awaits_circle", removed=0),)


def may_run(pool: Pool) -> bool:
    """Whether a round can be asked for: the program has rounds, and none is open."""
    return pool.program.policy.in_rounds and pool.round is None


def begin(pool: Pool, now: datetime, new_match_id: NewMatchId) -> list[Decision]:
    """Move the program's time on to when a round is asked for; the snapshot is taken after that."""
    return Step.begin(pool, now, new_match_id).finish()


def asked(pool: Pool, round_: Round) -> None:
    """The round's input is known: it waits to be solved."""
    pool.put_round(round_)


def solved(
    pool: Pool, now: datetime, new_match_id: NewMatchId, round_: Round, solution: Solution, result_digest: str
) -> list[Decision]:
    """Apply the answer, keep it as drafts, or leave everything as it is where too few were matched."""
    step = Step.begin(pool, now, new_match_id)
    policy = pool.program.policy
    round_ = replace(round_, result_digest=result_digest, figures=solution.figures)
    share = solution.figures.matched / round_.participants if round_.participants else 1.0
    if share < policy.round_minimum_matched:
        step.close_round(replace(round_, status="gated"))
    elif policy.matching == "review":
        step.close_round(replace(round_, status="drafted"))
    else:
        _apply(step, round_, solution, {pair.mentee_id: pair.mentor_id for pair in solution.pairs}, "applied")
    return step.finish()


def failed(pool: Pool, now: datetime, new_match_id: NewMatchId, round_: Round) -> list[Decision]:
    """It could not be solved, and will not be: everybody waits on."""
    step = Step.begin(pool, now, new_match_id)
    step.close_round(replace(round_, status="failed"))
    return step.finish()


def publish(
    pool: Pool,
    now: datetime,
    new_match_id: NewMatchId,
    solution: Solution,
    *,
    removed: Collection[Pair],
    added: Iterable[Pair],
    approved: Collection[Pair] | None,
) -> list[Decision]:
    """Drafts become matches. What a coordinator added comes first, and takes its mentee out of any draft."""
    round_ = pool.round
    if round_ is None or round_.status != "drafted":
        return []
    step = Step.begin(pool, now, new_match_id)
    wanted = {mentee_id: mentor_id for mentor_id, mentee_id in added}
    chosen = frozenset(wanted)
    for draft in solution.pairs:
        pair = (draft.mentor_id, draft.mentee_id)
        if pair not in removed and (approved is None or pair in approved):
            wanted.setdefault(draft.mentee_id, draft.mentor_id)
    _apply(step, round_, solution, wanted, "published", chosen)
    return step.finish()


def discard(pool: Pool, now: datetime, new_match_id: NewMatchId, round_id: UUID) -> list[Decision]:
    """Nothing comes of the round, whether it was drafted or is still being solved."""
    if pool.round is None or pool.round.round_id != round_id:
        return []
    step = Step.begin(pool, now, new_match_id)
    step.close_round(replace(pool.round, status="discarded"))
    return step.finish()


def _apply(
    step: Step,
    round_: Round,
    solution: Solution,
    wanted: dict[UUID, UUID],
    status: RoundStatus,
    chosen: Collection[UUID] = (),
) -> None:
    """Give mentees the mentors wanted for them, as far as they may have them. `chosen`: mentees to be given one even
    though they do not wait.
    """
    pool = step.pool
    left_over = dict(solution.left_over)
    # Proposals that are moved, or given up, end first: they hold places that others are to get.
    moved: dict[UUID, Match] = {}
    for mentee_id in (*wanted, *left_over):
        match = next(iter(pool.matches_of_mentee(mentee_id)), None)
        if match is None or match.status == "confirmed" or match.mentor.participant_id == wanted.get(mentee_id):
            continue
        if mentee_id not in wanted or _fit(pool, wanted[mentee_id], mentee_id) is not None:
            moved[mentee_id] = match
    for match in moved.values():
        step.end(match, "unfit")
    small = _too_small(pool, wanted, moved, chosen) if pool.program.kind == "group" else {}
    dropped = len(small)
    for mentee_id, waits_since in small.items():
        del wanted[mentee_id]
        step.wait(mentee_id, waits_since, _AWAITS_CIRCLE)
    for mentee_id, mentor_id in wanted.items():
        live = pool.matches_of_mentee(mentee_id)
        if live:
            dropped += all(match.mentor.participant_id != mentor_id for match in live)
            continue
        since = _since(pool, moved, mentee_id, chosen)
        fit = _fit(pool, mentor_id, mentee_id) if since is not None and _may_take(pool, mentor_id) else None
        if since is not None and fit is not None:
            step.take(fit, since, round_.round_id)
            continue
        dropped += 1
        if mentee_id in moved:
            step.seek_again(mentee_id, moved[mentee_id].waiting_since)
    for mentee_id, reasons in left_over.items():
        since = _since(pool, moved, mentee_id, ())
        if since is not None and not pool.matches_of_mentee(mentee_id):
            step.wait(mentee_id, since, reasons)
    step.close_round(replace(round_, status=status, figures=replace(round_.figures, dropped=dropped)))


def _may_take(pool: Pool, mentor_id: UUID) -> bool:
    """Whether they have a place. Of partners each has one, and is the other's mentee in it."""
    return pool.has_place(mentor_id) and not (pool.program.kind == "peer" and pool.matches_of_mentee(mentor_id))


def _too_small(
    pool: Pool, wanted: dict[UUID, UUID], moved: dict[UUID, Match], chosen: Collection[UUID]
) -> dict[UUID, datetime]:
    """Mentees of circles that would begin with too few by now, with since when they wait."""
    together: dict[UUID, dict[UUID, datetime]] = {}
    for mentee_id, mentor_id in wanted.items():
        since = _since(pool, moved, mentee_id, chosen)
        if since is not None and not pool.matches_of_mentee(mentee_id) and _fit(pool, mentor_id, mentee_id) is not None:
            together.setdefault(mentor_id, {})[mentee_id] = since
    found: dict[UUID, datetime] = {}
    for mentor_id, mentees in together.items():
        places = pool.free_places(mentor_id)
        if pool.circle_of(mentor_id) is None and min(len(mentees), places) < pool.program.policy.circle_minimum:
            found |= mentees
    return found


def _since(pool: Pool, moved: dict[UUID, Match], mentee_id: UUID, chosen: Collection[UUID]) -> datetime | None:
    """Since when the mentee waits for a mentor; None for who does not, or is no mentee here any more."""
    mentee = pool.participants.get(mentee_id)
    if mentee is None or not mentee.is_mentee:
        return None
    if mentee_id in moved:
        return moved[mentee_id].waiting_since
    waiting = pool.waiting.get(mentee_id)
    if waiting is not None:
        return waiting.since
    return pool.now if mentee_id in chosen else None


def _fit(pool: Pool, mentor_id: UUID, mentee_id: UUID) -> search.Fit | None:
    """How well they fit by the rules as they are now; None where one of them left, or they may not be paired."""
    row_of = pool.facts.row_of
    if mentor_id not in row_of or mentee_id not in row_of:
        return None
    if pool.program.kind == "peer":
        return peers.fit_of(pool, row_of[mentor_id], row_of[mentee_id])
    return search.fit_of(pool, row_of[mentor_id], row_of[mentee_id])
