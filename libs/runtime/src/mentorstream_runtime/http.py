"""HTTP as every service speaks it: problem details, limits, time-outs, metrics, trace context.

Errors are RFC 9457 problem details that name the field, why it was refused and what was expected. When database or
broker are away the answer is 503 with Retry-After, never a success that did not happen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import metrics
from .errors import is_conflict, is_infrastructure
from .links import BadLink
from .pages import Pages
from .settings import ProcessSettings
from .tracing import request_span

log = structlog.get_logger(__name__)
_RETRY_AFTER_SECONDS: Final = "5"
# Callers may send any method; a metric may not have any number of labels.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PAGES: Final = Pages(__file__)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused field: a JSON pointer into the request, and why, with what was expected."""

    pointer: str
    detail: str


class Problem(Exception):
    """An answer that is not a success."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """As application/problem+json."""
        body: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in self.errors]
        return JSONResponse(body, status_code=self.status, headers=self.headers, media_type="application/problem+json")


def create_app(settings: ProcessSettings, *, title: str, description: str = "") -> FastAPI:
    """A FastAPI application with the common answers to errors, limits, metrics and trace context."""
    app = FastAPI(title=title, description=description, version="1", docs_url="/docs", redoc_url=None)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(BadLink, _on_bad_link)
    app.add_middleware(_Limits, limit_bytes=settings.request_limit_bytes)
    app.add_middleware(_Observed, timeout_seconds=settings.request_timeout_seconds)
    return app


def unavailable(detail: str = "") -> Problem:
    """The answer while something that is needed is away."""
    return Problem(503, "Temporarily unavailable", detail, headers={"Retry-After": _RETRY_AFTER_SECONDS})


class _Observed:
    """Time-out, metrics, trace context, and the answer to what no handler of errors knows.

    Plain ASGI, because Starlette's own middleware runs the endpoint in a task that a time-out would not end.
    """

    def __init__(self, app: ASGIApp, timeout_seconds: float) -> None:
        self._app = app
        self._timeout_seconds = timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        incoming = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
        with (
            request_span(scope["method"], incoming) as traceparent,
            structlog.contextvars.bound_contextvars(trace=traceparent[3:35]),
        ):
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await self._app(scope, receive, note_status)
            except Exception as error:
                answer = _answer_to(error)
                if status:  # half of an answer is out: only a broken connection can tell now
                    raise
                await answer(scope, receive, note_status)
        # Never the path: it holds tokens.
        route = getattr(scope.get("route"), "path", "unknown")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        metrics.HTTP_SECONDS.labels(method, route, str(status)).observe(time.perf_counter() - started)


def _answer_to(error: Exception) -> Response:
    if is_infrastructure(error) or is_conflict(error):
        log.warning("request_failed", error=repr(error))
        return unavailable().response()
    log.error("request_failed", exc_info=error)
    return Problem(500, "Internal error").response()


class _BodyTooLarge(HTTPException):
    """Of this type, because FastAPI makes a 400 of whatever else is raised while it reads a body."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(413, "The body is too large")
        self.limit_bytes = limit_bytes

    def response(self) -> Response:
        """As a problem that names the limit."""
        return Problem(413, self.detail, f"The limit is {self.limit_bytes} bytes.").response()


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type only
    return error.response()


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    if isinstance(error, _BodyTooLarge):
        return error.response()
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    return Problem(error.status_code, str(error.detail), headers=error.headers).response()


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    errors = [
        FieldError("/" + "/".join(str(part) for part in item["loc"][1:]), str(item["msg"])) for item in error.errors()
    ]
    return Problem(422, "The request is not valid", errors=errors).response()


async def _on_bad_link(_request: Request, error: Exception) -> Response:
    """A page, because people open links and programs do not."""
    assert isinstance(error, BadLink)  # noqa: S101 - registered for this type only
    if error.reason == "expired":
        text = "Its time is over, or what it was for is done. Nothing was changed. Newer mails have a newer link."
        return _PAGES.message("This link is no longer valid", text, status=410)
    text = "Check that you opened the whole address from your mail. If you were removed, links to you end too."
    return _PAGES.message("This link is not valid", text, status=404)


class _Limits:
    """Refuses bodies above the limit, by their declared length or, where none is declared, as they arrive."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._limit_bytes:
            await _BodyTooLarge(self._limit_bytes).response()(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise _BodyTooLarge(self._limit_bytes)
            return message

        await self._app(scope, counted, send)
