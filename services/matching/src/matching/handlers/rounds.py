"""What matching does on requests and facts about rounds.

A round is asked for, and its input is kept; somebody solves it meanwhile; what was found comes back as a fact and is
decided here, in its turn. What comes too late, or while another round is open, changes nothing and is logged.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

from matching.domain import round_steps
from matching.domain.pool import Pool
from matching.domain.round_steps import Pair
from matching.domain.rounding import Snapshot, Solution, snapshot_of
from matching.domain.values import Round
from mentorstream_events import Event, Value
from mentorstream_events import values as wire
from mentorstream_events.registrations import DiscardRound, PublishRound, RoundSolved, RunRound
from mentorstream_runtime.outbox import Outgoing

from .decisions import tell
from .registrations import new_match_id

log = structlog.get_logger(__name__)


class Answer(NamedTuple):
    """What a round was solved to, and the digest of it."""

    solution: Solution
    digest: str


class Rounds(Protocol):
    """Inputs and answers of rounds, of those that the batch is about."""

    def keep(self, round_id: UUID, snapshot: Snapshot) -> str:
        """Store the input; returns its digest."""
        ...

    def answer(self, program_id: UUID, round_: Round) -> Answer:
        """The round's answer. Raises Unprepared where it has to be found first: a replay decides before it is."""
        ...


class PoolsWithRounds(Protocol):
    """The pools that the batch has loaded, and their rounds."""

    @property
    def rounds(self) -> Rounds: ...

    def find(self, program_id: UUID) -> Pool | None:
        """The program's pool; None for a program that was never configured."""
        ...


def run_round(pools: PoolsWithRounds, event: Event[RunRound]) -> list[Outgoing]:
    """Keep the pool as it is now, to be matched as a whole."""
    data = event.data
    pool = pools.find(data.program_id)
    if pool is None or not round_steps.may_run(pool):
        return _without_effect(event, data.round_id)
    decisions = round_steps.begin(pool, event.time, new_match_id(event))
    snapshot = snapshot_of(pool, data.seed)
    asked = Round(
        round_id=data.round_id,
        asked_by=data.asked_by,
        objective=pool.program.policy.objective,
        policy_version=pool.program.policy.version,
        seed=data.seed,
        requested_at=pool.now,
        participants=len(snapshot.seekers),
        input_digest=pools.rounds.keep(data.round_id, snapshot),
    )
    round_steps.asked(pool, asked)
    return tell(pool, event, decisions)


def on_round_solved(pools: PoolsWithRounds, event: Event[RoundSolved]) -> list[Outgoing]:
    """Apply the pairs that may still be, or draft them."""
    data = event.data
    found = _open(pools, data.program_id, data.round_id)
    if found is None or found[1].status != "requested":
        return _without_effect(event, data.round_id)
    pool, asked = found
    if data.input_digest != asked.input_digest:
        _tell_difference(event, "input", asked.input_digest, data.input_digest)
    if data.result_digest is None:
        return tell(pool, event, round_steps.failed(pool, event.time, new_match_id(event), asked))
    answer = pools.rounds.answer(data.program_id, asked)
    if answer.digest != data.result_digest:
        _tell_difference(event, "result", answer.digest, data.result_digest)
    decisions = round_steps.solved(pool, event.time, new_match_id(event), asked, answer.solution, answer.digest)
    return tell(pool, event, decisions)


def publish_round(pools: PoolsWithRounds, event: Event[PublishRound]) -> list[Outgoing]:
    """Drafts become matches, with what a coordinator changed."""
    data = event.data
    found = _open(pools, data.program_id, data.round_id)
    if found is None or found[1].status != "drafted":
        return _without_effect(event, data.round_id)
    pool, drafted = found
    decisions = round_steps.publish(
        pool,
        event.time,
        new_match_id(event),
        pools.rounds.answer(data.program_id, drafted).solution,
        removed=frozenset(map(_pair, data.removed)),
        added=[_pair(each) for each in data.added],
        approved=None if data.approved is None else frozenset(map(_pair, data.approved)),
    )
    return tell(pool, event, decisions)


def discard_round(pools: PoolsWithRounds, event: Event[DiscardRound]) -> list[Outgoing]:
    """Nothing comes of it."""
    data = event.data
    found = _open(pools, data.program_id, data.round_id)
    if found is None:
        return _without_effect(event, data.round_id)
    pool = found[0]
    return tell(pool, event, round_steps.discard(pool, event.time, new_match_id(event), data.round_id))


def _open(pools: PoolsWithRounds, program_id: UUID, round_id: UUID) -> tuple[Pool, Round] | None:
    pool = pools.find(program_id)
    if pool is None or pool.round is None or pool.round.round_id != round_id:
        return None
    return pool, pool.round


def _pair(pair: wire.Pair) -> Pair:
    return pair.mentor_id, pair.mentee_id


def _without_effect(event: Event[Value], round_id: UUID) -> list[Outgoing]:
    log.info("request_without_effect", type=event.type, id=event.id, program=event.key, round=str(round_id))
    return []


def _tell_difference(event: Event[Value], what: str, here: str, told: str) -> None:
    """Who decides again should find the same. Another version of the engine may not; what was found here holds."""
    log.error("round_differs", what=what, program=event.key, here=here, told=told)
