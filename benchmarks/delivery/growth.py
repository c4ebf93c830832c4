"""What stays when the database grows: the cost of an event, and how a backlog is worked off."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from .bed import Bed, Place, Timing
from .workload import Message, Size, configurations, registrations

_TOPICS = ("registrations",)
_PROGRAM_PEOPLE = 500


@dataclass(frozen=True, slots=True)
class Growth:
    """A backlog worked off, and then the same events as at any other size. `memories`: MiB, over the backlog."""

    backlog: Timing
    memories: Sequence[float]
    after: Timing


async def run_growth(bed: Bed, people: int, organisations: int, measured: Sequence[Message]) -> Growth:
    """One worker finds `people` registrations waiting, and `measured` ones afterwards.

    Programs have 500 people each, so that only their number grows. `measured` holds its programs' configuration.
    """
    size = Size(programs=max(1, people // _PROGRAM_PEOPLE), organisations=organisations, people=people)
    async with bed.place() as place:
        await place.start_service("matching")
        with place.held():
            await place.lay(configurations(size, "before"))
        await place.settle("matching", _TOPICS)
        watching = asyncio.create_task(_watch(place))
        backlog = await place.measure("matching", registrations(size, "before"), _TOPICS)
        watching.cancel()
        memories = (await asyncio.gather(watching, return_exceptions=True))[0]
        after = await place.measure("matching", measured, _TOPICS)
        assert isinstance(memories, list)
        return Growth(backlog, memories, after)


async def _watch(place: Place) -> list[float]:
    """The worker's memory, each second until it is cancelled."""
    seen: list[float] = []
    try:
        while True:
            seen.append(place.memory())
            await asyncio.sleep(1)
    except asyncio.CancelledError:
        return seen
