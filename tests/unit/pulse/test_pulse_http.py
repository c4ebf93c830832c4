"""`GET /v1/pulse`: no figures before they are whole, the most active programs first, problems as problem details."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from pulse.domain.board import Board
from pulse.domain.program import Spans
from pulse.entrypoints.http import build_api
from pulse.entrypoints.reader import Reader
from pulse.settings import PulseSettings

DAY = 86_400.0
KIND = ("matches", "mentorstream.match.confirmed.v1")
NOW = 1000 * DAY


@pytest.fixture
def board() -> Board:
    """Three programs; the third is the most active."""
    board = Board(Spans(window_seconds=28 * DAY, rate_seconds=3600, horizon_seconds=90 * DAY))
    for number in (1, 2, 3):
        for _ in range(number):
            board.note(UUID(int=number), KIND, NOW, NOW)
    return board


@pytest.fixture
def reader(board: Board) -> Reader:
    """One that was told nothing yet."""
    return Reader(board, lambda: NOW, "")


@pytest.fixture
async def client(board: Board, reader: Reader) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the application."""
    api = build_api(PulseSettings(), board, reader, lambda: NOW)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://pulse") as client:
        yield client


async def test_while_the_topics_are_read_there_are_no_figures(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/pulse")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_most_active_programs_are_shown(client: httpx.AsyncClient, reader: Reader) -> None:
    reader.expect({})
    answer = (await client.get("/v1/pulse", params={"limit": 2})).json()
    assert [each["program_id"] for each in answer["programs"]] == [str(UUID(int=3)), str(UUID(int=2))]
    assert answer["program_count"] == 3
    assert answer["total"]["events_per_minute"] == {KIND[0]: {KIND[1]: pytest.approx(0.1)}}
    assert answer["total"]["time_to_match"] == {
        "samples": 0,
        "mean_hours": None,
        "p50_hours": None,
        "p90_hours": None,
    }


async def test_one_program_is_shown_with_a_total_of_its_own(client: httpx.AsyncClient, reader: Reader) -> None:
    reader.expect({})
    answer = (await client.get("/v1/pulse", params={"program": str(UUID(int=1))})).json()
    assert [each["program_id"] for each in answer["programs"]] == [str(UUID(int=1))]
    assert answer["total"] == answer["programs"][0]["figures"]


@pytest.mark.parametrize(
    ("query", "status"), [({"program": str(UUID(int=9))}, 404), ({"program": "x"}, 422), ({"limit": "9999"}, 422)]
)
async def test_bad_questions_are_refused(
    client: httpx.AsyncClient, reader: Reader, query: dict[str, str], status: int
) -> None:
    reader.expect({})
    answer = await client.get("/v1/pulse", params=query)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
