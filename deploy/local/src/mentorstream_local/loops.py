"""Asynchronous clients used from synchronous code: from commands, fixtures and threads alike."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")


def run_apart(work: Coroutine[object, object, _T]) -> _T:
    """Run a coroutine to its end on a loop of its own in a thread of its own, and return or raise what it did.

    The thread is what makes it usable everywhere: `asyncio.run` refuses where the caller already has a running loop.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="run-apart") as pool:
        return pool.submit(asyncio.run, work).result()
