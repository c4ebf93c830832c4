"""The partners' side of a measurement over HTTP, as a process of its own: so many clients, each with one request open.

`python -m benchmarks.delivery.partner_load FILE` reads an `Order` and writes how long it took as JSON. It ends with an
error at the first answer other than 202: a refused request is quick, and would look like speed.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp


@dataclass(frozen=True, slots=True)
class Request:
    """One POST, signed before the clock starts."""

    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """What is sent where. The requests go out in their order, as clients become free."""

    url: str
    clients: int
    requests: list[Request]


async def send(order: Order) -> tuple[float, float]:
    """When the first request went out and when the last answer was there, by the monotonic clock."""
    left = iter(order.requests)
    connector = aiohttp.TCPConnector(limit=order.clients)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        started = time.monotonic()
        await asyncio.gather(*(_client(session, order.url, left) for _ in range(order.clients)))
        return started, time.monotonic()


async def _client(session: aiohttp.ClientSession, url: str, left: Iterator[Request]) -> None:
    for request in left:
        async with session.post(url, data=request.body, headers=request.headers) as answer:
            told = await answer.read()
            if answer.status != HTTPStatus.ACCEPTED:
                raise RuntimeError(f"{answer.status}: {told[:500]!r}")


def main() -> None:
    """Send what the file says."""
    order = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - this run wrote it
    started, ended = asyncio.run(send(order))
    print(json.dumps({"started": started, "ended": ended}))


if __name__ == "__main__":
    main()
