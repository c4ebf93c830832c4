"""Answers to partners: which status a refusal has, and how outcomes of batches and imports are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi.responses import Response

from mentorstream_runtime.http import FieldError, Problem

from ..domain.refusals import Kind, Refused
from ..handlers.acceptance import Acceptance
from ..handlers.imports import ImportReport
from ..handlers.rows import column_of

STATUS: Final[Mapping[Kind, int]] = {
    "malformed": 400,
    "forbidden": 403,
    "unknown": 404,
    "conflict": 409,
    "too_large": 413,
    "invalid": 422,
}
LISTED_ROWS: Final = 1000
_MULTI_STATUS: Final = 207
_ACCEPTED: Final = 202
_UNPROCESSABLE: Final = 422


def problem_of(refused: Refused) -> Problem:
    """A refusal as a problem. Faults of no field in particular are its detail."""
    return Problem(
        STATUS[refused.kind],
        refused.title,
        _detail(refused),
        errors=[FieldError(fault.pointer, fault.detail) for fault in refused.violations if fault.pointer],
    )


def single_answer(acceptance: Acceptance) -> Response:
    """One event that is in force."""
    return Response(b'{"accepted":[%b],"refused":[]}' % acceptance.answer, _ACCEPTED, media_type="application/json")


def batch_answer(outcomes: Sequence[Acceptance | tuple[Mapping[str, str], Refused]]) -> Response:
    """Outcomes of events, refusals with what identifies the event: 202 when all are in force, 207 some, 422 none."""
    accepted = [msgspec.Raw(each.answer) for each in outcomes if isinstance(each, Acceptance)]
    refused = [
        {"index": index, **each[0], **_told(each[1])}
        for index, each in enumerate(outcomes)
        if not isinstance(each, Acceptance)
    ]
    return _answer({"accepted": accepted, "refused": refused}, len(accepted), len(refused), "event of the batch")


def import_answer(import_id: str, report: ImportReport) -> Response:
    """What became of a file: counts, and the first thousand refused rows."""
    refusals = []
    for row in report.refused[:LISTED_ROWS]:
        told = _told(row.refusal)
        for error in told["errors"]:
            error["column"] = column_of(error["pointer"])
        refusals.append({"line": row.line, **told})
    body = {
        "import": import_id,
        "rows": report.rows,
        "accepted": report.accepted,
        "repeated": report.repeated,
        "refused": len(report.refused),
        "refusals": refusals,
    }
    return _answer(body, report.accepted + report.repeated, len(report.refused), "row of the import")


def _answer(body: Mapping[str, Any], accepted: int, refused: int, what: str) -> Response:
    if accepted:
        return _json(body, _MULTI_STATUS if refused else _ACCEPTED)
    problem = {"type": "about:blank", "title": f"No {what} was accepted", "status": _UNPROCESSABLE}
    return _json({**problem, **body}, _UNPROCESSABLE, "application/problem+json")


def _json(body: Mapping[str, Any], status: int, media_type: str = "application/json") -> Response:
    return Response(msgspec.json.encode(body), status, media_type=media_type)


def _told(refused: Refused) -> dict[str, Any]:
    return {
        "status": STATUS[refused.kind],
        "title": refused.title,
        "detail": _detail(refused),
        "errors": [{"pointer": fault.pointer, "detail": fault.detail} for fault in refused.violations if fault.pointer],
    }


def _detail(refused: Refused) -> str:
    return "; ".join(fault.detail for fault in refused.violations if not fault.pointer)
