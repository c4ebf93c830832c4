"""Runs a service that dies, freezes, fails or misreads the time where a test says.

    python -m tests.faults.pointed <service> <mode>

This launcher is the only code that arms the points of `mentorstream_runtime.points`; the product has nothing that reads
the variables below. It runs the service as its own `__main__` does, with handlers wrapped where a record is to do harm.

MENTORSTREAM_FAULT_POINT   POINT:ACTION[:NTH[:MILLISECONDS]], several separated by commas. ACTION is `kill` (SIGKILL to
                           itself), `stop` (SIGSTOP to itself) or `raise`; it happens at the NTH passing (1), so many
                           MILLISECONDS later (0: there and then).
MENTORSTREAM_FAULT_RECORD  ACTION:TEXT, several separated by commas: what deciding over an event does whose data holds
                           TEXT somewhere: `kill` or `raise`. Stands for a fault of the code that one record brings out.
MENTORSTREAM_FAULT_CLOCK   See `wrong_clock`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import runpy
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

import msgspec
import tests.faults.wrong_clock  # noqa: F401 - makes it wrong, before others bind its functions

from mentorstream_events import Event, Value
from mentorstream_runtime import points
from mentorstream_runtime.batch import Handler
from mentorstream_runtime.process import Parts, Runtime, main

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection
    from mentorstream_runtime.outbox import Outgoing

POINT_VARIABLE: Final = "MENTORSTREAM_FAULT_POINT"
RECORD_VARIABLE: Final = "MENTORSTREAM_FAULT_RECORD"
Action = Literal["kill", "stop", "raise"]


class AskedTo(RuntimeError):
    """What a point raises that is to fail: an error that the product has no name for."""


class Wanted(msgspec.Struct, frozen=True):
    """What is to happen at a point."""

    point: points.Point
    action: Action
    nth: int = 1
    milliseconds: int = 0

    @classmethod
    def parse(cls, text: str) -> Wanted:
        """Raises ValueError for what is not POINT:ACTION[:NTH[:MILLISECONDS]]."""
        point, _, rest = text.partition(":")
        action, *numbers = rest.split(":")
        if point not in get_args(points.Point) or action not in get_args(Action) or len(numbers) > 2:
            raise ValueError(f"{text!r} is no point and action")
        return cls(cast("points.Point", point), cast("Action", action), *map(int, numbers))


class Armed:
    """Counts how often each point is passed, and acts when it is time."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self._wanted = wanted
        self._passed: Counter[points.Point] = Counter()

    def __call__(self, point: points.Point) -> None:
        self._passed[point] += 1
        for wanted in self._wanted:
            if wanted.point == point and wanted.nth == self._passed[point]:
                if wanted.milliseconds:
                    asyncio.get_running_loop().call_later(wanted.milliseconds / 1000, act, wanted.action, point)
                else:
                    act(wanted.action, point)


def act(action: Action, where: str) -> None:
    """Do it to this process. Returns only after a SIGSTOP that was followed by a SIGCONT."""
    if action == "raise":
        raise AskedTo(where)
    os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)


class Harmful:
    """A handler for which some events do harm; all others it passes on."""

    def __init__(self, handler: Handler, harm: Sequence[tuple[Action, bytes]]) -> None:
        self._handler = handler
        self._harm = harm
        self.handles = handler.handles

    async def load(self, connection: Connection, events: Sequence[Event[Value]]) -> None:
        """As the handler does."""
        await self._handler.load(connection, events)

    def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
        """As the handler does, but for an event that holds one of the texts."""
        data = msgspec.json.encode(event.data)
        for action, text in self._harm:
            if text in data:
                act(action, event.id)
        return self._handler.decide(event)

    async def flush(self, connection: Connection) -> None:
        """As the handler does."""
        await self._handler.flush(connection)

    def settled(self, *, committed: bool) -> None:
        """As the handler does."""
        self._handler.settled(committed=committed)


def harmed(
    build: Callable[[Runtime[Any]], Parts], harm: Sequence[tuple[Action, bytes]]
) -> Callable[[Runtime[Any]], Parts]:
    """The service's wiring, with every handler wrapped."""

    def build_harmed(runtime: Runtime[Any]) -> Parts:
        parts = build(runtime)
        readers = {topic: (lambda make=make: Harmful(make(), harm)) for topic, make in parts.readers.items()}
        return Parts(readers=readers, timers=parts.timers, api=parts.api, closing=parts.closing)

    return build_harmed


def run(service: str, mode: str) -> None:
    """Arm what the environment asks for, then run the service. Exits the process, as the service does."""
    if text := os.environ.get(POINT_VARIABLE):
        points.arm(Armed([Wanted.parse(each) for each in text.split(",")]))
    harm = [_harm(each) for each in os.environ.get(RECORD_VARIABLE, "").split(",") if each]
    if not harm:
        sys.argv = [service, mode]
        runpy.run_module(service, run_name="__main__", alter_sys=True)
        return
    settings = getattr(importlib.import_module(f"{service}.settings"), f"{service.capitalize()}Settings")
    build = importlib.import_module(f"{service}.bootstrap").build
    main(service, settings, harmed(build, harm), [mode])


def _harm(wanted: str) -> tuple[Action, bytes]:
    action, _, text = wanted.partition(":")
    if action not in ("kill", "raise") or not text:
        raise ValueError(f"{wanted!r} is no action and text")
    return cast("Action", action), text.encode()


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2])
