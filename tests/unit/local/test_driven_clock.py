"""The driven clock waits until all services are done twice over, and asks those that are done no more than it must."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import TestServer

from mentorstream_local.demo.clock import DrivenTime, next_step

NOW = datetime(2026, 3, 9, 8, tzinfo=UTC)
IDLE: dict[str, Any] = {"processed": 7, "taken": 3, "lag": 0, "outbox": 0, "due": 0, "next_due": None}


class Services:
    """Answers /<name>/quiescence with one state after the other; the last one stays."""

    def __init__(self, states: dict[str, list[dict[str, Any]]]) -> None:
        self._states = {name: self._staying(said) for name, said in states.items()}
        self.asked: Counter[str] = Counter()

    @staticmethod
    def _staying(said: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        return itertools.chain(said, itertools.repeat(said[-1]))

    async def answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked[name] += 1
        return web.json_response(next(self._states[name]))

    async def settle(self) -> datetime | None:
        app = web.Application()
        app.router.add_get("/{name}/quiescence", self.answer)
        async with TestServer(app) as server:
            # Settling moves nothing, so it needs no connection to the database.
            time = DrivenTime(cast("Any", None), {name: str(server.make_url(f"/{name}")) for name in self._states})
            try:
                return await time.settle()
            finally:
                await time.close()


async def test_two_equal_looks_are_enough_and_tell_what_is_due_first() -> None:
    later, sooner = (NOW + timedelta(hours=hours) for hours in (9, 4))
    services = Services(
        {
            "matching": [IDLE | {"next_due": later.isoformat()}],
            "scheduling": [IDLE | {"next_due": sooner.isoformat()}],
            "pulse": [IDLE],
        }
    )
    assert await services.settle() == sooner
    assert services.asked == {"matching": 2, "scheduling": 2, "pulse": 2}


async def test_while_one_works_only_that_one_is_asked() -> None:
    services = Services({"matching": [IDLE | {"lag": 2}] * 3 + [IDLE], "pulse": [IDLE]})
    assert await services.settle() is None
    assert services.asked == {"matching": 6, "pulse": 3}


async def test_counters_that_moved_between_two_looks_need_a_third() -> None:
    services = Services({"matching": [IDLE, IDLE | {"processed": 8}], "pulse": [IDLE]})
    assert await services.settle() is None
    assert services.asked == {"matching": 3, "pulse": 3}


async def test_whoever_cannot_tell_is_not_done() -> None:
    services = Services({"matching": [{"unknown": "TimeoutError"}, IDLE], "pulse": [IDLE]})
    assert await services.settle() is None
    assert services.asked["matching"] == 4


def test_time_moves_by_whole_steps_to_what_is_due_and_never_beyond_the_end() -> None:
    step, end = timedelta(hours=4), NOW + timedelta(days=1)
    assert next_step(NOW, None, end, step) == end
    assert next_step(NOW, NOW + timedelta(hours=5), end, step) == NOW + timedelta(hours=8)
    assert next_step(NOW, NOW, end, step) == NOW + step
    assert next_step(NOW, NOW + timedelta(days=3), end, step) == end
