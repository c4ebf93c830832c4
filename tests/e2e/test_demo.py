"""The whole story end to end: calm, and with a process of each service killed in the middle of the load."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mentorstream_local.commands_demo import BROKER_SETTINGS, POSTGRES_SETTINGS, demo_system, figures, start_driven
from mentorstream_local.demo.data import load
from mentorstream_local.demo.driver import DemoResult, run_demo
from mentorstream_local.demo.report import counts_of, report_of
from mentorstream_local.loops import run_apart
from mentorstream_local.services import SERVICES
from mentorstream_local.stack import ephemeral_stack
from mentorstream_local.system import LocalSystem

# What no kill changes at all.
_DECIDED = ("accepted", "participants", "matches", "waitlisted", "dead_letters")
pytestmark = [pytest.mark.serial, pytest.mark.timeout(900)]


def tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - shown when the test fails, and with -s


def run(killing: bool) -> tuple[DemoResult, dict[str, int], list[str]]:
    """One run on a stack of its own; returns also which services were killed."""
    killed: list[str] = []
    with ephemeral_stack(
        own_servers=True, broker_settings=BROKER_SETTINGS, postgres_settings=POSTGRES_SETTINGS
    ) as stack:
        system = demo_system(stack, tell)
        try:
            start_driven(system)
            disturb: dict[str, Any] = (
                {"disturb": killer(system, killed), "resends_allowed": lambda: killed.count("notifications")}
                if killing
                else {}
            )
            result = run_apart(run_demo(system, load(), tell, **disturb))
            counts, _ = run_apart(figures(system, result))
            return result, counts, killed
        finally:
            system.down()


def killer(system: LocalSystem, killed: list[str]) -> Callable[[str], Awaitable[None]]:
    """Kill one service after the other with SIGKILL: while organisations' people are being taken in, and again in the
    second week, when meetings end, answers come and mails go out."""
    turns = itertools.cycle(SERVICES)
    days = {f"day {number}" for number in range(7, 7 + len(SERVICES))}

    async def disturb(moment: str) -> None:
        if moment.startswith("day ") and moment not in days:
            return
        name = next(turns)
        service = system.services[name]
        await asyncio.sleep(0.15)
        await asyncio.to_thread(service.kill)
        tell(f"killed {name}: {moment}")
        await asyncio.to_thread(service.start)
        killed.append(name)

    return disturb


def test_the_story_holds_and_kills_change_nothing_that_is_decided() -> None:
    calm, calm_counts, _ = run(killing=False)
    assert not calm.refusals
    assert {check.name: check.violations for check in calm.checks if not check.holds} == {}
    assert [check.name for check in calm.checks] == [f"I{number}" for number in range(1, 9)]
    assert report_of(calm, calm_counts)["invariants"] == {f"I{number}": True for number in range(1, 9)}
    assert all(calm_counts.values()), "a figure of nothing checks nothing"

    disturbed, disturbed_counts, killed = run(killing=True)
    assert Counter(killed) == dict.fromkeys(SERVICES, 3)
    assert {check.name: check.violations for check in disturbed.checks if not check.holds} == {}
    assert {name: disturbed_counts[name] for name in _DECIDED} == {name: calm_counts[name] for name in _DECIDED}
    # Who is in two programs, or whose rounds are due at one moment, is booked first by whichever is read first. A kill
    # may change that, and with it which of two times somebody gets; not how much takes place.
    for name, count in calm_counts.items():
        assert disturbed_counts[name] == pytest.approx(count, rel=0.01), name
    assert counts_of(disturbed, disturbed_counts["dead_letters"]) == disturbed_counts
