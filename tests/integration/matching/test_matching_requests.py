"""Where mentees choose: lists, the cascade, and what is stored of them, on real Kafka and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from tests.integration.matching.running import (
    ALPHA,
    BETA,
    GAMMA,
    PROGRAM,
    START,
    MatchingService,
    configured,
    mentee,
    mentor,
    participant_id,
)

import matching
from matching.adapters.restoring import PoolRestorer
from mentorstream_events import derived_id
from mentorstream_events.matches import MatchConfirmed, MatchEnded, MatchProposed, ParticipantWaitlisted
from mentorstream_events.registrations import (
    EndMatch,
    ExpireProposal,
    ProposalAccepted,
    ProposalDeclined,
    RematchRequested,
    RequestMentors,
)
from mentorstream_runtime.database import load_queries

MENTORS = ("omar", "uma", "vera")


def chosen(*names: str, by: str = "ines") -> RequestMentors:
    return RequestMentors(
        program_id=PROGRAM, participant_id=participant_id(by), mentor_ids=tuple(map(participant_id, names))
    )


async def begin(service: MatchingService, **policy: Any) -> None:
    await service.send(configured(matching="on_request", **policy), *map(mentor, MENTORS), mentee("ines"))


async def asked(service: MatchingService) -> list[MatchProposed]:
    return await service.events(MatchProposed)


async def left(service: MatchingService) -> list[UUID]:
    (choice,) = await service.rows("SELECT mentors FROM choice")
    mentors: list[UUID] = choice["mentors"]
    return mentors


def named(proposals: list[MatchProposed]) -> list[str]:
    names = {participant_id(name): name for name in MENTORS}
    return [names[each.mentor.participant_id] for each in proposals]


async def test_a_mentee_waits_to_choose_and_the_cascade_goes_down_the_list(service: MatchingService) -> None:
    await begin(service, proposal_days=3)
    (waiting,) = await service.events(ParticipantWaitlisted)
    assert ([each.rule for each in waiting.reasons], waiting.lists) == (["no_request"], 0)
    await service.send(chosen("uma", "omar", "vera"))
    (first,) = await asked(service)
    await service.send(ProposalDeclined(program_id=PROGRAM, match_id=first.match_id))
    await service.move_clock(START + timedelta(days=3))
    assert named(await asked(service)) == ["uma", "omar", "vera"]
    assert len(await service.events(ExpireProposal, "registrations")) == 1
    await service.send(ProposalDeclined(program_id=PROGRAM, match_id=(await asked(service))[2].match_id))
    assert [each.reason for each in await service.events(MatchEnded)] == ["declined", "expired", "declined"]
    _, again = await service.events(ParticipantWaitlisted)
    assert ([each.rule for each in again.reasons], again.lists) == (["no_request"], 1)
    assert again.waiting_since == waiting.waiting_since
    await service.send(chosen("uma", "omar"))  # uma said no, omar only never answered
    assert named(await asked(service))[3:] == ["omar"]
    assert not await service.rows("SELECT FROM dead_letter")


async def test_the_first_of_two_yeses_wins(service: MatchingService) -> None:
    await begin(service, requests_at_once=2)
    await service.send(chosen(*MENTORS))
    first, second = await asked(service)
    assert await left(service) == [participant_id("vera")]
    answers = [ProposalAccepted(program_id=PROGRAM, match_id=each.match_id) for each in (second, first)]
    await service.send(*answers)
    (match,) = await service.events(MatchConfirmed)
    assert match.match_id == second.match_id
    (ended,) = await service.events(MatchEnded)
    assert (ended.match_id, ended.reason, ended.was_confirmed) == (first.match_id, "other_accepted", False)
    assert await left(service) == []
    assert not await service.rows("SELECT FROM dead_letter")


async def test_who_was_not_needed_may_be_asked_when_the_match_is_over(service: MatchingService) -> None:
    await begin(service, requests_at_once=2)
    await service.send(chosen("omar", "uma"))
    first, second = await asked(service)
    await service.send(ProposalAccepted(program_id=PROGRAM, match_id=first.match_id))
    rematch = RematchRequested(program_id=PROGRAM, participant_id=participant_id("ines"), match_id=first.match_id)
    await service.send(rematch, chosen("omar", "uma"))
    assert named(await asked(service)) == ["omar", "uma", "uma"]
    assert second.match_id != (await asked(service))[2].match_id


async def test_a_yes_takes_the_place_of_a_proposal_that_nobody_chose(service: MatchingService) -> None:
    """Both proposals are stored; the one that begins takes what the other gives back, in whatever order rows lie."""
    await service.send(configured(mentor_consent=True), mentor("omar"), mentee("ines"))
    (unasked,) = await asked(service)
    await service.send(configured(matching="on_request", requests_at_once=2, version=2), mentor("uma"), chosen("uma"))
    _, request = await asked(service)
    await service.rows("UPDATE match SET shared = shared WHERE match_id = $1", unasked.match_id)  # now behind the other
    await service.send(ProposalAccepted(program_id=PROGRAM, match_id=request.match_id))
    assert [each.match_id for each in await service.events(MatchConfirmed)] == [request.match_id]
    assert [(each.match_id, each.reason) for each in await service.events(MatchEnded)] == [
        (unasked.match_id, "other_accepted")
    ]
    assert not await service.rows("SELECT FROM dead_letter")


async def test_two_who_asked_each_other_are_matched_again(service: MatchingService) -> None:
    await service.send(
        configured(matching="on_request", rematch_former=True),
        *(msgspec.structs.replace(mentor(name), roles=("mentor", "mentee")) for name in ("ada", "ben")),
        chosen("ben", by="ada"),
        chosen("ada", by="ben"),
    )
    first, second = await asked(service)
    await service.send(ProposalAccepted(program_id=PROGRAM, match_id=first.match_id))
    await service.send(EndMatch(program_id=PROGRAM, match_id=first.match_id, reason="coordinator"))
    await service.send(ProposalAccepted(program_id=PROGRAM, match_id=second.match_id))
    assert [each.match_id for each in await service.events(MatchConfirmed)] == [first.match_id, second.match_id]
    rows = await service.rows("SELECT again FROM match ORDER BY confirmed_at, again")
    assert [row["again"] for row in rows] == [False, True]
    assert not await service.rows("SELECT FROM dead_letter")


async def test_another_owner_goes_on_with_the_list(service: MatchingService) -> None:
    """Somebody else decided meanwhile: what is in memory is dropped, and lists come back with everything else."""
    await begin(service)
    await service.send(chosen("vera", "omar", "uma"))
    await service.rows("UPDATE choice SET mentors = $1", [participant_id("uma"), participant_id("omar")])
    await service.rows("UPDATE program SET revision = revision + 1")
    (first,) = await asked(service)
    await service.send(ProposalDeclined(program_id=PROGRAM, match_id=first.match_id))
    assert named(await asked(service)) == ["vera", "uma"]


async def test_a_list_that_may_be_lost_is_asked_again_after_the_broker_was_replaced(service: MatchingService) -> None:
    await begin(service)
    await service.send(chosen("vera"))
    for number, name in ((1, "vera"), (2, "uma")):  # the first one was decided
        await service.rows(
            "INSERT INTO choice_asked VALUES ($1, $2, $3, $4, $5, $6)",
            PROGRAM,
            participant_id("ines"),
            BETA,
            number,
            [participant_id(name)],
            START,
        )
    restorer = PoolRestorer(load_queries(matching.__file__))
    async with service.process.runtime.pool.acquire() as connection, connection.transaction():
        facts = [each.data async for batch in restorer.current_facts(connection) for each in batch]
    assert [each for each in facts if isinstance(each, RequestMentors)] == [chosen("uma")]
    assert len([each for each in facts if isinstance(each, MatchProposed)]) == 1


async def test_what_nobody_can_have_meant_is_put_aside(service: MatchingService) -> None:
    await begin(service)
    stranger = RequestMentors(
        program_id=PROGRAM, participant_id=participant_id("ines"), mentor_ids=(derived_id("stranger"),)
    )
    await service.send(chosen("uma", "uma"), stranger, chosen("uma", by="nobody"))
    letters = await service.rows("SELECT reason FROM dead_letter ORDER BY record_offset")
    assert [letter["reason"] for letter in letters] == ["mentor_twice", "unknown_mentor", "unknown_participant"]
    assert await asked(service) == []
    assert await service.rows("SELECT FROM choice") == []


async def test_the_database_keeps_one_proposal_to_each_mentor_and_one_match(service: MatchingService) -> None:
    await begin(service)
    await service.send(mentor("wei", capacity=2), chosen("wei"))
    copy = """
        INSERT INTO match SELECT (jsonb_populate_record(match, jsonb_build_object(
            'match_id', gen_random_uuid(), 'slot', 1, 'status', $1::text, 'mentor_id', $2::uuid, 'mentor_person_id',
            gen_random_uuid(), 'confirmed_at', now(), 'ends_at', now()))).*
        FROM match WHERE status = 'proposed'
    """
    with pytest.raises(asyncpg.UniqueViolationError, match="match_of_mentee"):
        await service.rows(copy, "proposed", participant_id("wei"))
    await service.rows(copy, "confirmed", participant_id("uma"))
    with pytest.raises(asyncpg.UniqueViolationError, match="match_of_mentee"):
        await service.rows(copy, "confirmed", participant_id("vera"))


async def test_the_api_sees_the_lists_of_its_organisation(service: MatchingService) -> None:
    await begin(service)
    await service.send(chosen("omar"))
    connection = await asyncpg.connect(service.database.url("mentorstream_matching_api"))
    seen = {}
    try:
        for organisation in (ALPHA, BETA, GAMMA):
            async with connection.transaction():
                await connection.execute("SELECT set_config('mentorstream.organisation', $1, true)", str(organisation))
                seen[organisation] = await connection.fetchval("SELECT count(*) FROM choice")
    finally:
        await connection.close()
    assert seen == {ALPHA: 0, BETA: 1, GAMMA: 0}
