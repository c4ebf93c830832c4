"""The points that a mentor sees."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from matching.entrypoints.pages import whole_points


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 0.125), max_size=8))
def test_whole_points_sum_to_the_whole_score(facets: dict[str, float]) -> None:
    total, points = whole_points(facets)
    assert sum(points.values()) == total
    assert abs(total - 100 * sum(facets.values())) <= 0.5 + 1e-9
    assert all(abs(points[name] - 100 * value) <= 1 for name, value in facets.items())
