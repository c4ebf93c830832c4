"""scipy's min_weight_full_bipartite_matching. It wants everybody matched, so each mentee has a place of their own worth
0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from measure import run
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching


def solve(case: dict[str, Any]) -> Any:
    start, mentor, points, capacity = case["start"], case["mentor"], case["points"], case["capacity"]
    if np.any(capacity != 1):
        raise ValueError("one place a mentor")
    mentees, mentors = len(start) - 1, len(capacity)
    rows = np.concatenate([np.repeat(np.arange(mentees), np.diff(start)), np.arange(mentees)])
    columns = np.concatenate([mentor, mentors + np.arange(mentees)])
    # Explicit zeros would be dropped: everything is worth one more, which changes nothing as all are matched.
    weights = np.concatenate([points.astype(np.float64) + 1, np.ones(mentees)])
    graph = csr_array((weights, (rows, columns)), shape=(mentees, mentors + mentees))
    _, chosen = min_weight_full_bipartite_matching(graph, maximize=True)
    return np.where(chosen < mentors, chosen, -1)


run(solve)
