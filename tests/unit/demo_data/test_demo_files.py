"""The demo's files are what partners may send: valid by the contracts, complete, and written by the script."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from mentorstream_events.partner import REQUESTS, ConfigureProgram, RegisterParticipant
from mentorstream_local.demo.data import (
    DAYS,
    DIRECTORY,
    DemoData,
    Erasure,
    LaterEvent,
    PartnerEvent,
    batch_body,
    load,
)

from .registrations import COLUMNS, Registration, csv_rows, json_requests, minutes, of_request, registrations

REFERENCE = r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}"
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
SKILLS = r"(?:[^;:]{1,120}:[1-5](?:;\s*[^;:]{1,120}:[1-5])*)?"
TAGS = r"(?:[^;]{1,120}(?:;[^;]{1,120})*)?"
LANGUAGE = r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*"
INTERVAL = rf"(?:mon|tue|wed|thu|fri|sat|sun) {CLOCK}-(?:{CLOCK}|24:00)"
CELLS = {
    "program": r"(?:[a-z0-9][a-z0-9-]{0,62}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}",
    "reference": REFERENCE,
    "full_name": r".{1,200}",
    "email": r"[a-z0-9.-]{1,64}@[a-z0-9.-]+",
    "zone": r"[A-Za-z]+/[A-Za-z_]+",
    "locale": LANGUAGE,
    "manager": rf"-|(?:{REFERENCE})?",
    "roles": r"mentor|mentee|mentor;mentee",
    "capacity": r"[0-9]{0,2}",
    "languages": rf"{LANGUAGE}(?:;\s*{LANGUAGE})*",
    "availability": rf"{INTERVAL}(?:;\s*{INTERVAL})*",
    "offers": SKILLS,
    "wants": SKILLS,
    "goals": TAGS,
    "interests": TAGS,
    "values": TAGS,
    "style": r"[^;]{0,120}",
    "industry": r"[^;]{0,120}",
    "seniority": r"[0-9]|10",
    "credentials": TAGS,
    "audit_groups": r"(?:[^;=]{1,40}=[^;=]{1,60}(?:;[^;=]{1,40}=[^;=]{1,60})*)?",
    "blocks": rf"(?:{REFERENCE}(?:;{REFERENCE})*)?",
}


@pytest.fixture(scope="module")
def data() -> DemoData:
    return load()


@pytest.fixture(scope="module")
def everybody(data: DemoData) -> list[Registration]:
    return registrations(data)


def sent_events(data: DemoData) -> list[PartnerEvent]:
    later = [action.event for action in data.later if isinstance(action, LaterEvent)]
    return [*data.programs, *(event for batch in data.batches for event in batch.events), *later]


def test_the_script_writes_the_committed_files_again(tmp_path: Path) -> None:
    subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(DIRECTORY / "generate.py"), "--out", str(tmp_path)], check=True
    )
    written = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert written
    assert {path: (DIRECTORY / path).read_bytes() for path in written} == written
    committed = {path.relative_to(DIRECTORY) for path in (DIRECTORY / "organisations").rglob("*") if path.is_file()}
    assert committed <= written.keys(), "files that the script no longer writes"


def test_every_event_is_a_cloud_event_and_its_data_a_valid_request(data: DemoData) -> None:
    for sent in sent_events(data):
        event = json.loads(sent.body)
        assert event["specversion"] == "1.0"
        assert event["source"].startswith("https://")
        assert event["datacontenttype"] == "application/json"
        assert (event["id"], event["type"]) == (sent.id, sent.type)
        msgspec.convert(event["data"], REQUESTS[sent.type])


def test_event_ids_are_given_once_by_each_organisation(data: DemoData) -> None:
    assert max(Counter((event.organisation, event.id) for event in sent_events(data)).values()) == 1


def test_every_ndjson_line_is_a_valid_request(data: DemoData) -> None:
    for _, request in json_requests(data):
        msgspec.convert(request, RegisterParticipant)


def test_csv_has_the_documented_columns_and_cells(data: DemoData) -> None:
    readme = (DIRECTORY / "README.md").read_text(encoding="utf-8")
    for organisation, row in csv_rows(data):
        assert [column for column in row if column != "audit_groups"] == COLUMNS
        for column, cell in row.items():
            assert re.fullmatch(CELLS[column], cell, re.DOTALL), f"{organisation} {row['reference']} {column}: {cell!r}"
    assert all(f"| `{column}` |" in readme for column in COLUMNS)


def test_a_batch_is_an_array_of_its_events(data: DemoData) -> None:
    for batch in data.batches:
        body = json.loads(batch_body(batch.events))
        assert [event["id"] for event in body] == [event.id for event in batch.events]


def test_numbers(data: DemoData, everybody: list[Registration]) -> None:
    people = {role: {one.person for one in everybody if role in one.roles} for role in ("mentor", "mentee")}
    assert len(data.organisations) == 12
    assert 180 <= len(people["mentor"]) <= 240  # peers are both
    assert 560 <= len(people["mentee"]) <= 640
    readme = (DIRECTORY / "README.md").read_text(encoding="utf-8")
    assert f"{len(people['mentor'])} mentors and {len(people['mentee'])} mentees" in readme
    assert sum(sent.rows for sent in data.imports) + sum(len(b.events) for b in data.batches) == len(everybody)
    assert Counter(one.sends for one in data.organisations) == {"csv": 8, "ndjson": 2, "events": 2}
    assert {one.authentication for one in data.organisations} == {"signature", "api-key"}


def test_capacity_is_about_nine_tenths_of_the_mentees(everybody: list[Registration]) -> None:
    places = sum(one.capacity for one in everybody if "mentor" in one.roles)
    mentees = sum("mentee" in one.roles for one in everybody)
    assert 0.85 <= places / mentees <= 0.95


def test_programs_are_known_open_and_have_the_roles(data: DemoData, everybody: list[Registration]) -> None:
    programs = {}
    for event in data.programs:
        request = msgspec.convert(json.loads(event.body)["data"], ConfigureProgram)
        programs[f"{event.organisation}/{request.program}"] = request
    known = {organisation.name for organisation in data.organisations}
    for name, program in programs.items():
        assert set(program.open_to) <= known
        assert 30 <= program.terms.meeting_minutes <= 60
        assert program.terms.cadence_days in (7, 14)
        assert any(one.program == name for one in everybody)
    for one in everybody:
        program = programs[one.program]
        assert set(one.roles) <= set(program.roles)
        assert one.program.split("/")[0] == one.organisation or one.organisation in program.open_to


def test_nobody_is_twice_in_a_program(everybody: list[Registration]) -> None:
    assert max(Counter((one.person, one.program) for one in everybody).values()) == 1


def test_a_person_is_described_the_same_in_each_program(everybody: list[Registration]) -> None:
    told = defaultdict(set)
    for one in everybody:
        told[one.person].add((one.full_name, one.email, one.zone, one.manager))
    assert all(len(descriptions) == 1 for descriptions in told.values())
    emails = Counter(next(iter(descriptions))[1] for descriptions in told.values())
    assert max(emails.values()) == 1


def test_addresses_are_in_domains_reserved_for_examples(everybody: list[Registration]) -> None:
    for one in everybody:
        domain = one.email.partition("@")[2]
        assert domain.endswith((".example", ".example.org", ".example.com")), one.email


def test_zones_exist_and_hours_are_real(everybody: list[Registration]) -> None:
    for one in everybody:
        ZoneInfo(one.zone)
        intervals = [minutes(interval) for interval in one.availability]
        assert all(start < end for _, start, end in intervals)
        for weekday, start, end in intervals:
            others = [other for other in intervals if other != (weekday, start, end) and other[0] == weekday]
            assert all(end <= other[1] or other[2] <= start for other in others), one
        assert len(set(intervals)) == len(intervals)
        assert 2 <= one.hours <= 12


def test_managers_are_listed_before_who_reports_to_them(everybody: list[Registration]) -> None:
    """So that intake knows each manager when it reads the row, and no line can close into a ring."""
    seen: set[tuple[str, str]] = set()
    for one in everybody:
        if one.manager is not None:
            assert (one.organisation, one.manager) in seen, one
        seen.add(one.person)
    assert sum(one.manager is not None for one in everybody) > 200


def test_blocks_name_people_of_the_organisation(everybody: list[Registration]) -> None:
    people = {one.person for one in everybody}
    assert all((one.organisation, blocked) in people for one in everybody for blocked in one.blocks)


def test_later_actions_are_in_order_and_about_people_who_are_there(
    data: DemoData, everybody: list[Registration]
) -> None:
    present = {(one.organisation, one.program, one.reference) for one in everybody}
    people = {one.person for one in everybody}
    gone: set[tuple[str, str]] = set()
    assert [action.day for action in data.later] == sorted(action.day for action in data.later)
    for action in data.later:
        assert 0 < action.day < DAYS
        if isinstance(action, Erasure):
            assert (action.organisation, action.person) in people - gone
            gone.add((action.organisation, action.person))
            continue
        request = json.loads(action.event.body)["data"]
        if action.event.type == "mentorstream.participant.register.v1":
            late = of_request(action.organisation, request)
            assert late.person not in people
            people.add(late.person)
        elif "program" in request:
            program = f"{action.organisation}/{request['program']}"
            assert (action.organisation, program, request["person"]) in present
        else:
            person = request["person"]
            reference = person if isinstance(person, str) else person["reference"]
            assert (action.organisation, reference) in people - gone
