"""The command line of a service: its mode, its settings, its signals, its exit code."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, TypeVar

import structlog

from .logs import configure_logging
from .settings import ProcessSettings
from .tracing import start_tracing

log = structlog.get_logger(__name__)
SettingsT = TypeVar("SettingsT", bound=ProcessSettings)


class Runnable(Protocol):
    """A process of a service: entering starts it, leaving drains and stops it.

    In between, `failed` is set when a part failed for good, `finished` when nothing is left to do, in the modes that
    come to an end.
    """

    @property
    def failed(self) -> asyncio.Event: ...

    @property
    def finished(self) -> asyncio.Event: ...

    async def __aenter__(self) -> Any:
        """Start."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain and stop."""
        ...


def run_command(
    name: str,
    settings_class: type[SettingsT],
    make: Callable[[SettingsT, str], Runnable],
    *,
    modes: Sequence[str],
    modes_help: str,
    description: str | None,
    argv: Sequence[str] | None = None,
) -> None:
    """`python -m <service> MODE [--print-settings]`. Exits the process. The mode is `all` where none is given.

    Exit codes: 0 drained after a signal, 1 failed or stalled, 2 bad usage or settings.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=description)
    parser.add_argument("mode", choices=modes, nargs="?", default="all", help=modes_help)
    parser.add_argument("--print-settings", action="store_true", help="show the settings, secrets masked, and exit")
    arguments = parser.parse_args(argv)
    try:
        settings = settings_class()
    except ValueError as error:
        parser.exit(2, f"settings are not valid:\n{_masked(error)}\n")
    if arguments.print_settings:
        print(settings.model_dump_json(indent=2))  # noqa: T201 - that is what was asked for
        sys.exit(0)
    configure_logging(name, settings.log_level)
    start_tracing(name, settings)
    # Batches make many small long-lived objects: looking at them again and again costs a seventh of the throughput.
    # Nobody is answered during a collection, so new ones are looked at while they are few: 5,000 take 3 ms.
    gc.set_threshold(5_000, 1_000, 1_000)
    code = asyncio.run(_run_until_signal(make(settings, arguments.mode)))
    sys.stdout.flush()
    # A thread of a client that waits for a frozen broker would hold up the end for as long as that lasts.
    held_up = any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate())
    os._exit(code) if code or held_up else sys.exit(0)


def _masked(error: ValueError) -> str:
    """A validation error without the values, which may be secrets."""
    details = getattr(error, "errors", None)
    if details is None:
        return str(error)
    return "\n".join(
        f"MENTORSTREAM_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
        for item in details(include_input=False, include_url=False)
    )


async def _run_until_signal(process: Runnable) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    signalled = asyncio.create_task(stopping.wait())
    starting: asyncio.Task[Any] = asyncio.create_task(process.__aenter__())
    await asyncio.wait({signalled, starting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():  # it waits for its database or its broker
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0
    try:
        await starting
    except Exception:
        log.exception("not_started")
        return 1
    endings = [asyncio.create_task(event.wait()) for event in (process.failed, process.finished)]
    await asyncio.wait({signalled, *endings}, return_when=asyncio.FIRST_COMPLETED)
    await process.__aexit__(None, None, None)
    log.info("stopped", failed=process.failed.is_set())
    return 1 if process.failed.is_set() else 0
