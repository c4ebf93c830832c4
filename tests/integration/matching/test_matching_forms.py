"""Circles and partners on real servers: one match to others, one partner for each, the database has the last word."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from tests.integration.matching.callers import caller
from tests.integration.matching.running import (
    ALPHA,
    GAMMA,
    PROGRAM,
    START,
    configured,
    mentee,
    mentor,
    participant_id,
    person_id,
)

from mentorstream_events import derived_id
from mentorstream_events.matches import (
    MatchChanged,
    MatchConfirmed,
    MatchEnded,
    MatchProposed,
    ParticipantWaitlisted,
)
from mentorstream_events.registrations import (
    EndMatch,
    ParticipantRegistered,
    ParticipantWithdrawn,
    RematchRequested,
    RunRound,
)
from mentorstream_events.values import Terms

if TYPE_CHECKING:
    from tests.integration.matching.running import MatchingService


def peer(name: str) -> ParticipantRegistered:
    return msgspec.structs.replace(mentor(name), roles=("mentor", "mentee"))


async def test_peers_have_one_partner_each(service: MatchingService) -> None:
    await service.send(msgspec.structs.replace(configured(), kind="peer"), *map(peer, ("ada", "ben", "cyd")))
    [confirmed] = await service.events(MatchConfirmed)
    assert (confirmed.mentor.role, confirmed.mentees[0].role) == ("partner", "partner")
    assert {confirmed.mentor.participant_id, confirmed.mentees[0].participant_id} == {
        participant_id("ada"),
        participant_id("ben"),
    }
    rows = await service.rows("SELECT participant_id, match_id FROM partner")
    assert {row["participant_id"] for row in rows} == {participant_id("ada"), participant_id("ben")}
    with pytest.raises(asyncpg.UniqueViolationError):
        await service.rows(
            "INSERT INTO partner SELECT program_id, participant_id, gen_random_uuid() FROM partner RETURNING match_id"
        )

    await service.send(withdrawn("ada"))
    assert len(await service.events(MatchEnded)) == 1
    [_, again] = await service.events(MatchConfirmed)
    assert {again.mentor.participant_id, again.mentees[0].participant_id} == {
        participant_id("ben"),
        participant_id("cyd"),
    }
    assert {row["match_id"] for row in await service.rows("SELECT match_id FROM partner")} == {again.match_id}
    assert {each.person_id for each in await service.events(ParticipantWaitlisted)} == {
        person_id("ada"),
        person_id("cyd"),
    }


def withdrawn(name: str) -> ParticipantWithdrawn:
    return ParticipantWithdrawn(program_id=PROGRAM, participant_id=participant_id(name), person_id=person_id(name))


def run(name: str) -> RunRound:
    return RunRound(program_id=PROGRAM, round_id=derived_id(name), asked_by="coordinator", seed=0)


def names(match: MatchConfirmed | MatchChanged | MatchProposed) -> set[object]:
    return {each.participant_id for each in match.mentees}


async def circle(service: MatchingService, **policy: object) -> None:
    """A round of a mentor and three mentees."""
    program = configured(
        matching="rounds",
        circle_minimum=2,
        circle_maximum=4,
        terms=Terms(weeks=2),
        **policy,
    )
    program = msgspec.structs.replace(program, kind="group")
    await service.send(program, mentor("omar", capacity=4), *map(mentee, ("ada", "ben", "cyd")))
    await service.send(run("first"))


async def test_a_circle_begins_in_a_round_changes_and_ends_as_one_match(service: MatchingService) -> None:
    await circle(service)
    [confirmed] = await service.events(MatchConfirmed)
    assert names(confirmed) == {participant_id(name) for name in ("ada", "ben", "cyd")}
    rows = await service.rows("SELECT circle_id, slot FROM match ORDER BY slot")
    assert [(row["circle_id"], row["slot"]) for row in rows] == [(confirmed.match_id, slot) for slot in range(3)]

    await service.send(withdrawn("ada"), mentee("dan"))
    await service.send(run("second"))
    left, joined = await service.events(MatchChanged)
    assert (left.reason, names(left)) == ("members", {participant_id("ben"), participant_id("cyd")})
    assert (joined.match_id, names(joined)) == (
        confirmed.match_id,
        {participant_id(name) for name in ("ben", "cyd", "dan")},
    )
    # All of them end when the circle's weeks are over, asked for once.
    await service.move_clock(START + timedelta(weeks=2))
    assert len(await service.events(EndMatch, "registrations")) == 1
    [ended] = await service.events(MatchEnded)
    assert (ended.match_id, ended.reason, len(ended.mentee_person_ids)) == (confirmed.match_id, "term_over", 3)


async def test_a_circle_is_left_by_one_mentee_however_often_that_is_asked(service: MatchingService) -> None:
    await circle(service)
    [confirmed] = await service.events(MatchConfirmed)
    rows = await service.rows("SELECT match_id FROM match ORDER BY match_id")
    members = [str(row["match_id"]) for row in rows]
    owner, other = await caller(service, ALPHA), await caller(service, GAMMA)
    path = f"/v1/programs/{PROGRAM}/matches/{confirmed.match_id}/rematch"
    refused = await owner.post(path)
    assert (refused.status_code, refused.json()["title"]) == (409, "This is the id of a circle")
    assert [each in refused.json()["detail"] for each in members] == [True, True, True]
    assert (await other.post(path)).status_code == 404
    path = f"/v1/programs/{PROGRAM}/matches/{members[0]}/rematch"
    first, again = await owner.post(path), await owner.post(path)
    assert (first.status_code, first.json()["repeated"]) == (202, False)
    assert again.status_code in (202, 409)  # asked before, or ended by now
    await service.settle()
    assert (await owner.post(path)).status_code == 409
    [wish] = await service.events(RematchRequested, "registrations")
    assert str(wish.match_id) == members[0]
    [changed] = await service.events(MatchChanged)
    assert len(names(changed)) == 2
    refused = await owner.post(f"/v1/programs/{PROGRAM}/matches/{confirmed.match_id}/rematch")
    assert [each in refused.json()["detail"] for each in members] == [False, True, True]


async def test_the_mentor_of_a_circle_answers_once_for_all(service: MatchingService) -> None:
    await circle(service, mentor_consent=True)
    [proposed] = await service.events(MatchProposed)
    page = await service.client.get(service.path(proposed))
    assert "the mentor of a circle of 3 mentees" in page.text
    assert (await service.client.post(service.path(proposed), data={"answer": "accept"})).status_code == 200
    again = await service.client.post(service.path(proposed), data={"answer": "decline"})
    assert again.status_code == 409
    await service.settle()
    [confirmed] = await service.events(MatchConfirmed)
    assert (confirmed.match_id, len(confirmed.mentees)) == (proposed.match_id, 3)
