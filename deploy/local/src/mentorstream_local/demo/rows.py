"""What the rows of a partner's file ask for, as the requests that they stand for: the demo's own reading of them.

The invariants are checked against this, so it shares nothing with intake's reading. It takes the demo's files as right.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Final

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PERSON: Final = ("reference", "full_name", "email", "zone", "locale")
_LISTS: Final = ("roles", "languages", "goals", "interests", "values", "credentials", "blocks")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The data of a `mentorstream.participant.register.v1` for each row of a CSV or NDJSON file."""
    text = path.read_bytes().decode("utf-8-sig")
    if path.suffix == ".csv":
        return [_of_cells(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
    return [json.loads(line) for line in text.split("\n") if line]


def _of_cells(cells: dict[str, str]) -> dict[str, Any]:
    told = {name: " ".join(cell.split()) for name, cell in cells.items() if cell.strip()}
    row: dict[str, Any] = {"program": told.pop("program")}
    if "manager" in told:
        manager = told.pop("manager")
        row["manager"] = None if manager == "-" else manager
    row["person"] = {name: told.pop(name) for name in _PERSON if name in told}
    row["participant"] = {name: _of_cell(name, cell) for name, cell in told.items()}
    return row


def _of_cell(name: str, cell: str) -> object:
    if name in ("capacity", "seniority"):
        return int(cell)
    parts = [part.strip() for part in cell.split(";") if part.strip()]
    if name in _LISTS:
        return parts
    if name in ("offers", "wants"):
        return [_skill(part) for part in parts]
    if name == "audit_groups":
        return [dict(zip(("attribute", "group"), part.split("="), strict=True)) for part in parts]
    return [_hours(part) for part in parts] if name == "availability" else cell


def _skill(part: str) -> dict[str, object]:
    skill, colon, level = part.rpartition(":")
    return {"skill": skill.strip(), "level": int(level)} if colon else {"skill": part}


def _hours(part: str) -> dict[str, str]:
    day, clocks = part.split(" ", 1)
    start, end = clocks.split("-")
    weekday = next(name for name in _DAYS if name.startswith(day.lower()))
    return {"weekday": weekday, "start": start.strip(), "end": end.strip()}
