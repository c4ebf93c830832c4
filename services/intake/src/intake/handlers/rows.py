"""Rows of an import, from CSV or NDJSON, as RegisterParticipant documents. Nothing is judged here but the writing.

A cell that cannot be read is a fault of its row; only a file without a usable header is refused as a whole.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from ..domain.checks import WEEKDAYS
from ..domain.refusals import Refused, Violation, refuse
from .documents import parse

_TITLE: Final = "This file cannot be read"
_PERSON: Final = ("reference", "full_name", "email", "zone", "locale")
_NUMBERS: Final = ("capacity", "seniority")
_LISTS: Final = ("roles", "languages", "goals", "interests", "values", "credentials", "blocks")
_SKILLS: Final = ("offers", "wants")
_TEXTS: Final = ("style", "industry")
NEEDED: Final = ("program", "reference", "full_name", "email", "zone", "roles", "languages", "availability")
COLUMNS: Final = (
    "program", "reference", "full_name", "email", "zone", "locale", "manager", "roles", "capacity", "languages",
    "availability", "offers", "wants", "goals", "interests", "values", "style", "industry", "seniority",
    "credentials", "audit_groups", "blocks",
)  # fmt: skip
_NOBODY: Final = "-"
_DAYS: Final = {day[:3]: day for day in WEEKDAYS}
_HOURS: Final = re.compile(r"([a-z]{3}) (\d\d:\d\d)\s*-\s*(\d\d:\d\d)", re.IGNORECASE)
_WHOLE: Final = re.compile(r"\d{1,9}")
_CELL_LIMIT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `line` is where it starts in the file, counted from 1. With faults it has no document to go on with."""

    line: int
    document: Any
    faults: tuple[Violation, ...] = field(default=())


def read_csv(body: bytes, limit: int) -> Iterator[Row]:
    """Rows of a CSV file (RFC 4180, UTF-8 with or without byte order mark) whose first row names the columns.

    Raises Refused for a file that is none, lacks a needed column, or has more than `limit` rows.
    """
    reader = csv.reader(io.StringIO(_text(body), newline=""), strict=True)
    start, count = 1, 0
    columns: list[str] = []
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not columns:
                columns = _columns(cells)
            elif any(cells):
                count += 1
                _check_count(count, limit)
                yield _csv_row(line, columns, cells)
    except csv.Error as error:
        raise refuse(
            "malformed", _TITLE, "", f"line {start}: {error}; expected CSV with quotes as in RFC 4180"
        ) from None
    if not columns:
        raise refuse("malformed", _TITLE, "", "it is empty; expected a first row with the names of the columns")


def read_ndjson(body: bytes, limit: int) -> Iterator[Row]:
    """Rows of a file with one JSON object a line. Raises Refused for one with more than `limit` rows."""
    count = 0
    for line, raw in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        text = raw.strip()
        if not text:
            continue
        count += 1
        _check_count(count, limit)
        try:
            yield Row(line, parse(text))
        except Refused as refused:
            yield Row(line, None, refused.violations)


def column_of(pointer: str) -> str:
    """The CSV column that a pointer into the row's document leads to."""
    parts = pointer.split("/")[1:]
    return parts[1] if len(parts) > 1 and parts[0] in ("person", "participant") else parts[0] if parts else ""


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise refuse("malformed", _TITLE, "", f"line {line} is not UTF-8; save the file as CSV UTF-8") from None


def _check_count(count: int, limit: int) -> None:
    if count > limit:
        raise refuse("too_large", "The import has too many rows", "", f"the limit is {limit} rows; split the file")


def _columns(cells: list[str]) -> list[str]:
    if len(cells) > 2 * len(COLUMNS):  # no slip of a hand: looking for the nearest name of each would take long
        detail = f"has {len(cells)} columns; there are {len(COLUMNS)}"
        raise refuse("invalid", "The columns are not those of an import", "", detail)
    names = [cell.strip().lower() for cell in cells]
    faults = []
    for name in names:
        if name not in COLUMNS:
            close = get_close_matches(name, COLUMNS, n=1, cutoff=0.7)
            hint = f"did you mean {close[0]}?" if close else f"expected some of {', '.join(COLUMNS)}"
            faults.append(f"there is no column {name[:50]!r}; {hint}")
    faults += [f"the column {name} is there twice" for name in sorted(set(names)) if names.count(name) > 1]
    if missing := [name for name in NEEDED if name not in names]:
        faults.append(f"missing columns: {', '.join(missing)}")
    if faults:
        raise refuse("invalid", "The columns are not those of an import", "", "; ".join(faults))
    return names


def _csv_row(line: int, columns: list[str], cells: list[str]) -> Row:
    if len(cells) != len(columns):
        detail = f"has {len(cells)} cells where the first row has {len(columns)} columns"
        return Row(line, None, (Violation("", detail),))
    faults: list[Violation] = []
    # Line breaks and runs of spaces inside a cell come from spreadsheets; they are one space.
    values = {name: " ".join(cell[:_CELL_LIMIT].split()) for name, cell in zip(columns, cells, strict=True)}
    document: dict[str, Any] = {"person": {}, "participant": {}}
    for name, value in values.items():
        if not value:
            continue
        if any(character < " " for character in value):
            faults.append(Violation(_pointer(name), "has a control character; expected plain text"))
        elif name == "program":
            document["program"] = value
        elif name == "manager":
            document["manager"] = None if value == _NOBODY else value
        elif name in _PERSON:
            document["person"][name] = value
        else:
            document["participant"][name] = _cell(name, value, faults)
    return Row(line, document, tuple(faults))


def _pointer(column: str) -> str:
    if column in ("program", "manager"):
        return f"/{column}"
    return f"/{'person' if column in _PERSON else 'participant'}/{column}"


def _cell(name: str, value: str, faults: list[Violation]) -> Any:
    if name in _TEXTS:
        return value
    if name in _NUMBERS:
        if _WHOLE.fullmatch(value):
            return int(value)
        faults.append(Violation(_pointer(name), f"{value[:50]!r} is no whole number"))
        return None
    parts = [part.strip() for part in value.split(";") if part.strip()]
    if name in _LISTS:
        return parts
    read = _skill if name in _SKILLS else _audit_group if name == "audit_groups" else _hours
    items = []
    for index, part in enumerate(parts):
        item = read(part)
        if isinstance(item, str):
            faults.append(Violation(f"{_pointer(name)}/{index}", f"{part[:50]!r} cannot be read; {item}"))
        else:
            items.append(item)
    return items


def _skill(part: str) -> dict[str, Any] | str:
    """A skill, or what was expected. A name may hold colons: the level comes after the last."""
    name, colon, level = part.rpartition(":")
    if not colon:
        return {"skill": part}
    if not _WHOLE.fullmatch(level.strip()):
        return "expected skill:level, such as welding:3"
    return {"skill": name.strip(), "level": int(level)}


def _audit_group(part: str) -> dict[str, Any] | str:
    """An attribute and a group, or what was expected."""
    attribute, equals, group = part.partition("=")
    if not equals:
        return "expected attribute=group, such as age=under 30"
    return {"attribute": attribute.strip(), "group": group.strip()}


def _hours(part: str) -> dict[str, Any] | str:
    """Hours of a weekday, or what was expected."""
    match = _HOURS.fullmatch(part)
    day = _DAYS.get(match[1].lower()) if match else None
    if match is None or day is None:
        return "expected a weekday and hours, such as mon 09:00-12:00"
    return {"weekday": day, "start": match[2], "end": match[3]}
