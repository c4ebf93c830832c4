"""Small markets for hypothesis: few people, few levels of points, places from none to three, costs or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from matching.domain.engine.market import Flags, Market, load_costs, market


def from_dense(scores: npt.NDArray[Any], capacity: npt.ArrayLike, allowed: Flags | None = None) -> Market:
    """A market of a whole matrix of points, mentees by mentors; `allowed` says which pairs are candidates."""
    mask = np.ones(scores.shape, np.bool_) if allowed is None else allowed
    start = np.zeros(len(scores) + 1, np.int64)
    np.cumsum(mask.sum(axis=1), out=start[1:])
    return market(start, np.nonzero(mask)[1], scores[mask], capacity)


@st.composite
def small(draw: st.DrawFn, *, lowest: int = -5, costs: bool = True, mentees: int = 5, mentors: int = 4) -> Market:
    rows, columns = draw(st.integers(0, mentees)), draw(st.integers(0, mentors))
    highest = draw(st.sampled_from((1, 3, 50)))
    cell = st.one_of(st.none(), st.integers(lowest, highest))
    cells = draw(st.lists(cell, min_size=rows * columns, max_size=rows * columns))
    allowed = np.array([value is not None for value in cells], np.bool_).reshape(rows, columns)
    points = np.array([value or 0 for value in cells], np.int64).reshape(rows, columns)
    capacity = draw(st.lists(st.integers(0, 3), min_size=columns, max_size=columns))
    made = from_dense(points, np.array(capacity, np.int64), allowed)
    if not costs:
        return made
    load = draw(st.lists(st.integers(0, 2), min_size=columns, max_size=columns))
    step = draw(st.integers(0, 6))
    return market(
        made.start, made.mentor, made.points, made.capacity, load_costs(np.array(load, int), made.capacity, step)
    )
