"""Windows: exact figures, whatever the order, and nothing kept beyond them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulse.domain.windows import Counts, Duration, Samples, summarise

HOUR = 3600.0
_DURATIONS = st.lists(st.floats(0, 1e7, allow_nan=False), min_size=1, max_size=30)


def test_no_samples_make_no_figure() -> None:
    assert summarise([]) == Duration(0)
    assert summarise([np.array([])]) == Duration(0, None, None, None)


def test_figures_are_exact() -> None:
    samples = Samples()
    for hours in (1, 2, 3, 4, 10):
        samples.add(100.0, hours * HOUR)

    figure = summarise([samples.since(99.0)])

    assert figure.samples == 5
    assert figure.mean_hours == pytest.approx(4.0)
    assert figure.p50_hours == pytest.approx(3.0)
    assert figure.p90_hours == pytest.approx(7.6)


@given(_DURATIONS, st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_the_order_or_on_how_programs_are_joined(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    one, parts = Samples(), (Samples(), Samples())
    for value in values:
        one.add(1.0, value)
    for place, value in enumerate(shuffled):
        parts[place % 2].add(1.0, value)

    assert summarise([one.since(0)]) == summarise([part.since(0) for part in parts])


def test_a_window_shows_and_keeps_only_what_is_in_it() -> None:
    samples = Samples()
    for at in (10.0, 20.0, 30.0):
        samples.add(at, at)

    assert samples.since(20.0).tolist() == [30.0]
    samples.forget_until(20.0)
    assert len(samples) == 1
    assert samples.since(0.0).tolist() == [30.0]


def test_clocks_that_disagree_make_no_negative_duration() -> None:
    samples = Samples()
    samples.add(1.0, -5.0)
    assert samples.since(0.0).tolist() == [0.0]


def test_counts_cover_the_last_buckets() -> None:
    counts = Counts(window_seconds=600, buckets=10)
    for at in (0, 59, 60, 599):
        counts.add(at)

    assert counts.total(599) == 4
    counts.add(600)
    assert counts.total(600) == 3
    assert counts.total(660) == 2
    assert counts.total(10_000) == 0
    counts.forget(660)
    assert len(counts) == 2
    counts.forget(10_000)
    assert len(counts) == 0
