"""Imports: thousands of registrations in one file, accepted in chunks, each row on its own merits.

A row is remembered under the import's id, its program and its person. So an import that was cut off, or whose bad rows
were mended, is sent again under the same id: what was accepted stays as it is, what was not is tried. Within a file a
manager goes before whoever reports to them, because a program that matches on arrival must know the line by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mentorstream_events.partner import RegisterParticipant

from ..domain.book import Organisation
from ..domain.refusals import Refused
from .acceptance import Acceptor
from .documents import digest
from .meaning import meaning_faults
from .rows import Row
from .shapes import shaped
from .submissions import Submission

TYPE: Final = "mentorstream.participant.register.v1"
_PAUSE_ROWS: Final = 200
_CHUNK_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that changed nothing, and why."""

    line: int
    refusal: Refused


@dataclass(slots=True)
class ImportReport:
    """What became of an import. `repeated` rows had been accepted by it before."""

    rows: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: list[RefusedRow] = field(default_factory=list)


async def import_rows(
    acceptor: Acceptor, organisation: Organisation, import_id: str, rows: Iterable[Row], traceparent: str | None
) -> ImportReport:
    """Accept what can be accepted. Raises, before anything is accepted, what reading raises; infrastructure errors."""
    report = ImportReport()
    good: list[tuple[int, Submission]] = []
    for row in rows:
        report.rows += 1
        try:
            good.append((row.line, _submission(row, import_id, traceparent)))
        except Refused as refused:
            report.refused.append(RefusedRow(row.line, refused))
        if report.rows % _PAUSE_ROWS == 0:
            await asyncio.sleep(0)  # other requests are not to wait for a whole file
    good = managers_first(good)
    for start in range(0, len(good), _CHUNK_ROWS):
        chunk = good[start : start + _CHUNK_ROWS]
        outcomes = await acceptor.accept(organisation, [submission for _, submission in chunk])
        for (line, _), outcome in zip(chunk, outcomes, strict=True):
            if isinstance(outcome, Refused):
                report.refused.append(RefusedRow(line, outcome))
            elif outcome.repeated:
                report.repeated += 1
            else:
                report.accepted += 1
    report.refused.sort(key=lambda row: row.line)
    return report


def managers_first(rows: Sequence[tuple[int, Submission]]) -> list[tuple[int, Submission]]:
    """The rows in their order, but none before its manager's if that is in the file. Circles stay as they are."""
    row_of: dict[str, int] = {}
    for index, (_, submission) in enumerate(rows):
        row_of.setdefault(_registration(submission).person.reference, index)
    ordered: dict[int, None] = {}
    for index in range(len(rows)):
        path: dict[int, None] = {}
        step: int | None = index
        while step is not None and step not in ordered and step not in path:
            path[step] = None
            manager = _registration(rows[step][1]).manager
            step = row_of.get(manager) if isinstance(manager, str) else None
        ordered.update(dict.fromkeys(reversed(path)))
    return [rows[index] for index in ordered]


def _registration(submission: Submission) -> RegisterParticipant:
    assert isinstance(submission.request, RegisterParticipant)  # noqa: S101 - rows are nothing else
    return submission.request


def _submission(row: Row, import_id: str, traceparent: str | None) -> Submission:
    if row.faults:
        raise Refused("invalid", "The row cannot be read", row.faults)
    document: Any = row.document
    request = shaped(document, RegisterParticipant)
    if faults := meaning_faults(request, document):
        raise Refused("invalid", "The row makes no sense", faults)
    return Submission(
        source=f"import/{import_id}",
        # A digest: ids are kept for a while, also after the person was erased, and a reference may name somebody.
        id=digest([request.program, request.person.reference]).hex(),
        type=TYPE,
        digest=digest(document),
        request=request,
        traceparent=traceparent,
    )
