"""The API for partners: events, imports, erasure, and reading back what they told.

Authenticates, reads bodies and writes answers; everything else is the handlers'. No answer says 202 before the
transaction has committed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from mentorstream_runtime.http import Problem, create_app
from mentorstream_runtime.keys import Unauthenticated
from mentorstream_runtime.tracing import current_traceparent

from .. import metrics
from ..adapters.reads import PostgresReads
from ..domain.book import Organisation
from ..domain.refusals import Refused, refuse
from ..handlers.acceptance import Acceptance, Acceptor, Outcome
from ..handlers.authentication import Authenticator
from ..handlers.erasure import Eraser
from ..handlers.imports import import_rows
from ..handlers.rows import read_csv, read_ndjson
from ..handlers.submissions import (
    Submission,
    event_of,
    event_of_binary,
    identity_of,
    read_event,
    read_events,
    submission_of,
)
from ..settings import IntakeSettings
from . import documentation
from .answers import batch_answer, import_answer, problem_of, single_answer
from .bodies import mode_of, table_of, unpacked_body

_IMPORT_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes call."""

    authenticator: Authenticator
    acceptor: Acceptor
    eraser: Eraser
    reads: PostgresReads


def build_app(settings: IntakeSettings, services: Services) -> FastAPI:
    """The API as a FastAPI application."""
    app = create_app(settings, title="Mentorstream intake", description=documentation.DESCRIPTION)
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(Unauthenticated, _on_unauthenticated)
    _add_events(app, settings, services)
    _add_imports(app, settings, services)
    _add_people(app, services)
    return app


def _add_events(app: FastAPI, settings: IntakeSettings, services: Services) -> None:
    @app.post("/v1/events", status_code=202, **documentation.EVENTS)
    async def take_events(request: Request) -> Response:
        organisation, body = await _sender(request, services, settings.events_limit_bytes)
        mode = mode_of(request)
        if mode == "binary" and _is_signed(request):
            raise Problem(
                415,
                "A signature does not go with binary mode",
                "A signature covers the body only, and binary mode says in headers what is asked for."
                " Send application/cloudevents+json, or use an API key.",
            )
        if mode == "batch":
            return await _take_batch(services, organisation, body, settings.batch_limit_events)
        event = event_of_binary(request.headers, body) if mode == "binary" else event_of(read_event(body))
        submission = submission_of(event, current_traceparent())
        (outcome,) = await services.acceptor.accept(organisation, [submission])
        _count([outcome])
        if isinstance(outcome, Refused):
            raise _in_event(outcome)
        return single_answer(outcome)


async def _take_batch(services: Services, organisation: Organisation, body: bytes, limit: int) -> Response:
    # The documents are gone before anything is waited for.
    read = _read_batch(body, limit)
    submissions = [each for each in read if isinstance(each, Submission)]
    decided = iter(await services.acceptor.accept(organisation, submissions))
    outcomes: list[Acceptance | tuple[Mapping[str, str], Refused]] = []
    for each in read:
        if not isinstance(each, Submission):
            outcomes.append(each)
            continue
        outcome = next(decided)
        identity = {"source": each.source, "id": each.id}
        outcomes.append((identity, _in_event(outcome)) if isinstance(outcome, Refused) else outcome)
    _count(each if isinstance(each, Acceptance) else each[1] for each in outcomes)
    return batch_answer(outcomes)


def _read_batch(body: bytes, limit: int) -> list[Submission | tuple[Mapping[str, str], Refused]]:
    """The events of a batch, those refused with what identifies them. Raises Refused for what is no batch."""
    title = "This is no batch that can be accepted"
    documents = read_events(body)
    if not isinstance(documents, list) or not documents:
        raise refuse("invalid", title, "", "expected a JSON list with at least one CloudEvent")
    if len(documents) > limit:
        raise refuse("too_large", title, "", f"has {len(documents)} events; the limit is {limit}")
    traceparent = current_traceparent()
    read: list[Submission | tuple[Mapping[str, str], Refused]] = []
    for document in documents:
        try:
            read.append(submission_of(event_of(document), traceparent))
        except Refused as refused:
            read.append((identity_of(document), refused))
    return read


