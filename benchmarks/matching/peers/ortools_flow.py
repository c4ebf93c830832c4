"""OR-tools' min-cost flow: mentees, mentors and a sink; a mentee left over goes to the sink for nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from measure import run
from ortools.graph.python import min_cost_flow


def solve(case: dict[str, Any]) -> Any:
    start, mentor, points, capacity = case["start"], case["mentor"], case["points"], case["capacity"]
    mentees, mentors = len(start) - 1, len(capacity)
    sink = mentees + mentors
    rows = np.repeat(np.arange(mentees, dtype=np.int32), np.diff(start))
    flow = min_cost_flow.SimpleMinCostFlow()
    pairs = flow.add_arcs_with_capacity_and_unit_cost(
        rows, (mentor + mentees).astype(np.int32), np.ones(len(rows), np.int64), -points.astype(np.int64)
    )
    flow.add_arcs_with_capacity_and_unit_cost(
        np.arange(mentees, sink, dtype=np.int32),
        np.full(mentors, sink, np.int32),
        capacity,
        np.zeros(mentors, np.int64),
    )
    flow.add_arcs_with_capacity_and_unit_cost(
        np.arange(mentees, dtype=np.int32), np.full(mentees, sink, np.int32), np.ones(mentees, np.int64),
        np.zeros(mentees, np.int64),
    )  # fmt: skip
    flow.set_nodes_supplies(np.arange(mentees, dtype=np.int32), np.ones(mentees, np.int64))
    flow.set_node_supply(sink, -mentees)
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise RuntimeError(f"status {status}")
    taken = flow.flows(pairs) > 0
    mentor_of = np.full(mentees, -1)
    mentor_of[rows[taken]] = mentor[taken]
    return mentor_of


run(solve)
