"""From registrations to matches, on real Kafka and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import asyncpg
import httpx
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
    person_id,
)
from tests.support.records import event

from mentorstream_events import derived_id
from mentorstream_events.matches import MatchChanged, MatchConfirmed, MatchEnded, ParticipantWaitlisted
from mentorstream_events.registrations import (
    EndMatch,
    ParticipantWithdrawn,
    ProposalAccepted,
    RematchRequested,
    ReportingLineChanged,
)
from mentorstream_events.values import Reason, ReportingLine, Skill, Terms


async def test_a_mentee_is_matched_and_the_event_says_all_that_scheduling_needs(service: MatchingService) -> None:
    await service.send(configured(terms=Terms(weeks=4)), mentor("omar", offers=(Skill(skill="SQL"),)))
    registered = event(mentee("ines", wants=(Skill(skill="sql"),)), time=START, source="intake")
    await service.publish(registered)
    (match,) = await service.events(MatchConfirmed)
    assert match.match_id == derived_id("match", registered.id, participant_id("omar"), participant_id("ines"))
    assert (match.mentor.person_id, match.mentor.zone, match.mentor.role) == (person_id("omar"), "UTC", "mentor")
    assert match.mentees[0].availability == registered.data.profile.availability  # type: ignore[attr-defined]
    assert match.ends_at == START + timedelta(weeks=4)
    assert match.terms.weeks == 4
    assert sum(match.facets.values()) == match.score
    (stored,) = await service.rows("SELECT * FROM match")
    assert (stored["match_id"], stored["status"], stored["slot"]) == (match.match_id, "confirmed", 0)


async def test_who_finds_nobody_waits_with_reasons_until_somebody_comes(service: MatchingService) -> None:
    await service.send(configured(), mentor("omar", languages=("de",)), mentee("ines"))
    (waiting,) = await service.events(ParticipantWaitlisted)
    assert waiting.reasons == (Reason(rule="language", removed=1),)
    assert waiting.waiting_since == START
    assert len(await service.rows("SELECT FROM waiting")) == 1
    await service.send(mentor("uma"))
    (match,) = await service.events(MatchConfirmed)
    assert match.mentor.participant_id == participant_id("uma")
    assert not await service.rows("SELECT FROM waiting")


async def test_leaving_frees_the_other_side_and_leaves_nothing_but_an_id(service: MatchingService) -> None:
    await service.send(configured(), mentor("omar"), mentee("ines"), mentee("zoe"))
    leave = ParticipantWithdrawn(
        program_id=PROGRAM, participant_id=participant_id("ines"), person_id=person_id("ines"), reason="erased"
    )
    await service.send(leave)
    (ended,) = await service.events(MatchEnded)
    assert (ended.reason, ended.was_confirmed) == ("withdrawn", True)
    assert ended.organisation_ids == (ALPHA, BETA)
    first, second = await service.events(MatchConfirmed)
    assert [each.mentees[0].person_id for each in (first, second)] == [person_id("ines"), person_id("zoe")]
    (gone,) = await service.rows("SELECT * FROM participant WHERE participant_id = $1", participant_id("ines"))
    assert gone["details"] is None


async def test_rematch_reporting_line_and_end(service: MatchingService) -> None:
    await service.send(configured(), mentor("omar"), mentee("ines"))
    (match,) = await service.events(MatchConfirmed)
    line = ReportingLine(person_id=person_id("ines"), managers=(person_id("omar"),))
    await service.send(ReportingLineChanged(program_id=PROGRAM, lines=(line,)))
    (changed,) = await service.events(MatchChanged)
    assert (changed.match_id, changed.reason) == (match.match_id, "reporting_line")
    rematch = RematchRequested(program_id=PROGRAM, participant_id=participant_id("ines"), match_id=None)
    await service.send(rematch, mentor("uma"))
    _, second = await service.events(MatchConfirmed)
    await service.send(EndMatch(program_id=PROGRAM, match_id=second.match_id, reason="coordinator"))
    assert [each.reason for each in await service.events(MatchEnded)] == ["rematch", "coordinator"]


async def test_what_makes_no_sense_is_put_aside_and_what_comes_late_is_not(service: MatchingService) -> None:
    await service.send(
        mentee("ines"),
        configured(),
        mentee("ines"),
        ProposalAccepted(program_id=PROGRAM, match_id=derived_id("nothing")),
        RematchRequested(program_id=PROGRAM, participant_id=participant_id("nobody"), match_id=None),
    )
    letters = await service.rows("SELECT reason FROM dead_letter ORDER BY record_offset")
    assert [letter["reason"] for letter in letters] == ["unknown_program", "unknown_participant"]


async def test_memory_goes_on_where_another_owner_left_off(service: MatchingService) -> None:
    """The process keeps a pool in memory; a row changed by a later owner makes it load anew."""
    await service.send(configured(), mentor("omar"))
    await service.rows("UPDATE participant SET capacity = 0")
    await service.rows("UPDATE program SET revision = revision + 1")
    await service.send(mentee("ines"))
    (waiting,) = await service.events(ParticipantWaitlisted)
    assert waiting.reasons == (Reason(rule="capacity", removed=1),)


async def test_a_violated_constraint_leads_to_another_decision(service: MatchingService) -> None:
    """Somebody took the slot behind the owner's back: the batch is decided again over what there is now."""
    await service.send(configured(), mentor("omar", capacity=1))
    await service.rows(
        """
        INSERT INTO match (match_id, program_id, mentor_id, mentor_person_id, mentor_organisation_id, mentee_id,
                           mentee_person_id, mentee_organisation_id, status, slot, capacity, score, facets, shared,
                           policy_version, waiting_since, proposed_at, confirmed_at, ends_at)
        VALUES (gen_random_uuid(), $1, $2, $3, $4, gen_random_uuid(), gen_random_uuid(), $4, 'confirmed', 0, 1, 0.5,
                '{}', '{}', 1, $5, $5, $5, $5::timestamptz + interval '1 year')
        """,
        PROGRAM,
        participant_id("omar"),
        person_id("omar"),
        ALPHA,
        START,
    )
    await service.send(mentee("ines"))
    assert not await service.events(MatchConfirmed)
    (waiting,) = await service.events(ParticipantWaitlisted)
    assert waiting.reasons == (Reason(rule="capacity", removed=1),)
    assert not await service.rows("SELECT FROM dead_letter")


