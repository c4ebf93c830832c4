"""Runs one subject on one case in a process of its own: arrays in, answer and figures out.

Time is from arrays in memory to an array in memory, conversion to what the subject wants included. Memory is the
highest the whole process ever used, imports and input included. numpy and the standard library only: every subject has
them.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def run(subject: Callable[[dict[str, Any]], Any], prepare: Callable[[], object] | None = None) -> None:
    """Measure `subject` on the case in the directory sys.argv[1]; the answer and figures go to sys.argv[2]."""
    case, out = Path(sys.argv[1]), Path(sys.argv[2])
    if prepare is not None:
        prepare()  # imports and compiled code are there before anybody waits for a round
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    base = pages * resource.getpagesize() / (1 << 20)
    arrays = {path.stem: np.load(path) for path in sorted(case.glob("*.npy"))}
    begun, used = time.perf_counter(), time.process_time()
    answer = subject(arrays)
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - used
    peak = _peak_mib()
    found = answer if isinstance(answer, dict) else {"mentor_of": answer}
    np.save(out.with_suffix(".npy"), np.asarray(found.pop("mentor_of"), np.int64))
    if "proof" in found:
        found["bound"] = found.pop("proof")()  # what peers do not give is not in the time
    figures = {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak, "base_mib": base, **found}
    out.write_text(json.dumps(figures), encoding="utf-8")


def _peak_mib() -> float:
    """Not `ru_maxrss`: that begins at what the process which started this one had in use."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
