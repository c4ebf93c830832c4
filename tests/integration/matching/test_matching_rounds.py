"""Rounds end to end, on real Kafka and PostgreSQL: asked, solved, applied, reviewed, gated, taken over, replayed."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from tests.integration.matching.running import (
    PROGRAM,
    START,
    MatchingService,
    configured,
    mentee,
    mentor,
    participant_id,
    running_matching,
)
from tests.support.records import event, publish

import matching
from matching.adapters import solver
from matching.adapters.requests import clock_round
from matching.adapters.restoring import PoolRestorer
from matching.bootstrap import build
from mentorstream_events import derived_id
from mentorstream_events.matches import (
    MatchConfirmed,
    MatchEnded,
    MatchProposed,
    ParticipantWaitlisted,
    RoundCompleted,
)
from mentorstream_events.registrations import (
    DiscardRound,
    ParticipantWithdrawn,
    ProposalAccepted,
    PublishRound,
    RoundSolved,
    RunRound,
)
from mentorstream_events.values import Pair, Reason, Skill
from mentorstream_runtime.database import load_queries, transaction
from mentorstream_runtime.process import Process

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

FIRST, SECOND = derived_id("first round"), derived_id("second round")
SQL, LAW = (Skill(skill="sql"),), (Skill(skill="law"),)


def run(round_id: UUID = FIRST, seed: int = 0) -> RunRound:
    return RunRound(program_id=PROGRAM, round_id=round_id, asked_by="coordinator", seed=seed)


def pair(mentor_name: str, mentee_name: str) -> Pair:
    return Pair(mentor_id=participant_id(mentor_name), mentee_id=participant_id(mentee_name))


def withdrawn(name: str) -> ParticipantWithdrawn:
    return ParticipantWithdrawn(
        program_id=PROGRAM, participant_id=participant_id(name), person_id=derived_id("person", name)
    )


async def pairs(service: MatchingService, kind: type[Any] = MatchConfirmed) -> set[tuple[UUID, UUID]]:
    return {(each.mentor.participant_id, each.mentees[0].participant_id) for each in await service.events(kind)}


def ids(*names: str) -> set[tuple[UUID, UUID]]:
    """`ids("omar", "ines")`: a mentor and a mentee, and more of them."""
    found = [participant_id(name) for name in names]
    return set(zip(found[::2], found[1::2], strict=True))


async def people(service: MatchingService, **policy: Any) -> None:
    """Two mentors and three mentees; who comes first would not get whom the whole needs."""
    await service.send(
        configured(**policy),
        mentor("sqla", offers=SQL),
        mentor("lawrence", offers=LAW),
        mentee("both", wants=(*SQL, *LAW)),
        mentee("sql", wants=SQL),
        mentee("fin", languages=("fi",)),
    )


async def test_a_round_matches_the_whole_pool_and_tells_its_figures(service: MatchingService) -> None:
    await people(service, matching="rounds")
    waiting = await service.events(ParticipantWaitlisted)
    assert [each.reasons for each in waiting] == [(Reason(rule="next_round", removed=0),)] * 3
    assert await service.events(MatchConfirmed) == []

    await service.send(run())
    assert await pairs(service) == ids("lawrence", "both", "sqla", "sql")
    assert {each.round_id for each in await service.events(MatchConfirmed)} == {FIRST}
    (done,) = await service.events(RoundCompleted)
    assert (done.round_id, done.outcome, done.objective, done.policy_version) == (FIRST, "applied", "total", 1)
    assert (done.participants, done.matched, done.dropped) == (3, 2, 0)
    assert 0 < done.value <= done.upper_bound
    assert (done.upper_bound - done.value) / done.upper_bound == pytest.approx(done.gap)
    (solved,) = await service.events(RoundSolved, "registrations")
    assert (solved.input_digest, solved.result_digest) == (done.input_digest, done.result_digest)
    assert (await service.events(ParticipantWaitlisted))[-1].reasons == (Reason(rule="language", removed=2),)
    (stored,) = await service.rows("SELECT * FROM round")
    assert (stored["status"], stored["figures"] is not None) == ("applied", True)
    (work,) = await service.rows("SELECT * FROM round_work")
    assert (work["input"], work["leased_by"]) == (None, None)
    assert work["result"] is not None
    assert work["solve_seconds"] > 0
    assert await service.rows("SELECT FROM round_draft") == []
    assert not await service.rows("SELECT FROM dead_letter")


async def test_the_clock_asks_for_rounds_and_counts_from_the_last_one(service: MatchingService) -> None:
    await people(service, matching="rounds", round_every_days=7)
    await service.move_clock(START + timedelta(days=6))
    assert await service.events(RoundCompleted) == []
    await service.move_clock(START + timedelta(days=7))
    (asked,) = await service.events(RunRound, "registrations")
    assert asked.asked_by == "clock"
    await service.move_clock(START + timedelta(days=10))
    await service.send(run())
    await service.move_clock(START + timedelta(days=16))
    assert [each.outcome for each in await service.events(RoundCompleted)] == ["applied", "applied"]
    await service.move_clock(START + timedelta(days=17))
    assert len(await service.events(RoundCompleted)) == 3


async def test_drafts_are_reviewed_and_published_with_edits(service: MatchingService) -> None:
    await people(service, matching="review")
    await service.send(run())
    (done,) = await service.events(RoundCompleted)
    assert (done.outcome, done.matched) == ("drafted", 2)
    assert await service.events(MatchConfirmed) == []
    drafts = await service.rows("SELECT * FROM round_draft ORDER BY mentee_id")
    assert {(row["mentor_id"], row["mentee_id"]) for row in drafts} == ids("lawrence", "both", "sqla", "sql")
    assert all(sum(json.loads(row["facets"]).values()) == row["score"] for row in drafts)
    assert {row["next_mentor_id"] for row in drafts} == {participant_id("sqla"), participant_id("lawrence")}

    await service.send(run(SECOND))  # not while drafts wait
    assert len(await service.events(RoundSolved, "registrations")) == 1

    edited = PublishRound(
        program_id=PROGRAM,
        round_id=FIRST,
        removed=(pair("sqla", "sql"),),
        added=(pair("sqla", "both"), pair("sqla", "fin")),
    )
    await service.send(edited)
    assert await pairs(service) == ids("sqla", "both")
    *_, published = await service.events(RoundCompleted)
    assert (published.outcome, published.dropped) == ("published", 1)  # nobody speaks Finnish
    assert await service.rows("SELECT FROM round_draft") == []
    await service.send(edited, run(SECOND))  # published once; the next round takes what is left
    assert await pairs(service) == ids("sqla", "both")
    assert [each.outcome for each in await service.events(RoundCompleted)] == ["drafted", "published", "drafted"]
    assert not await service.rows("SELECT FROM dead_letter")


async def test_what_is_discarded_or_gated_changes_nothing(service: MatchingService) -> None:
    await people(service, matching="review")
    await service.send(run())
    await service.send(DiscardRound(program_id=PROGRAM, round_id=FIRST))
    await service.send(PublishRound(program_id=PROGRAM, round_id=FIRST))
    await service.send(configured(version=2, matching="rounds", round_minimum_matched=0.9))
    await service.send(run(SECOND))
    assert [each.outcome for each in await service.events(RoundCompleted)] == ["drafted", "discarded", "gated"]
    assert await service.events(MatchConfirmed) == []
    assert len(await service.rows("SELECT FROM waiting")) == 3


async def test_where_mentors_are_asked_a_round_proposes_and_the_next_one_may_move(service: MatchingService) -> None:
    await service.send(
        configured(matching="rounds", mentor_consent=True, incumbent_bonus=0.05, proposal_days=30),
        mentor("sqla", offers=SQL),
        mentor("lawrence", offers=LAW),
        mentee("both", wants=(*SQL, *LAW)),
    )
    await service.send(run())
    (first,) = await service.events(MatchProposed)
    assert first.round_id == FIRST
    rival = "sql" if first.mentor.participant_id == participant_id("sqla") else "law"
    await service.send(mentee(rival, wants=SQL if rival == "sql" else LAW), run(SECOND))
    (ended,) = await service.events(MatchEnded)
    assert (ended.match_id, ended.was_confirmed) == (first.match_id, False)
    assert len(await service.events(MatchProposed)) == 3
    third = derived_id("third round")
    accepted = (await service.events(MatchProposed))[-1]
    await service.send(ProposalAccepted(program_id=PROGRAM, match_id=accepted.match_id), run(third))
    assert len(await service.events(MatchProposed)) == 3  # what stands is left as it is
    *_, done = await service.events(RoundCompleted)
    assert (done.round_id, done.participants, done.matched, done.dropped) == (third, 1, 1, 0)


async def test_a_pair_that_is_no_longer_possible_is_dropped(service: MatchingService) -> None:
    """The pool changes between the request and its answer: both in one batch, so nobody can solve meanwhile."""
    await people(service, matching="rounds")
    asked = event(run(), time=START, source="intake")
    await service.publish(asked, event(withdrawn("lawrence"), time=START, source="intake"))
    (done,) = await service.events(RoundCompleted)
    assert (done.matched, done.dropped) == (2, 1)
    assert await pairs(service) == ids("sqla", "sql")
    waiting = await service.rows("SELECT * FROM waiting WHERE participant_id = $1", participant_id("both"))
    assert [json.loads(row["reasons"]) for row in waiting] == [[{"rule": "next_round", "removed": 0}]]


async def test_a_round_whose_solver_died_is_solved_by_the_next(
    servers: Servers, database: Database, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends while it solves; its lease, and what it began, end with it."""
    began = threading.Event()

    def for_ever(_: object, interrupted: Callable[[], bool]) -> None:
        began.set()
        while not interrupted():
            time.sleep(0.01)

    monkeypatch.setattr(solver, "solve", for_ever)
    async with running_matching(servers, database, topic_prefix) as service:
        await people(service, matching="rounds")
        await publish(servers.kafka_bootstrap, topic_prefix, [event(run(), time=START, source="intake")])
        assert await asyncio.to_thread(began.wait, 90), "nobody solves"
    (left,) = await service.rows("SELECT * FROM round_work")
    assert (left["leased_by"], left["result"], left["attempts"]) == (None, None, 0)
    await service.rows(  # as if it had been killed instead
        "UPDATE round_work SET leased_by = 'somebody', leased_until = clock_timestamp() + interval '1 second'"
    )
    monkeypatch.undo()
    async with running_matching(servers, database, topic_prefix) as successor:
        await successor.settle()
        assert await pairs(successor) == ids("lawrence", "both", "sqla", "sql")


