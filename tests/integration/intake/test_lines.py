"""Reporting lines, placeholders, blocks and erasure: what every program is told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mentorstream_events.people import PersonErased, PersonKnown
from mentorstream_events.registrations import (
    ParticipantRegistered,
    ParticipantUpdated,
    ParticipantWithdrawn,
    ReportingLineChanged,
)

from .conftest import Intake, PartnerClient, details, event, registration


def chains(facts: list[Any]) -> dict[UUID, tuple[UUID, ...]]:
    """The last chain told of each person."""
    return {line.person_id: line.managers for fact in facts for line in fact.lines}


def person_id(answer: dict[str, Any]) -> UUID:
    """The person's id in an answer."""
    return UUID(answer["person_id"])


async def test_a_registration_carries_the_line_as_far_as_the_policy_looks(intake: Intake, acme: PartnerClient) -> None:
    answers = [await acme.register("p0")]
    answers += [await acme.register(f"p{level}", manager=f"p{level - 1}") for level in range(1, 5)]
    ids = [person_id(answer) for answer in answers]
    told = {each.person_id: each.managers for each in await intake.facts(ParticipantRegistered)}
    assert told[ids[1]] == (ids[0],)
    assert told[ids[4]] == (ids[3], ids[2])


async def test_a_manager_may_be_named_before_being_known(intake: Intake, acme: PartnerClient) -> None:
    low = await acme.register("low", manager="top")
    read = await intake.http.get("/v1/people/top", headers=acme.headers)
    assert read.json()["full_name"] is None
    assert read.json()["version"] == 0
    top = await acme.register("top")

    told = {each.person_id: each.managers for each in await intake.facts(ParticipantRegistered)}
    assert told == {person_id(low): (person_id(top),), person_id(top): ()}
    assert {each.person_id for each in await intake.facts(PersonKnown, "people")} == {person_id(low), person_id(top)}


async def test_a_changed_line_is_told_as_far_down_as_each_program_looks(intake: Intake, acme: PartnerClient) -> None:
    await acme.configure("deep", policy={"boss_levels": 3})
    await acme.configure("blind", policy={"boss_levels": 0})
    for program in ("leadership", "deep", "blind"):
        await acme.register("p0", program=program)
        for level in range(1, 5):
            await acme.register(f"p{level}", program=program, manager=f"p{level - 1}")
    ids = [
        row["person_id"]
        for row in await intake.fetch("SELECT person_id FROM person WHERE version = 1 ORDER BY reference")
    ]
    assert await intake.facts(ReportingLineChanged) == []

    answer = await acme.tell("reporting_line.set", {"person": "p1", "manager": "boss"})
    assert person_id(answer) == ids[1]

    boss = (await intake.fetch("SELECT person_id FROM person WHERE reference = 'boss'"))[0]["person_id"]
    programs = {row["reference"]: row["program_id"] for row in await intake.fetch("SELECT * FROM program")}
    told = {each.program_id: chains([each]) for each in await intake.facts(ReportingLineChanged)}
    assert told == {
        programs["leadership"]: {ids[1]: (boss,), ids[2]: (ids[1], boss)},
        programs["deep"]: {ids[1]: (boss,), ids[2]: (ids[1], boss), ids[3]: (ids[2], ids[1], boss)},
    }


async def test_a_line_is_left_alone_unless_it_is_named(intake: Intake, acme: PartnerClient) -> None:
    await acme.register("p1", manager="p0")
    await acme.register("p1", "mentor")
    await acme.tell("participant.update", {"program": "leadership", "person": "p1", "participant": details()})
    assert [len(each.managers) for each in await intake.facts(ParticipantUpdated)] == [1, 1]

    await acme.register("p1", manager=None)
    assert [line.managers for each in await intake.facts(ReportingLineChanged) for line in each.lines] == [()]


