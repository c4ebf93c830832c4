"""What a policy does to people: what would change, whether groups fare alike, whether honesty pays.

Works on answers, after the fact; no solver reads it. Groups come from the caller, and whatever a law protects is looked
at here only. Groups smaller than `SMALL` are counted and otherwise hidden, so that a figure never speaks of few people.
Uncertainty is stated with every rate and gap; a gap whose interval holds zero is no finding. Seeds are arguments: the
same question gives the same figures.

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
Statistical Association 22 (1927); B. Efron, "Bootstrap methods", Annals of Statistics 7 (1979).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from .certificate import pair_entries
from .market import NOBODY, Flags, Ints, Market, Places

SMALL: Final = 10
FEW: Final = 3
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


@dataclass(frozen=True, slots=True)
class GroupRate:
    """One group of mentees. `rate` is the share matched, `low` and `high` its 95% Wilson interval; None if hidden.

    `score_gap`: mean points of this group's pairs less those of everybody else's, with a 95% bootstrap interval; None
    if hidden, or if either has fewer than `SMALL` pairs.
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


def hidden(cells: Ints, least: Sequence[int]) -> Flags:
    """Which groups are not to be shown. `cells`: counts, groups by columns; `least`: by column, the fewest to be seen.

    Those with a smaller cell, and then further ones, the smallest first, until what is hidden is in no column so small
    that it could be computed from the total.
    """
    limits = np.asarray(least, np.int64)
    hide: Flags = np.any(cells < limits, axis=1)
    by_size = np.lexsort((np.arange(len(cells)), cells.sum(axis=1))).tolist()
    while hide.any() and not hide.all() and (cells[hide].sum(axis=0) < limits).any():
        hide[next(group for group in by_size if not hide[group])] = True
    return hide


def by_group(matched: Flags, points: Ints, group: Ints, *, seed: int, guarded: bool = False) -> list[GroupRate]:
    """Match rate and score gap of each group of mentees. `points`: of their pairs; `group`: a number from 0.

    `guarded`: who is in which group is not to be found out by who is matched; then it is also hidden where fewer than
    `FEW` of a group are matched, or are not, and nothing is shown where there is but one group.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    sizes = np.bincount(group)
    made = np.bincount(group[matched], minlength=len(sizes))
    if guarded:
        hide = hidden(np.stack((sizes, made, sizes - made), axis=1), (SMALL, FEW, FEW))
        hide |= len(sizes) == 1
    else:
        hide = hidden(sizes[:, None], (SMALL,))
    found = []
    for number, size in enumerate(sizes.tolist()):
        if hide[number]:
            found.append(GroupRate(number, size, None, None, None, None, None, None))
            continue
        low, high = wilson(int(made[number]), size)
        inside = group == number
        mine, theirs = points[matched & inside], points[matched & ~inside]
        gap = gap_low = gap_high = None
        if min(len(mine), len(theirs)) >= SMALL:
            gap = float(mine.mean() - theirs.mean())
            gap_low, gap_high = _interval(_means(mine, random) - _means(theirs, random))
        found.append(GroupRate(number, size, int(made[number]) / size, low, high, gap, gap_low, gap_high))
    return found


@dataclass(frozen=True, slots=True)
class Misstated:
    """What a mentee's candidates would be if they misstated, and what each is worth: as told, and truly."""

    mentor: Places
    points: Places
    true_points: Places


def temptation(
    market: Market,
    solve: Callable[[Market], Places],
    misstate: Callable[[Market, int], Misstated | None],
    *,
    ask: int,
    seed: int,
) -> Temptation:
    """Let mentees misstate, one at a time and all others honestly, and see what it brings them.

    `solve` answers a market. `misstate` returns what a mentee's candidates would be, or None if this mentee has nothing
    to misstate.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    honest = points_of(market, solve(market))
    gains: list[int] = []
    for mentee in random.permutation(market.mentees).tolist():
        if len(gains) == ask:
            break
        told = misstate(market, mentee)
        if told is None:
            continue
        got = solve(_with_row(market, mentee, told))[mentee]
        true = 0 if got == NOBODY else int(told.true_points[told.mentor == got][0])
        gains.append(true - int(honest[mentee]))
    if not gains:
        return Temptation(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0)
    array = np.array(gains, np.int64)
    low, high = _interval(_means(array, random))
    better, worse = float(np.mean(array > 0)), float(np.mean(array < 0))
    return Temptation(len(array), better, worse, float(array.mean()), low, high, int(array.max()))


def only_the_best(count: int) -> Callable[[Market, int], Misstated | None]:
    """Misstating by naming only the best few mentors."""

    def misstate(market: Market, mentee: int) -> Misstated | None:
        low, high = int(market.start[mentee]), int(market.start[mentee + 1])
        if high - low <= count:
            return None
        kept = low + np.sort(np.lexsort((np.arange(low, high), -market.points[low:high]))[:count])
        return Misstated(market.mentor[kept], market.points[kept], market.points[kept])

    return misstate


def points_of(market: Market, mentor_of: Places) -> Ints:
    """Points by mentee of the pairs of an answer; 0 for who has nobody."""
    points = np.zeros(market.mentees, np.int64)
    entries = pair_entries(market, mentor_of)
    points[market.rows()[entries]] = market.points[entries]
    return points


def _with_row(market: Market, mentee: int, told: Misstated) -> Market:
    """The market in which one mentee has other candidates."""
    low, high = int(market.start[mentee]), int(market.start[mentee + 1])
    start = market.start.copy()
    start[mentee + 1 :] += len(told.mentor) - (high - low)
    return replace(
        market,
        start=start,
        mentor=np.concatenate((market.mentor[:low], told.mentor, market.mentor[high:])),
        points=np.concatenate((market.points[:low], told.points, market.points[high:])),
    )


def _means(values: Ints, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Means of resamples, in parts, so that large groups do not need all of them in memory at once."""
    return np.array([values[random.integers(0, len(values), len(values))].mean() for _ in range(_RESAMPLES)])


def _interval(means: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
