"""Makes the wall clock of this process wrong, as soon as this module is imported, where a variable says so.

MENTORSTREAM_FAULT_CLOCK   A file that holds a number of seconds. It is read at each look at the clock, so the clock
                           jumps when the file is written.

The monotonic clock stays right, as it does on a machine whose clock is set. Not reached is C code that asks the kernel
by itself; of what the services use, that is aiokafka's record builder, hence AIOKAFKA_NO_EXTENSIONS beside it.
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

CLOCK_VARIABLE: Final = "MENTORSTREAM_FAULT_CLOCK"


def misread_clock(path: Path) -> None:
    """Make `time.time` and `datetime.now` wrong by the number of seconds in the file.

    The methods of datetime are replaced in its own type, because a subclass in its place would be another type to
    msgspec and pydantic.
    """
    true_time = time.time

    def wrong_time() -> float:
        return true_time() + float(path.read_text())

    def wrong_now(cls: type[datetime], tz: tzinfo | None = None) -> datetime:
        return cls.fromtimestamp(wrong_time(), tz)

    time.time = wrong_time
    time.time_ns = lambda: int(wrong_time() * 1e9)
    (methods,) = gc.get_referents(datetime.__dict__)
    methods["now"] = classmethod(wrong_now)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))


if CLOCK_VARIABLE in os.environ:
    misread_clock(Path(os.environ[CLOCK_VARIABLE]))