async def test_the_api_sees_one_organisation(service: MatchingService) -> None:
    await service.send(configured(), mentor("omar"), mentee("ines"), mentee("zoe"))
    tables = ("program", "participant", "match", "match_organisation", "waiting")
    seen = {}
    connection = await asyncpg.connect(service.database.url("mentorstream_matching_api"))
    try:
        for organisation in (ALPHA, BETA, GAMMA, None):
            async with connection.transaction():
                if organisation is not None:
                    await connection.execute(
                        "SELECT set_config('mentorstream.organisation', $1, true)", str(organisation)
                    )
                seen[organisation] = [await connection.fetchval(f"SELECT count(*) FROM {table}") for table in tables]
    finally:
        await connection.close()
    # Alpha owns the program, so its coordinators see everybody in it; of others' rows about a match only its own.
    assert seen == {ALPHA: [1, 3, 1, 1, 1], BETA: [1, 2, 1, 1, 1], GAMMA: [0] * 5, None: [0] * 5}


async def test_gauges_tell_of_every_program_in_memory(service: MatchingService) -> None:
    await service.send(configured(), mentor("omar", capacity=3, languages=("en",)), mentee("ines"))
    await service.send(mentee("zoe", languages=("fi",)))
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{service.process.metrics_url}/metrics")).text
    program = f'{{program="{PROGRAM}"}}'
    assert f"mentorstream_matching_waiting_mentees{program} 1.0" in text
    assert f"mentorstream_matching_free_places{program} 2.0" in text
    assert f"mentorstream_matching_live_matches{program} 1.0" in text
    assert 'mentorstream_matching_decision_seconds_count{event="ParticipantRegistered"}' in text
