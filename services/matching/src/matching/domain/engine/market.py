"""What a solver is given and what it gives back: candidates by mentee, places by mentor, an assignment with prices.

Points are whole numbers (one full score is `score.SCALE`), so sums and comparisons are exact and a certificate holds
without "up to rounding". Refuses what is no market: NaN, points beyond `MOST_POINTS`, a pair named twice, a mentor that
does not exist. It does not judge pairs; whoever must not meet is not a candidate.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .compiled import compiled

Ints: TypeAlias = npt.NDArray[np.int64]
Places: TypeAlias = npt.NDArray[np.int32]
Flags: TypeAlias = npt.NDArray[np.bool_]

NOBODY: Final = -1
# A pair's points fit 32 bits with room for a bonus; sums over a million pairs with a bonus for each fit 64 bits.
MOST_POINTS: Final = 1 << 30
MOST_CAPACITY: Final = 1 << 20


class NoMarket(ValueError):
    """The arrays do not make a market. The message names the array and the first fault."""


@dataclass(frozen=True, slots=True)
class Market:
    """Who may be matched with whom, and what for.

    `start`: n + 1 offsets, mentee i has the candidates start[i]:start[i+1]. `mentor`, `points`: one entry for each
    candidate. `capacity`: places by mentor. `place_cost`: points that each place costs, mentor by mentor in the order
    in which places are filled, never falling within a mentor; None where places cost nothing.
    """

    start: Ints
    mentor: Places
    points: Places
    capacity: Places
    place_cost: Ints | None = None

    @property
    def mentees(self) -> int:
        return len(self.start) - 1

    @property
    def mentors(self) -> int:
        return len(self.capacity)

    @property
    def pairs(self) -> int:
        return len(self.mentor)

    def first_place(self) -> Ints:
        """m + 1 offsets: the places of mentor j are first_place[j]:first_place[j+1]."""
        first = np.zeros(self.mentors + 1, np.int64)
        np.cumsum(self.capacity, out=first[1:])
        return first

    def costs(self) -> Ints:
        """What each place costs; zeros where none is set."""
        return np.zeros(int(self.capacity.sum()), np.int64) if self.place_cost is None else self.place_cost

    def rows(self) -> Ints:
        """The mentee of each candidate entry."""
        return np.repeat(np.arange(self.mentees), np.diff(self.start))

    def digest(self) -> str:
        """SHA-256 over everything a solver sees, as hexadecimal digits: what a replay has to find again."""
        digest = hashlib.sha256()
        for array in (self.start, self.mentor, self.points, self.capacity, self.costs()):
            digest.update(len(array).to_bytes(8, "little"))
            digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who was matched with whom, and the prices that prove how good that is.

    `mentor_of`: the mentor by mentee, or NOBODY. `price`: points by mentor. `bonus`: what a further pair was counted
    as worth, beside its points, when the prices were found. `epsilon`: the auction's step; 0 for an exact answer.
    """

    mentor_of: Places
    price: Ints
    bonus: int = 0
    epsilon: int = 0

    @property
    def matched(self) -> int:
        return int(np.count_nonzero(self.mentor_of != NOBODY))


def market(
    start: npt.ArrayLike,
    mentor: npt.ArrayLike,
    points: npt.ArrayLike,
    capacity: npt.ArrayLike,
    place_cost: npt.ArrayLike | None = None,
) -> Market:
    """A market of arrays that are checked and brought to the types that the solvers are compiled for.

    Raises NoMarket. Points may be floats only if they are whole; scores in floats go through `whole_points` first.
    """
    made = Market(
        _whole("start", start, np.int64),
        _whole("mentor", mentor, np.int32),
        _whole("points", points, np.int32, MOST_POINTS),
        _whole("capacity", capacity, np.int32, MOST_CAPACITY),
        None if place_cost is None else _whole("place_cost", place_cost, np.int64, MOST_POINTS),
    )
    if len(made.start) == 0 or made.start[0] != 0 or np.any(np.diff(made.start) < 0):
        raise NoMarket("start: must begin with 0 and never fall")
    if made.start[-1] != len(made.mentor) or len(made.mentor) != len(made.points):
        raise NoMarket(f"mentor, points: must have start[-1] = {made.start[-1]} entries")
    if np.any(made.capacity < 0):
        raise NoMarket("capacity: must not be negative")
    if made.pairs and (made.mentor.min() < 0 or made.mentor.max() >= made.mentors):
        raise NoMarket(f"mentor: must be below {made.mentors}")
    repeated = _first_repeated(made.start, made.mentor, made.mentors)
    if repeated != NOBODY:
        raise NoMarket(f"mentor: mentee {repeated} names a mentor twice")
    _check_costs(made)
    return made


def whole_points(scores: npt.ArrayLike, scale: int = 1 << 20) -> Places:
    """Scores as whole points, rounded half to even. Raises NoMarket for NaN, infinity and what is too large."""
    array = np.asarray(scores, np.float64)
    if not np.isfinite(array).all():
        raise NoMarket("points: NaN and infinity are no scores")
    points = np.rint(array * scale)
    if len(points) and np.abs(points).max() > MOST_POINTS:
        raise NoMarket(f"points: a score of {MOST_POINTS // scale} is the largest at this scale")
    return points.astype(np.int32)


def load_costs(load: npt.ArrayLike, capacity: npt.ArrayLike, step: int) -> Ints:
    """Place costs that spread the load: the place that makes a mentor's k-th match costs `step` times (k - 1).

    `load` is how many running matches each mentor has, `capacity` how many places are left beside them.
    """
    loads, places = np.asarray(load, np.int64), np.asarray(capacity, np.int64)
    first = np.zeros(len(places) + 1, np.int64)
    np.cumsum(places, out=first[1:])
    within: Ints = np.arange(first[-1]) - np.repeat(first[:-1], places)
    return (within + np.repeat(loads, places)) * step


def _whole(name: str, values: npt.ArrayLike, dtype: Any, most: int | None = None) -> Any:
    given = np.asarray(values)
    if given.ndim != 1:
        raise NoMarket(f"{name}: must have one dimension")
    if given.dtype.kind == "f" and not np.array_equal(given, np.rint(given)):
        raise NoMarket(f"{name}: must be whole numbers; NaN and fractions are not")
    if given.dtype.kind not in "iufb":
        raise NoMarket(f"{name}: must be numbers")
    limit = int(np.iinfo(dtype).max if most is None else most)
    if given.size and (given.max() > limit or given.min() < -limit):
        raise NoMarket(f"{name}: must lie between {-limit} and {limit}")
    return np.require(given.astype(dtype, copy=False), requirements=["C", "W"])


def _check_costs(made: Market) -> None:
    if made.place_cost is None:
        return
    if len(made.place_cost) != made.capacity.sum():
        raise NoMarket("place_cost: must have one entry for each place")
    owner = np.repeat(np.arange(made.mentors), made.capacity)
    falls = (np.diff(made.place_cost) < 0) & (owner[1:] == owner[:-1])
    if np.any(falls) or (len(made.place_cost) and made.place_cost.min() < 0):
        raise NoMarket("place_cost: must not be negative, nor fall within a mentor")


@compiled
def _first_repeated(start: Ints, mentor: Places, mentors: int) -> int:
    seen = np.full(mentors, -1, np.int64)
    for i in range(len(start) - 1):
        for e in range(start[i], start[i + 1]):
            if seen[mentor[e]] == i:
                return i
            seen[mentor[e]] = i
    return -1
