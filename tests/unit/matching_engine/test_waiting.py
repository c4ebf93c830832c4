"""Waiting estimates on made-up histories: right where the past is a guide, and withheld where it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matching.domain.engine.waiting import COVERED, Wait, estimate

NOW = 1000.0


def history(seed: int, count: int = 300, *, mean: float = 20.0, leaves: float = 0.0) -> list[Wait]:
    """Waits that begin evenly over the time, of lengths that forget how long they lasted; some leave before."""
    random = np.random.default_rng(seed)
    waits = []
    for since in np.sort(random.uniform(0, NOW, count)):
        lasts, patience = random.exponential(mean), random.exponential(mean / leaves) if leaves else np.inf
        until = min(since + lasts, since + patience, NOW)
        waits.append(Wait(float(since), float(until), bool(until == since + lasts)))
    return waits


@pytest.mark.parametrize("seed", range(5))
def test_steady_waits_are_told_rightly(seed: int) -> None:
    told = estimate(history(seed), NOW, 0.0)
    assert told is not None
    assert COVERED[0] <= told.covered <= COVERED[1]
    assert told.median == pytest.approx(20 * np.log(2), rel=0.25)
    assert told.low == pytest.approx(20 * np.log(1 / 0.9), abs=1.5)
    assert told.high == pytest.approx(20 * np.log(10), rel=0.25)


def test_of_five_intervals_four_hold_what_comes() -> None:
    random = np.random.default_rng(9)
    told = [estimate(history(seed), NOW, 0.0) for seed in range(30)]
    given = [each for each in told if each is not None]
    assert len(given) > 20
    truth = random.exponential(20.0, 5000)
    held = np.mean([np.mean((truth >= each.low) & (truth <= each.high)) for each in given])
    assert held == pytest.approx(0.8, abs=0.04)


def test_who_still_waits_or_left_is_not_taken_for_matched() -> None:
    """Half of them leave before they are matched: to count those as matched would tell half the time."""
    told = estimate(history(3, 600, leaves=1.0), NOW, 0.0)
    assert told is not None
    assert told.median == pytest.approx(20 * np.log(2), rel=0.3)


def test_who_has_waited_is_told_of_those_who_waited_as_long() -> None:
    """Half are matched within two days, the others take from 30 days to 50."""
    random = np.random.default_rng(1)
    begins = np.sort(random.uniform(0, NOW, 600))
    lasts = np.where(random.random(600) < 0.5, random.uniform(0, 2, 600), random.uniform(30, 50, 600))
    waits = [Wait(b, min(b + d, NOW), bool(b + d <= NOW)) for b, d in zip(begins.tolist(), lasts.tolist(), strict=True)]
    told = estimate(waits, NOW, 10.0)
    assert told is not None
    assert 18 < told.low < told.median < told.high < 41
    assert told.median == pytest.approx(30, abs=2)


def test_nothing_is_told_where_the_past_misleads() -> None:
    """Mentors have run out: whoever began in the second half of the time takes ten times as long."""
    waits = [
        replace(each, until=min(NOW, each.since + 10 * (each.until - each.since))) if each.since > NOW / 2 else each
        for each in history(5, 400)
    ]
    waits = [replace(each, matched=each.matched and each.until < NOW) for each in waits]
    assert estimate(waits, NOW, 0.0) is None


def test_nothing_is_told_of_too_little() -> None:
    assert estimate([], NOW, 0.0) is None
    assert estimate(history(1, 15), NOW, 0.0) is None
    nobody = [replace(each, matched=False) for each in history(1)]
    assert estimate(nobody, NOW, 0.0) is None
    assert estimate(history(1), NOW, 500.0) is None
    assert estimate(history(2, 600, leaves=8.0), NOW, 0.0) is None  # the ninetieth percentile is beyond what was seen


def test_the_order_of_a_history_and_what_comes_later_do_not_count() -> None:
    waits = history(4)
    told = estimate(waits, 800.0, 3.0)
    assert told == estimate(waits[::-1], 800.0, 3.0)
    past = [Wait(e.since, min(e.until, 800.0), e.matched and e.until <= 800.0) for e in waits if e.since < 800.0]
    assert told == estimate(past, 800.0, 3.0)


def test_a_negative_wait_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        estimate([], NOW, -1.0)
