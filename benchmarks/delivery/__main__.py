"""Measure all, print a line for each step, write the JSON and the page.

`python -m benchmarks.delivery --results benchmarks/results/delivery.json --page docs/benchmarks/delivery.md`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import signal
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from .bed import Bed, Timing, open_bed
from .decisions import Load, run_faust, run_limit, run_ours
from .growth import run_growth
from .latency import run_floor, run_latency
from .page import write_page
from .workload import Size, configurations, mean_bytes, registrations

_PARTS = ("decisions", "latency", "growth")
_STAGE = "registration to match"


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delivery", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000, help="registrations measured")
    parser.add_argument("--faust-people", type=int, default=10_000, help="of them, for stock Faust, which takes longer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--backlog", type=int, default=1_000_000, help="people of the large database")
    parser.add_argument("--only", choices=_PARTS, nargs="*", default=_PARTS)
    parser.add_argument("--results", type=Path, help="where the JSON goes")
    parser.add_argument("--page", type=Path, help="where the table goes")
    options = parser.parse_args()
    logging.disable(logging.ERROR)  # aiokafka tells of every leader that is not elected yet
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # servers and workers are to end, too
    outcome = asyncio.run(_run(options))
    text = json.dumps(outcome, indent=2) + "\n"
    print(text)
    for path, content in ((options.results, text), (options.page, write_page(outcome))):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {line}", flush=True)

    load = Load.of(Size(people=options.people))
    cases: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    async with open_bed(say) as bed:
        rate = 5000.0
        if "decisions" in options.only:
            rate = await _decisions(bed, load, options, cases, ratios, say)
        if "latency" in options.only:
            await _latency(bed, load, rate, cases, ratios, say)
        if "growth" in options.only:
            await _growth(bed, options, cases, ratios, say)
    return {"machine": _machine(load), "cases": cases, "ratios": ratios}


async def _decisions(
    bed: Bed, load: Load, options: argparse.Namespace, cases: list[dict[str, Any]], ratios: dict[str, float], say: Any
) -> float:
    """The three subjects, in turns, so that what else the machine does meets all of them. Returns our rate."""
    rows = bed.stack.directory / "rows.pickle"
    found: dict[tuple[str, int], list[Timing]] = {}
    for turn in range(options.repeats):
        for workers in (1, 2):
            keep = rows if (turn, workers) == (0, 1) else None
            found.setdefault(("mentorstream", workers), []).append(await run_ours(bed, load, workers, keep=keep))
            found.setdefault(("limit", workers), []).append(await run_limit(bed, load, workers, rows))
            for subject in ("mentorstream", "limit"):
                say(f"{subject}, {workers} worker(s): {found[subject, workers][-1].rate:.0f} events/s")
    few = Load(load.measured, Load.of(Size(people=0), warm=300).before)
    found["faust_stock", 1] = [await run_faust(bed, few, options.faust_people)]
    say(f"faust_stock: {found['faust_stock', 1][0].rate:.0f} events/s")
    for (subject, workers), timings in found.items():
        cases.append(_case(subject, f"{_STAGE}, {workers} worker{'s' * (workers > 1)}", timings))
    rates = {key: statistics.median(timing.rate for timing in timings) for key, timings in found.items()}
    ratios["mentorstream_over_faust_stock"] = rates["mentorstream", 1] / rates["faust_stock", 1]
    ratios["one_worker_over_limit"] = rates["mentorstream", 1] / rates["limit", 1]
    best = max(timing.rate for timing in found["limit", 1])
    ratios["two_workers_over_limit"] = rates["mentorstream", 2] / best
    return rates["mentorstream", 1]


async def _latency(
    bed: Bed, load: Load, rate: float, cases: list[dict[str, Any]], ratios: dict[str, float], say: Any
) -> None:
    floor = await run_floor(bed, 300)
    ours = await run_latency(bed, load, rate / 2, 10)
    for subject, stage, found in (
        ("limit", "one commit, one produce, one fetch", floor),
        ("mentorstream", f"registration sent to match read, at {rate / 2:.0f} events/s", ours),
    ):
        p50, p99 = _percentiles(found)
        say(f"{stage}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        cases.append({"subject": subject, "stage": stage, "p50_ms": round(p50, 2), "p99_ms": round(p99, 2)})
    ratios["latency_p99_over_floor"] = _percentiles(ours)[1] / _percentiles(floor)[1]


async def _growth(
    bed: Bed, options: argparse.Namespace, cases: list[dict[str, Any]], ratios: dict[str, float], say: Any
) -> None:
    size = Size(programs=200, people=20_000)
    measured = [*configurations(size, "after"), *registrations(size, "after")]
    costs = []
    for people, organisations in ((10_000, 10), (options.backlog, 5_000)):
        growth = await run_growth(bed, people, organisations, measured)
        case = _case("mentorstream", f"backlog of {people}, {organisations} organisations", [growth.backlog])
        halfway = growth.memories[len(growth.memories) // 2] if growth.memories else 0.0
        cases.append({**case, "seconds": round(growth.backlog.seconds, 1), "memory_halfway_mebibytes": round(halfway)})
        cases.append(_case("mentorstream", f"after {people} people, {organisations} organisations", [growth.after]))
        costs.append(growth.after.cpu.total / growth.after.events)
        say(f"{people} people worked off in {growth.backlog.seconds:.1f} s, {growth.backlog.memory_mebibytes:.0f} MiB")
    ratios["cost_per_event_1m_over_10k"] = costs[1] / costs[0]


def _case(subject: str, stage: str, timings: Sequence[Timing]) -> dict[str, Any]:
    middle = sorted(timings, key=lambda timing: timing.rate)[len(timings) // 2]

    def per_thousand(seconds: float) -> float:
        return round(1000 * seconds / middle.events, 4)

    return {
        "subject": subject,
        "stage": stage,
        "events_per_second": round(middle.rate),
        "cpu_seconds_per_1000": per_thousand(middle.cpu.total),
        "cpu_seconds_per_1000_by_part": {
            "workers": per_thousand(middle.cpu.workers),
            "database": per_thousand(middle.cpu.database),
            "broker": per_thousand(middle.cpu.broker),
        },
        "memory_mebibytes": round(middle.memory_mebibytes),
    }


def _percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(seconds, n=100)
    return 1000 * cuts[49], 1000 * cuts[98]


def _machine(load: Load) -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gibibytes": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_of_others_at_the_end": round(os.getloadavg()[2], 1),
        "mean_registration_bytes": round(mean_bytes(load.measured)),
    }


if __name__ == "__main__":
    main()