async def test_a_round_that_cannot_be_solved_fails_and_says_so(
    service: MatchingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solver, "_ATTEMPTS", 2)

    def fail(*_: object) -> None:
        raise RuntimeError("no answer")

    monkeypatch.setattr(solver, "solve", fail)
    await people(service, matching="rounds")
    await service.send(run())
    (done,) = await service.events(RoundCompleted)
    assert (done.outcome, done.result_digest, done.matched) == ("failed", None, 0)
    (work,) = await service.rows("SELECT * FROM round_work")
    assert (work["failed"], work["attempts"], work["input"]) == (True, 2, None)
    assert "no answer" in work["error"]
    monkeypatch.undo()
    await service.send(run(SECOND))
    assert await pairs(service) == ids("lawrence", "both", "sqla", "sql")


async def test_a_replay_without_solver_decides_the_same(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    async with running_matching(servers, database, topic_prefix) as service:
        await people(service, matching="review", objective="fairness")
        await service.send(run(seed=7))
        await service.send(PublishRound(program_id=PROGRAM, round_id=FIRST))
        tables = ("match", "round", "waiting", "participant")
        before = {table: await service.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}
        assert len(before["match"]) == 2
        settings = service.process.runtime.settings
    for table in (
        *tables,
        "match_organisation",
        "round_work",
        "program",
        "program_organisation",
        "consumer_position",
        "sequence_seen",
    ):
        await service.rows(f"DELETE FROM {table}")
    async with Process("matching", settings, build, mode="replay") as replay:
        await replay.finished.wait()
    after = {table: await service.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}
    assert after == before
    (work,) = await service.rows("SELECT * FROM round_work")
    assert (work["result_digest"], work["solve_seconds"]) == (after["round"][0]["result_digest"], None)


async def test_what_was_found_and_not_applied_is_told_again_on_another_broker(service: MatchingService) -> None:
    await people(service, matching="rounds", round_every_days=7)
    await service.send(run())
    await service.move_clock(START + timedelta(days=7))
    first, second = await service.events(RoundSolved, "registrations")
    # As if the second answer, and a third request of the clock, had been lost with the broker.
    await service.rows("UPDATE round SET status = 'requested' WHERE round_id = $1", second.round_id)
    due_at = START + timedelta(days=14)
    await service.rows("INSERT INTO round_asked VALUES ($1, $2, $2)", PROGRAM, due_at)
    restorer = PoolRestorer(load_queries(matching.__file__ or ""))
    async with transaction(service.process.runtime.pool) as connection:
        told = [each.data async for portion in restorer.current_facts(connection) for each in portion]
    assert [each for each in told if isinstance(each, RoundSolved)] == [second]
    assert [each for each in told if isinstance(each, RunRound)] == [clock_round(PROGRAM, due_at)]
    assert first.round_id == FIRST
