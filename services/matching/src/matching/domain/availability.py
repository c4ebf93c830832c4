"""Weekly hours as bits, so that the time two people share is a count of common bits.

A week has 672 slots of 15 minutes from Monday 00:00 UTC, kept as eleven 64-bit words. Local hours become UTC with the
zone's offset at one instant; a program uses the hour its `now` lies in, so that the same history gives the same bits
however it was cut into batches. Only whole slots count: odd minutes never make two people share time they do not have.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from .values import Contradiction, Hours

SLOT_MINUTES: Final = 15
SLOTS: Final = 7 * 24 * 60 // SLOT_MINUTES
WORDS: Final = -(-SLOTS // 64)
_DAY_MINUTES: Final = 24 * 60
_WEEK: Final = (1 << SLOTS) - 1


def offset_minutes(zone: str, now: datetime) -> int:
    """The zone's offset east of UTC at `now`. Raises Contradiction("unknown_zone")."""
    try:
        offset = now.astimezone(ZoneInfo(zone)).utcoffset()
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Contradiction("unknown_zone", f"{zone!r} is no IANA time zone") from error
    return int((offset or timedelta()).total_seconds()) // 60


def week_bits(hours: Iterable[Hours], offset: int) -> int:
    """The slots of the UTC week that lie wholly in local `hours`, as one integer; bit 0 is Monday 00:00 UTC."""
    bits = 0
    for interval in hours:
        midnight = (interval.weekday - 1) * _DAY_MINUTES - offset
        first = -(-(midnight + interval.start_minute) // SLOT_MINUTES)
        end = (midnight + interval.end_minute) // SLOT_MINUTES
        if end > first:
            run = ((1 << (end - first)) - 1) << (first % SLOTS)
            bits |= (run & _WEEK) | (run >> SLOTS)  # what passes Sunday midnight comes round to Monday
    return bits


def words(bits: int) -> npt.NDArray[np.uint64]:
    """The integer's bits as eleven words, least significant first."""
    return np.frombuffer(bits.to_bytes(WORDS * 8, "little"), dtype="<u8")
