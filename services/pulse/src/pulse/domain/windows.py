"""Windows over business time: samples of a duration, and counts by bucket. Bounded: what left the window is dropped.

Times are seconds since 1970 in UTC, as floats. Nothing here depends on the order in which values are added, so that
topics read in any interleaving give the same figures.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_HOUR_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Duration:
    """How long something took. The hours are null where there is no sample. Quantiles are exact, interpolated."""

    samples: int
    mean_hours: float | None = None
    p50_hours: float | None = None
    p90_hours: float | None = None


class Samples:
    """Durations and when they ended: 16 bytes each."""

    __slots__ = ("_at", "_seconds")

    def __init__(self) -> None:
        self._at = array("d")
        self._seconds = array("d")

    def add(self, at: float, seconds: float) -> None:
        """Note a duration; a negative one, from clocks that disagree, counts as none."""
        self._at.append(at)
        self._seconds.append(max(0.0, seconds))

    def since(self, start: float) -> NDArray[np.float64]:
        """The durations in seconds whose time is after `start`, shape (n,), in no particular order."""
        # Copied: an array that is exported as a buffer cannot grow.
        at, seconds = np.array(self._at), np.array(self._seconds)
        kept: NDArray[np.float64] = seconds[at > start]
        return kept

    def forget_until(self, start: float) -> None:
        """Drop what is not after `start`."""
        kept = [(at, seconds) for at, seconds in zip(self._at, self._seconds, strict=True) if at > start]
        if len(kept) < len(self._at):
            self._at = array("d", (at for at, _ in kept))
            self._seconds = array("d", (seconds for _, seconds in kept))

    def __len__(self) -> int:
        return len(self._at)


class Counts:
    """How many, by bucket. A window covers `buckets` of them, the newest one only as far as it has come."""

    __slots__ = ("_bucket_seconds", "_buckets", "_counts")

    def __init__(self, window_seconds: float, buckets: int) -> None:
        self._bucket_seconds = window_seconds / buckets
        self._buckets = buckets
        self._counts: dict[int, int] = {}

    def add(self, at: float) -> None:
        """Count one."""
        bucket = int(at // self._bucket_seconds)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def total(self, now: float) -> int:
        """How many there are in the window that ends now."""
        first = self._first(now)
        return sum(count for bucket, count in self._counts.items() if bucket >= first)

    def forget(self, now: float) -> None:
        """Drop what left the window."""
        first = self._first(now)
        self._counts = {bucket: count for bucket, count in self._counts.items() if bucket >= first}

    def __len__(self) -> int:
        return len(self._counts)

    def _first(self, now: float) -> int:
        return int(now // self._bucket_seconds) - self._buckets + 1


def summarise(parts: Iterable[NDArray[np.float64]]) -> Duration:
    """One figure over all the durations in seconds of all the parts."""
    arrays = [part for part in parts if part.size]
    if not arrays:
        return Duration(0)
    hours = np.concatenate(arrays) / _HOUR_SECONDS
    median, high = np.quantile(hours, (0.5, 0.9))
    # Sorted before it is added up: a sum of floats depends on the order, and a rebuild reads in another one.
    return Duration(int(hours.size), float(np.sort(hours).mean()), float(median), float(high))
