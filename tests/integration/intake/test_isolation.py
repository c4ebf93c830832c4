"""An organisation speaks for itself only, and the API's role sees one organisation or none."""

from __future__ import annotations

import asyncpg
import pytest

from mentorstream_events.registrations import ParticipantRegistered, ParticipantWithdrawn

from .conftest import Intake, PartnerClient, details, event, registration

TABLES = ("organisation", "program", "program_organisation", "person", "participant")
HIDDEN = ("credential", "accepted_request", "erased_person", "outbox", "outbox_sequence")


@pytest.fixture
async def other(intake: Intake, acme: PartnerClient) -> PartnerClient:
    """Another organisation with a program and somebody of the same reference."""
    partner = await intake.partner("other")
    await partner.configure()
    await partner.register("e1")
    await acme.register("e1")
    return partner


async def test_the_api_role_sees_nothing_without_an_organisation(intake: Intake, other: PartnerClient) -> None:
    api = intake.process.runtime.api_pool
    for table in TABLES:
        assert await api.fetch(f"SELECT * FROM {table}") == [], table
        async with api.acquire() as connection, connection.transaction():
            await connection.execute(
                "SELECT set_config('mentorstream.organisation', $1, true)", str(other.organisation_id)
            )
            assert len(await connection.fetch(f"SELECT * FROM {table}")) == 1, table
    for table in HIDDEN:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await api.fetch(f"SELECT * FROM {table}")
    for statement in ("DELETE FROM person", "UPDATE program SET title = ''", "INSERT INTO erased_person VALUES (null)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await api.execute(statement)


async def test_reads_show_only_ones_own(intake: Intake, acme: PartnerClient, other: PartnerClient) -> None:
    mine = (await intake.http.get("/v1/people/e1", headers=acme.headers)).json()
    theirs = (await intake.http.get("/v1/people/e1", headers=other.headers)).json()
    assert mine["person_id"] != theirs["person_id"]
    assert mine["participants"][0]["program"] == "leadership"
    assert mine["participants"][0]["active"] is True
    programs = (await intake.http.get("/v1/programs", headers=acme.headers)).json()["programs"]
    assert [(each["program"], each["participants"]) for each in programs] == [("leadership", 1)]
    assert (await intake.http.get("/v1/people/e2", headers=acme.headers)).status_code == 404


async def test_a_program_is_shared_by_opening_it(intake: Intake, acme: PartnerClient, other: PartnerClient) -> None:
    entry = event("participant.register", registration("e1", program="acme/leadership"))
    assert (await other.post(entry)).status_code == 403

    await acme.configure(open_to=["other"])
    assert (await other.post(entry)).status_code == 202

    programs = (await intake.http.get("/v1/programs", headers=other.headers)).json()["programs"]
    assert [(each["program"], each["participants"]) for each in programs] == [("acme/leadership", 1), ("leadership", 1)]
    shared = [
        each for each in await intake.facts(ParticipantRegistered) if each.organisation_id == other.organisation_id
    ]
    assert len({each.program_id for each in shared}) == 2
    assert len({each.person_id for each in shared}) == 1


async def test_who_is_in_a_program_can_leave_it_after_it_was_closed(
    intake: Intake, acme: PartnerClient, other: PartnerClient
) -> None:
    await acme.configure(open_to=["other"])
    await other.register("e1", program="acme/leadership")
    await acme.configure()

    change = {"program": "acme/leadership", "person": "e1", "participant": details()}
    assert (await other.post(event("participant.update", change))).status_code == 403
    read = (await intake.http.get("/v1/people/e1", headers=other.headers)).json()
    assert sorted(str(each["program"]) for each in read["participants"]) == ["None", "leadership"]
    await other.tell("participant.withdraw", {"program": "acme/leadership", "person": "e1"})
    assert len(await intake.facts(ParticipantWithdrawn)) == 1


async def test_nobody_erases_the_people_of_others(intake: Intake, acme: PartnerClient, other: PartnerClient) -> None:
    await acme.register("only-acme")
    assert (await intake.http.delete("/v1/people/only-acme", headers=other.headers)).status_code == 404
    assert (await intake.http.delete("/v1/people/e1", headers=other.headers)).status_code == 202
    assert (await intake.http.get("/v1/people/e1", headers=acme.headers)).status_code == 200