async def test_a_program_that_looks_further_up_is_told_everybodys_longer_line(
    intake: Intake, acme: PartnerClient
) -> None:
    other = await intake.partner("other")
    await acme.configure(open_to=["other"])
    for partner, program in ((acme, "leadership"), (other, "acme/leadership")):
        await partner.tell_all(
            [event("reporting_line.set", {"person": f"p{level}", "manager": f"p{level - 1}"}) for level in range(1, 5)]
            + [event("participant.register", registration("p4", program=program))]
        )
    assert await intake.facts(ReportingLineChanged) == []

    await acme.configure(open_to=["other"], policy={"boss_levels": 4})

    (told,) = await intake.facts(ReportingLineChanged)
    assert [len(line.managers) for line in told.lines] == [4, 4]


async def test_a_block_is_told_on_both_sides_and_taken_back_on_both(intake: Intake, acme: PartnerClient) -> None:
    first = await acme.register("a", participant=details(blocks=["b"]))
    second = await acme.register("b")
    registered = {each.person_id: each.blocks for each in await intake.facts(ParticipantRegistered)}
    assert registered == {person_id(first): (person_id(second),), person_id(second): (person_id(first),)}

    await acme.register("a")
    updated = {each.person_id: each.blocks for each in await intake.facts(ParticipantUpdated)}
    assert updated == {person_id(first): (), person_id(second): ()}

    await acme.register("b", participant=details(blocks=["a"]))
    await acme.tell("participant.withdraw", {"program": "leadership", "person": "b"})
    last = {each.person_id: each.blocks for each in await intake.facts(ParticipantUpdated)}
    assert last[person_id(first)] == ()


async def test_erasing_takes_a_person_out_of_everything(intake: Intake, acme: PartnerClient) -> None:
    await acme.configure("second")
    top = await acme.register("top")
    gone = await acme.register("gone", manager="top", participant=details(blocks=["low"]))
    await acme.register("gone", program="second")
    low = await acme.register("low", manager="gone", participant=details(blocks=["gone"]))

    answer = await intake.http.delete("/v1/people/gone", headers=acme.headers)

    assert answer.status_code == 202
    assert answer.json() == {"person_id": gone["person_id"]}
    left = await intake.facts(ParticipantWithdrawn)
    assert [(str(each.person_id), each.reason) for each in left] == [(gone["person_id"], "erased")] * 2
    lines = chains(await intake.facts(ReportingLineChanged))
    assert lines == {person_id(low): (person_id(top),)}
    people = [each for each in await intake.events("people") if each.key == gone["person_id"]]
    assert [type(each.data) for each in people] == [PersonKnown, PersonErased]
    ledger = await intake.fetch("SELECT * FROM erased_person")
    assert [str(row["person_id"]) for row in ledger] == [gone["person_id"]]
    # The ledger has the id; beside it and the published facts nothing knows the person, not even as somebody's block.
    assert await intake.fetch("SELECT FROM person WHERE reference = 'gone'") == []
    assert await intake.fetch("SELECT FROM participant WHERE $1 = ANY (blocks)", person_id(gone)) == []
    assert await intake.fetch("SELECT FROM participant WHERE person_id = $1", person_id(gone)) == []


async def test_the_erased_come_back_as_somebody_new_and_never_by_a_repeat(intake: Intake, acme: PartnerClient) -> None:
    first = event("participant.register", registration("e1"))
    answer = await acme.post(first)
    assert (await intake.http.delete("/v1/people/e1", headers=acme.headers)).status_code == 202
    assert (await intake.http.delete("/v1/people/e1", headers=acme.headers)).status_code == 404

    assert (await acme.post(first)).json() == answer.json()
    assert (await intake.http.get("/v1/people/e1", headers=acme.headers)).status_code == 404

    again = await acme.register("e1")
    assert again["person_id"] != answer.json()["accepted"][0]["person_id"]
    assert again["participant_id"] != answer.json()["accepted"][0]["participant_id"]


async def test_an_erased_id_is_never_written_again(intake: Intake, acme: PartnerClient) -> None:
    await acme.register("e1")
    answer = await intake.http.delete("/v1/people/e1", headers=acme.headers)
    statement = "INSERT INTO person (person_id, organisation_id, reference, version) VALUES ($1, $2, 'e1', 0)"
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="was erased"):
        await intake.fetch(statement, UUID(answer.json()["person_id"]), acme.organisation_id)
