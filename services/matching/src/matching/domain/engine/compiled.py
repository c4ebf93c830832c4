"""Compiling loops with numba, in one place, with the settings that all of them share.

`nogil` lets threads of one process solve different programs at once. `cache` keeps the machine code beside the source
(or in NUMBA_CACHE_DIR where that is read-only). numba looks only at the file that a function stands in to see whether
the cache is stale, so a compiled function calls compiled functions of its own module only. `fastmath` and `parallel`
stay off: they would make the result depend on the machine. `prefetch` changes no result, only when memory is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """The function, compiled on its first call for the types it is called with."""
    return cast("_Function", numba.njit(cache=True, nogil=True)(function))


def _prefetch(_context: Any, array: Any, _index: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), cgutils.voidptr_t)
        word = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], shape)
        builder.call(hint, [address, word(0), word(3), word(1)])  # to read; keep it near; data
        return context.get_dummy_value()

    return types.void(array, types.intp), build


# For compiled functions: have the entry of an array in one dimension brought near, and do not wait for it. A hint: an
# index beyond the end does no harm. https://llvm.org/docs/LangRef.html#llvm-prefetch-intrinsic
prefetch = cast("Callable[[npt.NDArray[Any], int], None]", intrinsic(_prefetch))
