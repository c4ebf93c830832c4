"""Long calculations in a thread of their own, which nobody has to wait for.

A thread of an executor is waited for when the process ends, however long it still computes. These are not: an answer
that nobody waits for is given up, and found again by whoever needs it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_a_thread(work: Callable[[], T]) -> T:
    """What `work` returns, or raises. Cancelling gives the wait up, not the work."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type] # None only where work returns it

    def run() -> None:
        result, raised = None, None
        try:
            result = work()
        except BaseException as error:
            raised = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, result, raised)

    threading.Thread(target=run, name="calculation", daemon=True).start()
    return await done
