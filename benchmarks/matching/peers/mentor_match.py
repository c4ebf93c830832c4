"""The core of mentor-match: a full matrix of scores, turned into costs as it does, through Munkres."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from measure import run
from munkres import Munkres, make_cost_matrix


def solve(case: dict[str, Any]) -> Any:
    mentees, mentors = len(case["start"]) - 1, len(case["capacity"])
    scores = case["points"].reshape(mentees, mentors).tolist()
    costs = make_cost_matrix(scores, lambda score: sys.maxsize - score)
    mentor_of = np.full(mentees, -1)
    for mentee, mentor in Munkres().compute(costs):
        mentor_of[mentee] = mentor
    return mentor_of


run(solve)
