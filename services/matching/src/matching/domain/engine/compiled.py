"""Compiling loops with numba, in one place, with the settings that all of them share.

`nogil` lets threads of one process solve different programs at once. `cache` keeps the machine code beside the source
(or in NUMBA_CACHE_DIR where that is read-only). numba looks only at the file that a function stands in to see whether
the cache is stale, so a compiled function calls compiled functions of its own module only. `fastmath` and `parallel`
stay off: they would make the result depend on the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The function, compiled on its first call for the types it is called with."""
    return cast("_Function", numba.njit(cache=True, nogil=True)(function))
