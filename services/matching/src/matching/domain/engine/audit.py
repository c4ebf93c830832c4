"""What a policy does to people: what would change, whether groups fare alike, whether honesty pays.

Works on answers, after the fact; no solver reads it. Groups come from the caller, and whatever a law protects is looked
at here only. Groups smaller than `SMALL` are counted and otherwise hidden, so that a figure never speaks of few people.
Uncertainty is stated with every rate and gap; a gap whose interval holds zero is no finding. Seeds are arguments: the
same question gives the same figures.

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
Statistical Association 22 (1927); B. Efron, "Bootstrap methods", Annals of Statistics 7 (1979).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from .certificate import pair_entries
from .market import NOBODY, Flags, Ints, Market, Places

SMALL: Final = 10
_Z95: Final = 1.959963984540054
_RESAMPLES: Final = 2000


@dataclass(frozen=True, slots=True)
class Difference:
    """What another policy does to whom. Each is a list of mentee rows.

    `gained`: had nobody and would have somebody. `lost`: the other way round. `moved`: would have another mentor.
    """

    gained: Ints
    lost: Ints
    moved: Ints
    kept: int

    def by_group(self, group: Ints) -> dict[int, tuple[int, int, int]]:
        """Gained, lost and moved by group; groups smaller than `SMALL` are left out."""
        sizes = np.bincount(group)
        counts = [np.bincount(group[rows], minlength=len(sizes)) for rows in (self.gained, self.lost, self.moved)]
        return {
            int(number): (int(counts[0][number]), int(counts[1][number]), int(counts[2][number]))
            for number in np.flatnonzero(sizes >= SMALL)
        }


@dataclass(frozen=True, slots=True)
class GroupRate:
    """One group of mentees. `rate` is the share matched, `low` and `high` its 95% Wilson interval; None if hidden.

    `score_gap`: mean points of this group's pairs less those of everybody else's, with a 95% bootstrap interval; None
    if hidden or if either has no pairs.
    """

    group: int
    size: int
    rate: float | None
    low: float | None
    high: float | None
    score_gap: float | None
    gap_low: float | None
    gap_high: float | None


@dataclass(frozen=True, slots=True)
class Temptation:
    """What mentees gain by misstating. Points are by their true scores, on average over those asked.

    `asked`: mentees who were simulated, one at a time. `better` and `worse`: shares who did better or worse than
    honestly. `mean_gain`: with its 95% bootstrap interval; `largest_gain`: of anyone.
    """

    asked: int
    better: float
    worse: float
    mean_gain: float
    low: float
    high: float
    largest_gain: int


def difference(before: Places, after: Places) -> Difference:
    """Compare two answers for the same mentees and mentors."""
    had, has = before != NOBODY, after != NOBODY
    return Difference(
        gained=np.flatnonzero(~had & has),
        lost=np.flatnonzero(had & ~has),
        moved=np.flatnonzero(had & has & (before != after)),
        kept=int(np.count_nonzero(had & (before == after))),
    )


def wilson(successes: int, of: int) -> tuple[float, float]:
    """The 95% interval of a share. (0, 1) of nothing."""
    if of == 0:
        return 0.0, 1.0
    share, z2 = successes / of, _Z95 * _Z95
    middle, spread = share + z2 / (2 * of), _Z95 * sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(0.0, (middle - spread) / (1 + z2 / of)), min(1.0, (middle + spread) / (1 + z2 / of))


def by_group(market: Market, mentor_of: Places, group: Ints, *, seed: int) -> list[GroupRate]:
    """Match rate and score gap of each group of mentees. `group`: a number from 0 by mentee."""
    random = np.random.Generator(np.random.PCG64(seed))
    matched = mentor_of != NOBODY
    points = np.zeros(market.mentees, np.int64)
    entries = pair_entries(market, mentor_of)
    points[market.rows()[entries]] = market.points[entries]
    found = []
    for number, size in enumerate(np.bincount(group).tolist()):
        inside = group == number
        if size < SMALL:
            found.append(GroupRate(number, size, None, None, None, None, None, None))
            continue
        made = int(np.count_nonzero(matched & inside))
        low, high = wilson(made, size)
        mine, theirs = points[matched & inside], points[matched & ~inside]
        gap = gap_low = gap_high = None
        if len(mine) and len(theirs) and min(len(mine), len(theirs)) >= SMALL:
            gap = float(mine.mean() - theirs.mean())
            gap_low, gap_high = _interval(_means(mine, random) - _means(theirs, random))
        found.append(GroupRate(number, size, made / size, low, high, gap, gap_low, gap_high))
    return found


def temptation(
    market: Market,
    solve: Callable[[Market], Places],
    misstate: Callable[[Market, int], Flags | None],
    *,
    ask: int,
    seed: int,
) -> Temptation:
    """Let mentees misstate, one at a time, and see what it brings them.

    `solve` answers a market. `misstate` returns which of the market's candidate entries remain after the mentee
    misstated (see `only_the_best`), or None if this mentee has nothing to misstate. A match outside of the true
    candidates cannot come about: misstating only takes candidates away.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    honest = _points_of(market, solve(market))
    gains = []
    for mentee in random.permutation(market.mentees)[:ask].tolist():
        kept = misstate(market, mentee)
        if kept is None:
            continue
        start = np.zeros(market.mentees + 1, np.int64)
        np.cumsum(np.bincount(market.rows()[kept], minlength=market.mentees), out=start[1:])
        told = replace(market, start=start, mentor=market.mentor[kept], points=market.points[kept])
        gains.append(int(_points_of(told, solve(told))[mentee] - honest[mentee]))
    if not gains:
        return Temptation(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
    array = np.array(gains, np.int64)
    low, high = _interval(_means(array, random))
    better, worse = float(np.mean(array > 0)), float(np.mean(array < 0))
    return Temptation(len(array), better, worse, float(array.mean()), low, high, int(array.max()))


def only_the_best(count: int) -> Callable[[Market, int], Flags | None]:
    """Misstating by naming only the best few mentors, or being free only when they are."""

    def misstate(market: Market, mentee: int) -> Flags | None:
        low, high = int(market.start[mentee]), int(market.start[mentee + 1])
        if high - low <= count:
            return None
        kept = np.ones(market.pairs, np.bool_)
        order = np.lexsort((np.arange(low, high), -market.points[low:high]))
        kept[low + order[count:]] = False
        return kept

    return misstate


def _points_of(market: Market, mentor_of: Places) -> Ints:
    points = np.zeros(market.mentees, np.int64)
    entries = pair_entries(market, mentor_of)
    points[market.rows()[entries]] = market.points[entries]
    return points


def _means(values: Ints, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Means of resamples, in parts, so that large groups do not need all of them in memory at once."""
    return np.array([values[random.integers(0, len(values), len(values))].mean() for _ in range(_RESAMPLES)])


def _interval(means: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
