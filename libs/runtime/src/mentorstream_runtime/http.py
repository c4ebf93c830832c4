"""HTTP as every service speaks it: problem details, limits, time-outs, metrics, trace context.

Errors are RFC 9457 problem details that name the field, why it was refused and what was expected. When database or
broker are away the answer is 503 with Retry-After, never a success that did not happen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from .settings import ProcessSettings
from .tracing import begin_trace

log = structlog.get_logger(__name__)
_RETRY_AFTER_SECONDS: Final = "5"


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
    app.middleware("http")(_observe(settings.request_timeout_seconds))
    return app


def unavailable(detail: str = "") -> Problem:
    """The answer while something that is needed is away."""
    return Problem(503, "Temporarily unavailable", detail, headers={"Retry-After": _RETRY_AFTER_SECONDS})


def _observe(
    timeout_seconds: float,
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    async def middleware(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        started = time.perf_counter()
        traceparent = begin_trace(request.headers.get("traceparent"))
        structlog.contextvars.bind_contextvars(trace=traceparent[3:35])
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await call_next(request)
        except Exception as error:
            if is_infrastructure(error) or is_conflict(error):
                log.warning("request_failed", error=repr(error))
                response = unavailable().response()
            else:
                log.exception("request_failed")
                response = Problem(500, "Internal error").response()
        finally:
            structlog.contextvars.unbind_contextvars("trace")
        route = getattr(request.scope.get("route"), "path", "unknown")  # never the path: it holds tokens
        metrics.HTTP_SECONDS.labels(request.method, route, str(response.status_code)).observe(
            time.perf_counter() - started
        )
        return response

    return middleware


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type only
    return error.response()


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    return Problem(error.status_code, str(error.detail), headers=error.headers).response()


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type only
    errors = [
        FieldError("/" + "/".join(str(part) for part in item["loc"][1:]), str(item["msg"])) for item in error.errors()
    ]
    return Problem(422, "The request is not valid", errors=errors).response()


async def _on_bad_link(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BadLink)  # noqa: S101 - registered for this type only
    if error.reason == "expired":
        return Problem(410, "This link is no longer valid", "Its time is over.").response()
    return Problem(404, "This link is not valid", "Check that the whole address was opened.").response()


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
            await self._too_large()(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise Problem(413, "The body is too large", f"The limit is {self._limit_bytes} bytes.")
            return message

        await self._app(scope, counted, send)

    def _too_large(self) -> JSONResponse:
        return Problem(413, "The body is too large", f"The limit is {self._limit_bytes} bytes.").response()
