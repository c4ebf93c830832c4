"""Events over HTTP: modes, what is stored and published, repeats and concurrent repeats."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from mentorstream_events.people import PersonKnown
from mentorstream_events.registrations import (
    ParticipantRegistered,
    ParticipantUpdated,
    ParticipantWithdrawn,
    ProgramConfigured,
    RematchRequested,
)

from .conftest import BATCH, Intake, PartnerClient, details, event, person, registration


async def test_a_registration_is_stored_and_published(intake: Intake, acme: PartnerClient) -> None:
    answer = await acme.register(
        "e1", "mentor", participant=details("mentor", capacity=3, credentials=["trained"], offers=[{"skill": "python"}])
    )

    (known,) = await intake.facts(PersonKnown, "people")
    (registered,) = await intake.facts(ParticipantRegistered)
    (configured,) = await intake.facts(ProgramConfigured)
    assert str(known.person_id) == answer["person_id"] == str(registered.person_id)
    assert (known.version, known.full_name, known.email) == (1, "Person e1", "e1@example.org")
    assert known.organisation_id == registered.organisation_id == configured.organisation_id == acme.organisation_id
    assert str(registered.participant_id) == answer["participant_id"]
    assert registered.program_id == configured.program_id
    assert (registered.capacity, registered.credentials, registered.roles) == (3, ("trained",), ("mentor",))
    assert registered.profile.zone == "Europe/Paris"
    assert registered.profile.availability[0].start_minute == 540
    assert configured.policy.version == 1
    assert configured.organisations == (acme.organisation_id,)


async def test_binary_mode_and_its_trace(intake: Intake, acme: PartnerClient) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {
        **acme.headers,
        "content-type": "application/json; charset=utf-8",
        "ce-specversion": "1.0",
        "ce-id": "binary%201",
        "ce-source": "https://hr.example.org",
        "ce-type": "mentorstream.participant.register.v1",
        "ce-time": "2026-03-09T08:00:00Z",
        "ce-traceparent": trace,
    }
    answer = await intake.http.post("/v1/events", content=json.dumps(registration("e1")), headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"][0]["id"] == "binary 1"
    registered = [each for each in await intake.events("registrations") if isinstance(each.data, ParticipantRegistered)]
    assert [each.traceparent for each in registered] == [trace]


async def test_a_signature_does_not_go_with_binary_mode(intake: Intake, acme: PartnerClient) -> None:
    """It covers the body, and binary mode says in headers what is asked for: another hand could change that."""
    body = json.dumps({"program": "leadership", "person": "e1"}).encode()
    headers = {
        **acme.signature(body),
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "https://hr.example.org",
        "ce-type": "mentorstream.participant.withdraw.v1",
    }
    answer = await intake.http.post("/v1/events", content=body, headers=headers)
    assert answer.status_code == 415, answer.text
    assert "signature" in answer.json()["title"]


async def test_a_repeat_gets_the_same_answer_and_has_no_effect(intake: Intake, acme: PartnerClient) -> None:
    first = event("participant.register", registration("e1"))
    again = {**json.loads(json.dumps(first, sort_keys=True)), "time": "2026-03-09T08:00:00Z"}

    one, two = await acme.post(first), await acme.post(again)

    assert (one.status_code, two.status_code) == (202, 202)
    assert one.json() == two.json()
    assert len(await intake.facts(ParticipantRegistered)) == 1


async def test_another_body_under_a_known_id_is_a_conflict(intake: Intake, acme: PartnerClient) -> None:
    first = event("participant.register", registration("e1"))
    await acme.post(first)

    answer = await acme.post({**first, "data": registration("e2")})

    assert answer.status_code == 409
    assert first["id"] in answer.json()["detail"]
    assert "errors" not in answer.json()
    assert len(await intake.facts(ParticipantRegistered)) == 1


async def test_ids_of_two_organisations_have_nothing_to_do_with_each_other(intake: Intake, acme: PartnerClient) -> None:
    other = await intake.partner("other")
    await other.configure()
    same = event("participant.register", registration("e1"))

    mine, theirs = await acme.post(same), await other.post(same)

    assert mine.json()["accepted"][0]["person_id"] != theirs.json()["accepted"][0]["person_id"]


async def test_concurrent_repeats_have_one_effect_and_one_answer(intake: Intake, acme: PartnerClient) -> None:
    same = [event("participant.register", registration(f"e{number}")) for number in range(5)]

    answers = await asyncio.gather(*(acme.post(each) for each in same * 10))

    assert {answer.status_code for answer in answers} == {202}
    by_id: dict[str, list[Any]] = {}
    for answer in answers:
        accepted = answer.json()["accepted"][0]
        by_id.setdefault(accepted["id"], []).append(accepted)
    assert all(each == group[0] for group in by_id.values() for each in group)
    assert len(await intake.facts(ParticipantRegistered)) == 5


async def test_a_batch_tells_of_each_event(intake: Intake, acme: PartnerClient) -> None:
    good = event("participant.register", registration("e1"))
    twice = {**good, "data": registration("e9")}
    bad = event("participant.register", registration("e2", program="elsewhere"))
    broken = {"id": "no type", "specversion": "1.0", "source": "x"}

    answer = await acme.post([good, bad, broken, twice, good], BATCH)

    assert answer.status_code == 207
    body = answer.json()
    assert [each["id"] for each in body["accepted"]] == [good["id"], good["id"]]
    told = [(each["index"], each.get("id"), each["status"]) for each in body["refused"]]
    assert told == [(1, bad["id"], 422), (2, "no type", 422), (3, good["id"], 409)]
    assert body["refused"][0]["errors"][0]["pointer"] == "/data/program"
    assert body["refused"][1]["errors"][0]["pointer"] == "/type"
    assert len(await intake.facts(ParticipantRegistered)) == 1


async def test_a_batch_of_which_nothing_is_accepted_is_a_problem(acme: PartnerClient) -> None:
    answer = await acme.post([event("participant.withdraw", {"program": "leadership", "person": "x"})], BATCH)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["accepted"] == []
    assert len(answer.json()["refused"]) == 1


async def test_a_batch_sees_what_its_earlier_events_did(intake: Intake) -> None:
    partner = await intake.partner("acme")
    await partner.tell_all(
        [
            event("program.configure", {"program": "p", "title": "P"}),
            event("participant.register", registration("e1", program="p")),
            event("participant.update", {"program": "p", "person": "e1", "participant": details("mentor")}),
            event("participant.request_rematch", {"program": "p", "person": "e1"}),
            event("participant.withdraw", {"program": "p", "person": "e1"}),
        ]
    )
    kinds = [type(each.data) for each in await intake.events("registrations")]
    assert kinds == [
        ProgramConfigured,
        ParticipantRegistered,
        ParticipantUpdated,
        RematchRequested,
        ParticipantWithdrawn,
    ]


async def test_registering_again_updates_and_the_same_again_is_silent(intake: Intake, acme: PartnerClient) -> None:
    first = await acme.register("e1")
    second = await acme.register("e1", "mentor")
    await acme.register("e1", "mentor")

    assert {**first, "id": "", "accepted_at": ""} == {**second, "id": "", "accepted_at": ""}
    (updated,) = await intake.facts(ParticipantUpdated)
    assert (updated.roles, updated.capacity) == (("mentor",), 1)
    assert len(await intake.facts(PersonKnown, "people")) == 1


async def test_who_left_comes_back_under_the_same_id(intake: Intake, acme: PartnerClient) -> None:
    first = await acme.register("e1")
    await acme.tell("participant.withdraw", {"program": "leadership", "person": "e1"})
    again = await acme.register("e1")

    assert again["participant_id"] == first["participant_id"]
    assert len(await intake.facts(ParticipantRegistered)) == 2
    (left,) = await intake.facts(ParticipantWithdrawn)
    assert left.reason == "withdrawn"


async def test_what_was_declared_for_audits_goes_with_who_leaves(intake: Intake, acme: PartnerClient) -> None:
    groups = [{"attribute": "shift", "group": "night"}]
    await acme.register("e1", participant=details("mentee", audit_groups=groups))
    (row,) = await intake.fetch("SELECT details::text AS details FROM participant")
    assert "night" in row["details"]
    await acme.tell("participant.withdraw", {"program": "leadership", "person": "e1"})
    (row,) = await intake.fetch("SELECT details::text AS details FROM participant")
    assert "audit_groups" not in row["details"]
    assert "languages" in row["details"]


async def test_a_new_zone_reaches_every_program_and_a_new_name_only_people(intake: Intake, acme: PartnerClient) -> None:
    await acme.configure("second")
    await acme.register("e1")
    await acme.register("e1", program="second")

    await acme.tell("person.update", {"person": person("e1", full_name="Another Name")})
    assert await intake.facts(ParticipantUpdated) == []

    await acme.tell("person.update", {"person": person("e1", full_name="Another Name", zone="Asia/Tokyo")})
    updated = await intake.facts(ParticipantUpdated)
    assert len({each.program_id for each in updated}) == 2
    assert {each.profile.zone for each in updated} == {"Asia/Tokyo"}
    assert [each.version for each in await intake.facts(PersonKnown, "people")] == [1, 2, 3]


async def test_a_changed_program_counts_its_versions(intake: Intake, acme: PartnerClient) -> None:
    await acme.configure()
    await acme.configure(policy={"minimum_common_minutes": 90})
    other = await intake.partner("other")
    await acme.configure(policy={"minimum_common_minutes": 90}, open_to=["other"])

    versions = await intake.facts(ProgramConfigured)
    assert [each.policy.version for each in versions] == [1, 2, 3]
    assert versions[-1].organisations == (acme.organisation_id, other.organisation_id)
    assert versions[-1].policy.minimum_common_minutes == 90
