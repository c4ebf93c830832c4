"""`algmatch`: hospital-resident with mentees as residents, resident-optimal. Its ids begin with 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from algmatch import HospitalResidentsProblem
from measure import run


def solve(case: dict[str, Any]) -> Any:
    start, mentor = case["start"].tolist(), (case["mentor"] + 1).tolist()
    mentor_start, mentee = case["mentor_start"].tolist(), (case["mentee"] + 1).tolist()
    instance = {
        "residents": {i + 1: mentor[start[i] : start[i + 1]] for i in range(len(start) - 1)},
        "hospitals": {
            j + 1: {
                "capacity": int(case["capacity"][j]),
                "preferences": mentee[mentor_start[j] : mentor_start[j + 1]],
            }
            for j in range(len(mentor_start) - 1)
        },
    }
    found = HospitalResidentsProblem(dictionary=instance, optimised_side="residents").get_stable_matching()
    mentor_of = np.full(len(start) - 1, -1)
    for resident, hospital in found["resident_sided"].items():
        if hospital:
            mentor_of[int(resident[1:]) - 1] = int(hospital[1:]) - 1
    return mentor_of


run(solve)