def _add_imports(app: FastAPI, settings: IntakeSettings, services: Services) -> None:
    @app.post("/v1/imports", status_code=202, **documentation.IMPORTS)
    async def take_import(request: Request) -> Response:
        organisation, body = await _sender(request, services, settings.import_limit_bytes)
        read = read_csv if table_of(request) == "csv" else read_ndjson
        import_id = _import_id(request, body)
        rows = read(body, settings.import_limit_rows)
        report = await import_rows(services.acceptor, organisation, import_id, rows, current_traceparent())
        if not report.rows:
            raise refuse("invalid", "The import is empty", "", "expected at least one row")
        metrics.IMPORT_ROWS.observe(report.rows)
        _count([row.refusal for row in report.refused])
        metrics.REQUESTS.labels("accepted").inc(report.accepted)
        metrics.REQUESTS.labels("repeated").inc(report.repeated)
        return import_answer(import_id, report)


def _add_people(app: FastAPI, services: Services) -> None:
    @app.delete("/v1/people/{reference}", status_code=202, **documentation.ERASURE)
    async def erase_person(request: Request, reference: str) -> dict[str, Any]:
        organisation = await services.authenticator.by_key(request.headers)
        person_id = await services.eraser.erase(organisation, reference, current_traceparent())
        metrics.ERASURES.inc()
        return {"person_id": person_id}

    @app.get("/v1/people/{reference}", **documentation.PERSON)
    async def read_person(request: Request, reference: str) -> dict[str, Any]:
        organisation = await services.authenticator.by_key(request.headers)
        person = await services.reads.person(organisation, reference)
        if person is None:
            raise refuse("unknown", "Nobody is known by this reference", "", f"there is no {reference!r}")
        return person

    @app.get("/v1/programs", **documentation.PROGRAMS)
    async def read_programs(request: Request) -> dict[str, Any]:
        organisation = await services.authenticator.by_key(request.headers)
        return {"programs": await services.reads.programs(organisation)}


async def _sender(request: Request, services: Services, limit_bytes: int) -> tuple[Organisation, bytes]:
    """Who sent the request, and its unpacked body. A key is checked before anything is read or unpacked."""
    if not _is_signed(request):
        organisation = await services.authenticator.by_key(request.headers)
        return organisation, await unpacked_body(request, limit_bytes)
    body = await unpacked_body(request, limit_bytes)
    return await services.authenticator.by_signature(request.headers, body), body


def _is_signed(request: Request) -> bool:
    return "webhook-signature" in request.headers and "authorization" not in request.headers


def _import_id(request: Request, body: bytes) -> str:
    """The partner's own, from Idempotency-Key; without one the content's digest, so that a repeat is one anyway.

    Under a signature only the digest: the header is not signed, and with another one an old file would be applied anew.
    """
    key = request.headers.get("idempotency-key")
    if key is None or _is_signed(request):
        return sha256(body).hexdigest()
    key = key.strip().strip('"')
    if not _IMPORT_ID.fullmatch(key):
        detail = "The header Idempotency-Key holds 1 to 100 visible ASCII characters."
        raise Problem(400, "This is no id for an import", detail)
    return key


def _in_event(refused: Refused) -> Refused:
    """Decisions point into the request's data; partners see the event around it. An id used twice is no field's."""
    if refused.kind == "conflict":
        return refused
    return refused.under("/data")


def _count(outcomes: Iterable[Outcome]) -> None:
    counts: Counter[str] = Counter(
        outcome.kind if isinstance(outcome, Refused) else "repeated" if outcome.repeated else "accepted"
        for outcome in outcomes
    )
    for name, count in counts.items():
        metrics.REQUESTS.labels(name).inc(count)


async def _on_refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)  # noqa: S101 - registered for this type only
    return problem_of(error).response()


async def _on_unauthenticated(_request: Request, error: Exception) -> JSONResponse:
    metrics.DENIED.inc()
    problem = Problem(401, "Not authenticated", str(error), headers={"WWW-Authenticate": 'Bearer realm="mentorstream"'})
    return problem.response()
