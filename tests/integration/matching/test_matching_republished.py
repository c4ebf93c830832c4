"""After the broker was replaced: what coordinators asked for and was not decided is asked again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.integration.matching.callers import QUERIES
from tests.integration.matching.running import (
    ALPHA,
    PROGRAM,
    START,
    MatchingService,
    configured,
    mentee,
    mentor,
    participant_id,
)

from matching.adapters.coordinator_keys import Coordinator
from matching.adapters.coordinator_requests import CoordinatorRequests, Kind
from matching.adapters.restoring import PoolRestorer
from mentorstream_events import Value
from mentorstream_events.matches import MatchConfirmed, MatchEnded, MatchProposed
from mentorstream_events.registrations import (
    DiscardRound,
    EndMatch,
    PublishRound,
    RematchRequested,
    RequestMentors,
    RunRound,
)
from mentorstream_runtime.database import transaction
from mentorstream_runtime.outbox import Outgoing

ASKED = (EndMatch, RematchRequested, RunRound, PublishRound, DiscardRound, RequestMentors)


async def asked_and_lost(service: MatchingService, kind: Kind, subject_id: UUID, request: Value) -> UUID:
    """What a coordinator asked for, of which the broker has nothing any more."""

    async def lose(_connection: object, _events: Sequence[Outgoing]) -> None:
        return

    who = Coordinator("0" * 16, ALPHA, "coordinator", "a test")
    request_id = request.round_id if isinstance(request, RunRound) else uuid4()
    requests = CoordinatorRequests(service.process.runtime.pool, QUERIES, lose)
    assert await requests.ask(
        who, kind, PROGRAM, subject_id, request, request_id=request_id, now=service.time, traceparent=None
    )
    return request_id


async def told_again(service: MatchingService) -> list[Value]:
    """The requests among what a republishing tells."""
    async with transaction(service.process.runtime.pool) as connection:
        told = [each async for batch in PoolRestorer(QUERIES).current_facts(connection) for each in batch]
    assert len({each.id for each in told}) == len(told)
    return [each.data for each in told if isinstance(each.data, ASKED)]


async def test_an_end_that_a_coordinator_asked_for_is_asked_until_it_is_decided(service: MatchingService) -> None:
    await service.send(configured(), mentor("omar"), mentee("ines"))
    (match,) = await service.events(MatchConfirmed)
    request = EndMatch(program_id=PROGRAM, match_id=match.match_id, reason="coordinator")
    await asked_and_lost(service, "end", match.match_id, request)
    assert await told_again(service) == [request]
    await service.send(request)
    assert len(await service.events(MatchEnded)) == 1
    assert await told_again(service) == []


async def test_a_rematch_that_a_coordinator_asked_for_is_asked_until_the_match_is_over(
    service: MatchingService,
) -> None:
    await service.send(configured(), mentor("omar"), mentee("ines"))
    (match,) = await service.events(MatchConfirmed)
    request = RematchRequested(program_id=PROGRAM, participant_id=participant_id("ines"), match_id=match.match_id)
    await asked_and_lost(service, "rematch", match.match_id, request)
    assert await told_again(service) == [request]
    await service.send(request)
    assert len(await service.events(MatchEnded)) == 1
    assert await told_again(service) == []


async def test_mentors_asked_for_on_a_mentees_behalf_are_asked_for_until_decided(service: MatchingService) -> None:
    await service.send(configured(matching="on_request"), mentor("omar"), mentee("ines"))
    ines = participant_id("ines")
    request = RequestMentors(program_id=PROGRAM, participant_id=ines, mentor_ids=(participant_id("omar"),))
    await asked_and_lost(service, "request_mentors", ines, request)
    assert await told_again(service) == [request]
    await service.send(request)
    assert len(await service.events(MatchProposed)) == 1
    assert await told_again(service) == []


@pytest.mark.parametrize("kind", ["publish", "discard"])
async def test_what_was_asked_of_a_drafted_round_is_asked_until_it_is_over(service: MatchingService, kind: Any) -> None:
    await service.send(configured(matching="review"), mentor("omar"), mentee("ines"))
    round_id = uuid4()
    request = {
        "publish": PublishRound(program_id=PROGRAM, round_id=round_id),
        "discard": DiscardRound(program_id=PROGRAM, round_id=round_id),
    }[kind]
    await asked_and_lost(service, kind, round_id, request)
    assert await told_again(service) == []  # there is no such round
    await store_round(service, round_id, "drafted")
    assert await told_again(service) == [request]
    async with transaction(service.process.runtime.pool) as connection:
        await connection.execute("UPDATE round SET status = 'published'")
    assert await told_again(service) == []


async def test_a_round_that_was_asked_for_is_asked_for_until_one_began(service: MatchingService) -> None:
    await service.send(configured(matching="review"), mentor("omar"), mentee("ines"))
    request = RunRound(program_id=PROGRAM, round_id=uuid4(), asked_by="coordinator", seed=0)
    await asked_and_lost(service, "run", PROGRAM, request)
    assert await told_again(service) == [request]
    await store_round(service, request.round_id, "applied")
    assert await told_again(service) == []


async def store_round(service: MatchingService, round_id: UUID, status: str) -> None:
    async with transaction(service.process.runtime.pool) as connection:
        await connection.execute(
            "INSERT INTO round (round_id, program_id, status, asked_by, objective, policy_version, seed, requested_at,"
            " completed_at, participants, input_digest) VALUES ($1, $2, $3, 'clock', 'total', 1, 0, $4, $4, 1, 'a')",
            round_id,
            PROGRAM,
            status,
            START,
        )
