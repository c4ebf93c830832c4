"""What must be true after everything that was answered 202: the last word of each partner on each participant.

Kept by the driver as answers come in, and held against the databases after the drain. The services have no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

_PARTICIPANTS = """
    SELECT o.name, g.owner || '/' || g.reference AS program, p.reference, m.active,
           coalesce((m.details ->> 'capacity')::int, 0) AS capacity,
           d.details IS NOT NULL AS is_in, d.capacity AS decided_capacity
    FROM intake.participant m JOIN intake.person p USING (person_id) JOIN intake.program g USING (program_id)
    JOIN intake.organisation o ON o.organisation_id = p.organisation_id
    LEFT JOIN matching.participant d USING (program_id, participant_id)
"""
_NAMES = """
    SELECT o.name, p.reference, p.full_name, k.full_name AS copy
    FROM intake.person p JOIN intake.organisation o USING (organisation_id)
    LEFT JOIN notifications.person k USING (person_id)
    WHERE p.version > 0
"""


@dataclass(frozen=True, slots=True)
class Expected:
    """The last that was accepted of a participant. `capacity` counts for mentors only and is 0 for others."""

    active: bool
    mentor: bool
    capacity: int


async def differences(
    connection: asyncpg.Connection[asyncpg.Record],
    expected: Mapping[tuple[str, str, str], Expected],
    names: Mapping[tuple[str, str], str],
) -> list[str]:
    """Where state differs from what was accepted last, in words.

    `expected` by organisation, program (owner/reference) and person's reference; `names` by organisation and reference.
    """
    found = []
    rows = {(row["name"], row["program"], row["reference"]): row for row in await connection.fetch(_PARTICIPANTS)}
    for key, want in expected.items():
        row = rows.get(key)
        if row is None:
            found.append(f"{key}: intake does not have it")
        elif row["active"] != want.active or row["is_in"] != want.active:
            found.append(f"{key}: expected active {want.active}; intake {row['active']}, matching {row['is_in']}")
        elif want.active and want.mentor and not want.capacity == row["capacity"] == row["decided_capacity"]:
            found.append(
                f"{key}: expected capacity {want.capacity}; intake {row['capacity']},"
                f" matching {row['decided_capacity']}"
            )
    people = {(row["name"], row["reference"]): row for row in await connection.fetch(_NAMES)}
    for person, name in names.items():
        row = people.get(person)
        if row is None or not name == row["full_name"] == row["copy"]:
            kept = None if row is None else (row["full_name"], row["copy"])
            found.append(f"{person}: expected {name!r} at intake and notifications, found {kept}")
    return found
