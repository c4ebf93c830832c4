"""HTTP as every service speaks it: problem details for each error, limits, time-outs, traces, bounded labels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from fastapi import Body, FastAPI, Request
from prometheus_client import REGISTRY

from mentorstream_runtime.http import FieldError, Problem, create_app
from mentorstream_runtime.links import BadLink
from mentorstream_runtime.settings import ProcessSettings
from mentorstream_runtime.tracing import current_traceparent

LIMIT = 1000
ERRORS: dict[str, Exception] = {
    "problem": Problem(409, "Taken", "By another.", errors=[FieldError("/id", "is taken")], headers={"X-Why": "so"}),
    "forged": BadLink("forged"),
    "expired": BadLink("expired"),
    "database": ConnectionRefusedError("ada@example.org"),
    "deadlock": asyncpg.DeadlockDetectedError("ada@example.org"),
    "fault": ZeroDivisionError("ada@example.org"),
}


@pytest.fixture
def timeout_seconds() -> float:
    """For one request: longer than any takes, unless a test says otherwise."""
    return 60.0


@pytest.fixture
def app(timeout_seconds: float) -> FastAPI:
    """One route for each thing that can happen."""
    settings = ProcessSettings(request_limit_bytes=LIMIT, request_timeout_seconds=timeout_seconds)
    app = create_app(settings, title="Toy")
    app.state.ended = asyncio.Event()

    @app.get("/errors/{kind}")
    async def fail(kind: str) -> None:
        raise ERRORS[kind]

    @app.get("/slow")
    async def slow() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            app.state.ended.set()

    @app.post("/documents")
    async def parse(document: dict[str, int] = Body()) -> int:  # noqa: B008 - FastAPI's way
        return len(document)

    @app.post("/forms")
    async def read_form(request: Request) -> int:
        return len(await request.form())

    @app.post("/bodies")
    async def read_body(request: Request) -> int:
        return len(await request.body())

    @app.get("/trace")
    async def trace() -> str | None:
        return current_traceparent()

    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the application."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://toy") as client:
        yield client


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield b" " * 100


@pytest.mark.parametrize(
    ("kind", "status", "title"),
    [
        ("problem", 409, "Taken"),
        ("database", 503, "Temporarily unavailable"),
        ("deadlock", 503, "Temporarily unavailable"),
        ("fault", 500, "Internal error"),
    ],
)
async def test_each_error_is_a_problem_document(client: httpx.AsyncClient, kind: str, status: int, title: str) -> None:
    answer = await client.get(f"/errors/{kind}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == title
    assert answer.json()["status"] == status
    assert "ada@example.org" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize(("kind", "status"), [("forged", 404), ("expired", 410)])
async def test_a_bad_link_is_answered_with_a_page_for_people(client: httpx.AsyncClient, kind: str, status: int) -> None:
    answer = await client.get(f"/errors/{kind}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"


async def test_a_problem_names_the_field_and_keeps_its_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/errors/problem")
    assert answer.json()["errors"] == [{"pointer": "/id", "detail": "is taken"}]
    assert answer.headers["x-why"] == "so"


async def test_what_fastapi_refuses_is_a_problem_document_too(client: httpx.AsyncClient) -> None:
    invalid = await client.post("/documents", json={"a": "b"})
    assert (invalid.status_code, invalid.json()["errors"][0]["pointer"]) == (422, "/a")
    unknown, method = await client.get("/nowhere"), await client.delete("/slow")
    assert (unknown.status_code, method.status_code) == (404, 405)
    for answer in (invalid, unknown, method):
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/documents", "/forms", "/bodies"])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_above_the_limit_is_refused(client: httpx.AsyncClient, path: str, declared: bool) -> None:
    content = b" " * (LIMIT + 100) if declared else chunks(LIMIT + 100)
    kind = "application/x-www-form-urlencoded" if path == "/forms" else "application/json"
    answer = await client.post(path, content=content, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["title"]) == (413, "The body is too large")
    assert str(LIMIT) in answer.json()["detail"]


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_at_the_limit_is_taken(client: httpx.AsyncClient, declared: bool) -> None:
    answer = await client.post("/bodies", content=b" " * LIMIT if declared else chunks(LIMIT))
    assert (answer.status_code, answer.json()) == (200, LIMIT)


async def test_a_length_that_is_none_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/bodies", content=b"a", headers={"Content-Length": "-1"})
    assert answer.status_code == 413


@pytest.mark.parametrize("timeout_seconds", [0.2])
async def test_after_the_time_out_the_answer_is_503_and_the_work_is_ended(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    answer = await client.get("/slow")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert app.state.ended.is_set()


async def test_the_caller_s_trace_goes_on(client: httpx.AsyncClient) -> None:
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert (await client.get("/trace", headers={"traceparent": caller})).json() == caller


@pytest.mark.parametrize("bad", ["", "00-zz-b7ad6b7169203331-01", "\xff"])
async def test_a_trace_that_is_none_is_replaced(client: httpx.AsyncClient, bad: str) -> None:
    begun = (await client.get("/trace", headers=[(b"traceparent", bad.encode("latin-1"))])).json()
    assert begun != bad
    assert len(begun) == 55


async def test_metrics_have_routes_and_known_methods_for_labels(client: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/errors/fault"), ("HEAD", "/nowhere/secret-token"), ("BREW", "/nowhere")):
        await client.request(method, path)
    labels = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"])
        for family in REGISTRY.collect()
        if family.name == "mentorstream_http_seconds"
        for sample in family.samples
    }
    assert {("GET", "/errors/{kind}", "500"), ("HEAD", "unknown", "404"), ("other", "unknown", "404")} <= labels
    assert not {label for label in labels if "secret-token" in label[1] or label[0] == "BREW"}
