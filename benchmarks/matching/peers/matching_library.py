"""`matching`: hospital-resident with mentees as residents, resident-optimal.

It copies its players by recursion, as deep as the pool is large, so it gets a deep stack.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
from matching.games import HospitalResident
from measure import run


def solve(case: dict[str, Any]) -> Any:
    start, mentor = case["start"].tolist(), case["mentor"].tolist()
    mentor_start, mentee = case["mentor_start"].tolist(), case["mentee"].tolist()
    listed = [mentor_start[j] < mentor_start[j + 1] for j in range(len(mentor_start) - 1)]
    game = HospitalResident.create_from_dictionaries(
        {i: mentor[start[i] : start[i + 1]] for i in range(len(start) - 1)},
        {j: mentee[mentor_start[j] : mentor_start[j + 1]] for j in range(len(listed)) if listed[j]},
        {j: int(case["capacity"][j]) for j in range(len(listed)) if listed[j]},
    )
    mentor_of = np.full(len(start) - 1, -1)
    for hospital, residents in game.solve(optimal="resident").items():
        for resident in residents:
            mentor_of[resident.name] = hospital.name
    return mentor_of


sys.setrecursionlimit(10_000_000)
threading.stack_size(1 << 30)
alone = threading.Thread(target=run, args=(solve,))
alone.start()
alone.join()
