"""Imports: thousands of rows, bad rows by line, repeats, mended files, order of managers."""

from __future__ import annotations

import json

from mentorstream_events.people import PersonKnown
from mentorstream_events.registrations import ParticipantRegistered, ReportingLineChanged

from .conftest import Intake, PartnerClient, registration

HEADER = "program,reference,full_name,email,zone,manager,roles,languages,availability,capacity,offers,goals"


def row(reference: str, manager: str = "", *, zone: str = "Europe/Paris", hours: str = "mon 09:00-12:00") -> str:
    """A CSV row of a mentee."""
    return f"leadership,{reference},Person {reference},{reference}@example.org,{zone},{manager},mentee,fr;en,{hours},,,"


def table(*rows: str) -> str:
    """A CSV file."""
    return "\r\n".join([HEADER, *rows]) + "\r\n"


async def test_rows_of_a_csv_file_are_registered(intake: Intake, acme: PartnerClient) -> None:
    rich = (
        'leadership,e2,"Duarte ""Zé"" Quintanilha,\nFilho",e2@example.org,Asia/Kolkata,-,mentor;mentee,hi,'
        'MON 9:00-12:00;tue 14:00-24:00,2,C: the language:4;sql,"change\nfield; find a job"'
    ).replace("MON 9:00", "MON 09:00")
    answer = await acme.imports("\ufeff" + table(row("e1"), rich), "text/csv; charset=utf-8")

    assert answer.status_code == 202, answer.text
    assert answer.json() | {"import": ""} == {
        "import": "", "rows": 2, "accepted": 2, "repeated": 0, "refused": 0, "refusals": [],
    }  # fmt: skip
    known = {each.full_name: each for each in await intake.facts(PersonKnown, "people")}
    assert known['Duarte "Zé" Quintanilha, Filho'].zone == "Asia/Kolkata"
    mentor = next(each for each in await intake.facts(ParticipantRegistered) if "mentor" in each.roles)
    assert [(each.skill, each.level) for each in mentor.profile.offers] == [("C: the language", 4), ("sql", 3)]
    assert mentor.profile.goals == ("change field", "find a job")
    assert [(each.weekday, each.end_minute) for each in mentor.profile.availability] == [(1, 720), (2, 1440)]
    assert mentor.capacity == 2


async def test_bad_rows_are_told_by_line_and_good_ones_accepted(intake: Intake, acme: PartnerClient) -> None:
    answer = await acme.imports(
        table(
            row("e1"),
            row("e2", zone="Europe/Atlantis"),
            row("e3", hours="mon 9-12"),
            'leadership,e4,"two\nlines",broken',
            row("e5").replace("leadership", "elsewhere"),
            row("e6", "e7"),
            row("e7", "e6"),
            row("e1").replace("Person e1", "Another"),
        )
    )
    assert answer.status_code == 207, answer.text
    body = answer.json()
    assert (body["rows"], body["accepted"], body["refused"]) == (8, 2, 6)
    told = {
        each["line"]: (each["status"], [(error["pointer"], error["column"]) for error in each["errors"]])
        for each in body["refusals"]
    }
    assert told == {
        3: (422, [("/person/zone", "zone")]),
        4: (422, [("/participant/availability/0", "availability")]),
        5: (422, []),
        7: (422, [("/program", "program")]),
        8: (422, [("/manager", "manager")]),
        10: (409, []),
    }
    assert "4 cells" in next(each["detail"] for each in body["refusals"] if each["line"] == 5)
    assert len(await intake.facts(ParticipantRegistered)) == 2


async def test_the_same_file_again_changes_nothing(intake: Intake, acme: PartnerClient) -> None:
    body = table(row("e1"), row("e2"))
    await acme.imports(body)
    await acme.register("e1", "mentor")

    again = await acme.imports(body)

    assert (again.status_code, again.json()["accepted"], again.json()["repeated"]) == (202, 0, 2)
    read = (await intake.http.get("/v1/people/e1", headers=acme.headers)).json()
    assert read["participants"][0]["roles"] == ["mentor"]


async def test_a_mended_file_under_the_same_id_adds_what_was_missing(intake: Intake, acme: PartnerClient) -> None:
    key = {"idempotency-key": '"spring-2026"'}
    first = await acme.imports(table(row("e1"), row("e2", zone="Nowhere"), row("e3")), **key)
    second = await acme.imports(table(row("e2"), row("e1"), row("e3")), **key)

    assert first.json()["import"] == second.json()["import"] == "spring-2026"
    assert (second.status_code, second.json()["accepted"], second.json()["repeated"]) == (202, 1, 2)
    assert len(await intake.facts(ParticipantRegistered)) == 3


async def test_a_manager_goes_before_their_reports_wherever_the_file_has_them(
    intake: Intake, acme: PartnerClient
) -> None:
    count = 1200  # more than two chunks
    await acme.imports(table(*(row(f"e{number}", f"e{number + 1}") for number in range(count)), row(f"e{count}")))

    registered = await intake.facts(ParticipantRegistered)
    assert len(registered) == count + 1
    assert sorted(len(each.managers) for each in registered)[:3] == [0, 1, 2]
    assert await intake.facts(ReportingLineChanged) == []


async def test_ndjson_and_its_bad_lines(intake: Intake, acme: PartnerClient) -> None:
    lines = [json.dumps(registration("e1")), "", "{", json.dumps(registration("e2", boss=1)), '{"program": NaN}']
    answer = await acme.imports("\n".join(lines), "application/x-ndjson")

    assert answer.status_code == 207
    assert [(each["line"], each["status"]) for each in answer.json()["refusals"]] == [(3, 422), (4, 422), (5, 422)]
    assert answer.json()["refusals"][1]["errors"][0]["pointer"] == "/boss"
    assert len(await intake.facts(ParticipantRegistered)) == 1


async def test_files_that_are_refused_whole(acme: PartnerClient) -> None:
    no_zone = HEADER.replace("zone,", "")
    table_of: list[tuple[str | bytes, int, str | None]] = [
        (no_zone + "\n", 422, "missing columns: zone"),
        (HEADER + ",boss\n", 422, "no column 'boss'"),
        (HEADER + ",zone\n", 422, "zone is there twice"),
        (HEADER.replace("email", "e-mail") + "\n", 422, "did you mean email"),
        (HEADER + "\n", 422, "at least one row"),
        ("", 400, "it is empty"),
        (HEADER + '\nleadership,"e1', 400, "line 2"),
        (HEADER.encode() + b"\n\xff", 400, "line 2 is not UTF-8"),
        (table(*(row(f"e{number}") for number in range(20_001))), 413, "limit is 20000 rows"),
        (table(row("e1", zone="Nowhere")), 422, None),
    ]
    for body, status, part in table_of:
        answer = await acme.imports(body)
        assert answer.status_code == status, answer.text
        assert part is None or part in answer.json()["detail"]
    assert (await acme.imports("x", "application/json")).status_code == 415
    assert (await acme.imports(table(row("e1")), **{"idempotency-key": "a b"})).status_code == 400
