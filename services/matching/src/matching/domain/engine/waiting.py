"""How long somebody who waits may still have to wait, and only where such answers have proved right before.

From how long others of the program waited: those who were matched, and those who still wait or left, of whom is known
that it took longer than that. The chance to wait longer than some time is estimated by the product-limit method; for
who has waited a while already, it is taken among those who waited as long. The median is told, and the interval from
the tenth to the ninetieth percentile.

An estimate is given only if it would have been right: each of the latest waits is estimated from what was known when it
had lasted as long, and the interval must have held the truth in seven to nine of ten. Where too few waits are over to
tell, or where the program has changed so that the past misleads, there is none. Knows no person, only times; promises
nothing to anyone in particular.

Source: E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", Journal of the American
Statistical Association 53 (1958).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

QUANTILES: Final = (0.1, 0.5, 0.9)
LEAST_MATCHED: Final = 20  # fewer waits that ended with a match say nothing about a tenth of them
LEAST_TESTED: Final = 20
MOST_TESTED: Final = 200
COVERED: Final = (0.7, 0.9)

_Days: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait from `since` to `until`, in days from any one moment. Not matched: they left, or still waited then."""

    since: float
    until: float
    matched: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """Days from now: as likely sooner as later than `median`, and in four of five cases from `low` to `high`.

    `covered`: the share of `tested` earlier waits of which such an interval would have been right.
    """

    low: float
    median: float
    high: float
    covered: float
    tested: int


def estimate(history: Sequence[Wait], now: float, waited: float) -> Estimate | None:
    """How much longer somebody waits who has waited so many days. None where nothing can be said that holds.

    `history` is of the same program up to `now`, in any order.
    """
    if waited < 0:
        raise ValueError("waited must not be negative")
    since = np.array([each.since for each in history], np.float64)
    until = np.minimum([each.until for each in history], now)
    matched = np.array([each.matched and each.until <= now for each in history], np.bool_)
    told = _quantiles(until - since, matched, waited)
    if told is None:
        return None
    right, tested = _backtest(since, until, matched, now, waited)
    if tested < LEAST_TESTED or not COVERED[0] <= right / tested <= COVERED[1]:
        return None
    low, median, high = told
    return Estimate(low, median, high, right / tested, tested)


def _quantiles(lasted: _Days, matched: npt.NDArray[np.bool_], waited: float) -> tuple[float, float, float] | None:
    """Days still to wait at each of QUANTILES; None where too little is known to tell all of them."""
    longer = lasted > waited
    lasted, matched = lasted[longer], matched[longer]
    if np.count_nonzero(matched) < LEAST_MATCHED:
        return None
    ends = np.unique(lasted[matched])
    waiting = len(lasted) - np.searchsorted(np.sort(lasted), ends, side="left")
    over = np.searchsorted(np.sort(lasted[matched]), ends, side="right")
    gone = 1 - np.cumprod(1 - np.diff(over, prepend=0) / waiting)  # the chance to have been matched by each end
    places = np.searchsorted(gone, np.array(QUANTILES) - 1e-12)
    if places[-1] >= len(ends):
        return None
    low, median, high = (float(ends[place]) - waited for place in places)
    return low, median, high


def _backtest(since: _Days, until: _Days, matched: npt.NDArray[np.bool_], now: float, waited: float) -> tuple[int, int]:
    """How many intervals would have been right, of how many that can be told: their end has come, and nobody left."""
    asked = since + waited
    order = np.argsort(-since, kind="stable")
    right = tested = 0
    for one in order[(until > asked)[order]]:
        if tested == MOST_TESTED:
            break
        then = asked[one]
        before = since < then
        before[one] = False
        known_until = np.minimum(until[before], then)
        told = _quantiles(known_until - since[before], matched[before] & (until[before] <= then), waited)
        if told is None or then + told[2] > now or (not matched[one] and until[one] < then + told[2]):
            continue
        tested += 1
        right += bool(matched[one] and told[0] <= until[one] - then <= told[2])
    return right, tested
