"""Fixtures of the tests of faults: see the package's docstring for what they give."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.faults.outcomes import Effort, Record, write_result
from tests.faults.run import Run
from tests.faults.system import FaultSystem, own_system

_HERE = Path(__file__).parent
_FULL_AFTER_LOADS = 8
_SHORT_TIMEOUT_SECONDS = 900
_LONG_TIMEOUT_SECONDS = 3600
_failed = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", "fault(name): which fault of the reliability table the test brings about")


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All are serial; with MENTORSTREAM_FAULTS_ONLY=F1,F6 only those faults are left."""
    effort = Effort.asked()
    mine = [item for item in items if _HERE in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.serial)
        # The system is shared, so a later test has more to live through.
        item.add_marker(pytest.mark.timeout(_LONG_TIMEOUT_SECONDS if effort.long else _SHORT_TIMEOUT_SECONDS))
    only = {name for name in os.environ.get("MENTORSTREAM_FAULTS_ONLY", "").split(",") if name}
    if only:
        dropped = [item for item in mine if not only & set(_faults(item))]
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=dropped)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show, with a failure, how to repeat it and what each process said last."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    if _HERE in item.path.parents and report.failed:
        item.stash[_failed] = True
        faults = ",".join(_faults(item))
        seed = Effort.asked().seed
        report.sections.append(("repeat it with", f"make faults ONLY={faults} SEED={seed}"))
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, FaultSystem):
                report.sections.append(("processes", value.told()))
    return report  # type: ignore[return-value]


def _faults(item: pytest.Item) -> list[str]:
    return [str(name) for mark in item.iter_markers("fault") for name in mark.args]


class _Shared:
    """The shared system: made when first asked for, made anew after a test that failed on it, or once it is full.

    All that every load left behind lives on with each later test, so time costs more and more.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._system: FaultSystem | None = None

    def get(self) -> FaultSystem:
        if self._system is not None and (self._system.is_used_up or self._system.loads >= _FULL_AFTER_LOADS):
            self.discard()
        if self._system is None:
            self._system = self._stack.enter_context(own_system())
        else:
            self._system.restore_health()
        return self._system

    def discard(self) -> None:
        self._system = None
        self._stack.close()


@pytest.fixture(scope="session")
def _shared() -> Iterator[_Shared]:
    shared = _Shared()
    yield shared
    shared.discard()


@pytest.fixture
def system(_shared: _Shared, request: pytest.FixtureRequest) -> Iterator[FaultSystem]:
    """The shared system, healthy."""
    yield _shared.get()
    if request.node.stash.get(_failed, False):
        _shared.discard()


@pytest.fixture(scope="session")
def effort() -> Effort:
    """How much is to be done, and from which seed."""
    return Effort.asked()


@pytest.fixture
async def run(system: FaultSystem, effort: Effort, request: pytest.FixtureRequest) -> AsyncIterator[Run]:
    """A run on the shared system, with random numbers of its own."""
    seed = f"{effort.seed} {request.node.name}"
    async with Run.on(system, seed=seed, replays=effort.long) as made:
        yield made


@pytest.fixture
def record(effort: Effort, request: pytest.FixtureRequest) -> Iterator[Record]:
    """Takes figures; in the long form they are written down with how the test ended."""
    started = time.monotonic()
    taken = Record()
    yield taken
    if effort.long:
        passed = not request.node.stash.get(_failed, False)
        for fault in _faults(request.node):
            write_result(fault, request.node, effort, taken, passed=passed, seconds=time.monotonic() - started)
