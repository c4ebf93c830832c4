"""Rows of imports: reading cells, order of managers."""

from __future__ import annotations

import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.refusals import Refused
from intake.handlers.imports import managers_first
from intake.handlers.rows import COLUMNS, column_of, read_csv, read_ndjson
from intake.handlers.submissions import Submission
from mentorstream_events.partner import Hours, ParticipantDetails, PersonDetails, RegisterParticipant

HEADER = ",".join(COLUMNS)


def _one(**cells: str) -> tuple[object, list[str]]:
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, [cells.get(name, "") for name in COLUMNS]])
    (row,) = read_csv(text.getvalue().encode(), 10)
    return row.document, [fault.pointer for fault in row.faults]


def test_empty_cells_are_left_out_and_a_dash_is_nobody() -> None:
    assert _one(program="p") == ({"program": "p", "person": {}, "participant": {}}, [])
    assert _one(manager="-") == ({"manager": None, "person": {}, "participant": {}}, [])
    assert _one(manager="e1") == ({"manager": "e1", "person": {}, "participant": {}}, [])


@pytest.mark.parametrize(
    ("cells", "field", "value"),
    [
        ({"roles": " mentor ; mentee;"}, "roles", ["mentor", "mentee"]),
        ({"capacity": "3"}, "capacity", 3),
        ({"offers": "sql:2;C: the hard parts:5;go"}, "offers",
         [{"skill": "sql", "level": 2}, {"skill": "C: the hard parts", "level": 5}, {"skill": "go"}]),
        ({"availability": "Mon 09:00-12:00; sun 22:00 - 24:00"}, "availability",
         [{"weekday": "monday", "start": "09:00", "end": "12:00"},
          {"weekday": "sunday", "start": "22:00", "end": "24:00"}]),
        ({"goals": "one\r\ntwo;three"}, "goals", ["one two", "three"]),
        ({"style": " plain   words "}, "style", "plain words"),
        ({"audit_groups": "age=under 30; shift = by = night"}, "audit_groups",
         [{"attribute": "age", "group": "under 30"}, {"attribute": "shift", "group": "by = night"}]),
    ],
)  # fmt: skip
def test_cells_are_read(cells: dict[str, str], field: str, value: object) -> None:
    document, faults = _one(**cells)
    assert faults == []
    assert isinstance(document, dict)
    assert document["participant"][field] == value


@pytest.mark.parametrize(
    ("cells", "pointer"),
    [
        ({"capacity": "three"}, "/participant/capacity"),
        ({"audit_groups": "age=under 30;forty"}, "/participant/audit_groups/1"),
        ({"seniority": "1.5"}, "/participant/seniority"),
        ({"capacity": "²"}, "/participant/capacity"),
        ({"offers": "sql:x"}, "/participant/offers/0"),
        ({"availability": "mon 09:00-12:00;monday 9-12"}, "/participant/availability/1"),
        ({"availability": "xyz 09:00-12:00"}, "/participant/availability/0"),
        ({"full_name": "bell\x07"}, "/person/full_name"),
    ],
)
def test_cells_that_cannot_be_read_are_faults_of_their_row(cells: dict[str, str], pointer: str) -> None:
    assert _one(**cells)[1] == [pointer]


@given(st.binary(max_size=300))
def test_any_bytes_after_a_header_are_rows_or_a_refusal(body: bytes) -> None:
    with contextlib.suppress(Refused):
        assert all(row.line > 1 for row in read_csv(HEADER.encode() + b"\n" + body, 100))


@given(st.binary(max_size=300))
def test_any_bytes_are_lines_of_json_or_faults(body: bytes) -> None:
    for row in read_ndjson(body, 1000):
        assert row.faults or row.document is not None or body


def test_columns_of_pointers() -> None:
    pointers = ["/person/zone", "/participant/availability/0/start", "/manager", "/program", ""]
    assert [column_of(pointer) for pointer in pointers] == ["zone", "availability", "manager", "program", ""]


def _submission(reference: str, manager: str | None) -> Submission:
    request = RegisterParticipant(
        program="p",
        person=PersonDetails(reference=reference, full_name="N", email="n@example.org", zone="UTC"),
        participant=ParticipantDetails(
            roles=("mentee",), languages=("en",), availability=(Hours(weekday="monday", start="09:00", end="10:00"),)
        ),
        manager=manager,
    )
    return Submission("s", reference, "t", b"", request)


_references = st.sampled_from([f"e{number}" for number in range(12)])


@given(st.dictionaries(_references, st.none() | _references | st.just("elsewhere"), max_size=12))
def test_managers_go_first_unless_in_a_circle(manager_of: dict[str, str | None]) -> None:
    rows = [(line, _submission(reference, manager)) for line, (reference, manager) in enumerate(manager_of.items())]
    ordered = [submission.id for _, submission in managers_first(rows)]
    assert sorted(ordered) == sorted(manager_of)
    for reference in manager_of:
        above: list[str] = []
        step = manager_of[reference]
        while step in manager_of and step not in above:
            above.append(step)
            step = manager_of[step]
        if step not in manager_of:  # the line has an end
            assert all(ordered.index(each) < ordered.index(reference) for each in above)


def test_a_file_in_order_stays_as_it_is() -> None:
    rows = [(line, _submission(f"e{line}", f"e{line - 1}" if line % 3 else None)) for line in range(30)]
    assert managers_first(rows) == rows
