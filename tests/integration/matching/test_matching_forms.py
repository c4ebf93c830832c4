"""Partners on real servers: one for each person, whichever side they stand on, and the database has the last word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from tests.integration.matching.running import PROGRAM, configured, mentor, participant_id, person_id

from mentorstream_events.matches import MatchConfirmed, MatchEnded, ParticipantWaitlisted
from mentorstream_events.registrations import ParticipantRegistered, ParticipantWithdrawn

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

    await service.send(
        ParticipantWithdrawn(program_id=PROGRAM, participant_id=participant_id("ada"), person_id=person_id("ada"))
    )
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
