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
import time
from pathlib import Path
from typing import Any

import psutil

from .bed import Bed, open_bed
from .decisions import Load, run_decisions
from .findings import Findings
from .growth import NAMED_LARGE, run_growth
from .hops import run_hops
from .idle import run_idle
from .latency import run_latencies
from .over_http import run_intake
from .page import write_page
from .workload import Size, mean_bytes, registrations

_PARTS = ("decisions", "intake", "latency", "hops", "growth", "idle")
_PEOPLE = 100_000


def main() -> None:
    """Parse the command line and run. Ends with an error where a number could not be had; nothing is written then."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delivery", description=__doc__)
    parser.add_argument("--only", choices=_PARTS, nargs="+", default=_PARTS, help="some parts; writes no files")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--people", type=int, default=_PEOPLE, help="decisions: registrations measured")
    parser.add_argument("--faust-people", type=int, default=10_000, help="of them, for stock Faust, which takes longer")
    parser.add_argument("--accepted", type=int, default=20_000, help="intake, latency: in batches; a fifth one by one")
    parser.add_argument("--latency-seconds", type=float, default=15, help="how long half load lasts")
    parser.add_argument("--hop-people", type=int, default=30_000, help="hops: people matched first")
    parser.add_argument("--mails", type=int, default=5_000, help="hops: of the requests, to the mail server")
    parser.add_argument("--large", type=int, default=NAMED_LARGE, help="growth: people of the large database")
    parser.add_argument("--after", type=int, default=20_000, help="growth: events whose cost is compared")
    parser.add_argument("--memory-seconds", type=float, default=30, help="growth: how long others are watched")
    parser.add_argument("--idle-seconds", type=float, default=60, help="idle: how long services are watched")
    parser.add_argument("--results", type=Path, help="where the JSON goes")
    parser.add_argument("--page", type=Path, help="where the table goes")
    options = parser.parse_args()
    whole = set(options.only) == set(_PARTS) and options.people >= _PEOPLE and options.large >= NAMED_LARGE
    if (options.results or options.page) and not whole:
        parser.error("results are written for a whole run only: no --only, no smaller --people and --large")
    logging.disable(logging.ERROR)  # aiokafka tells of every leader that is not elected yet
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # servers and workers are to end, too
    findings = asyncio.run(_run(options))
    if whole and findings.missing():
        raise RuntimeError(f"not measured: {', '.join(findings.missing())}")
    outcome = {"machine": _machine(), "cases": findings.cases, "ratios": findings.ratios}
    text = json.dumps(outcome, indent=2) + "\n"
    print(text)
    for path, content in ((options.results, text), (options.page, write_page(outcome))):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


async def _run(options: argparse.Namespace) -> Findings:
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:6.0f} s  {line}", flush=True)

    findings = Findings(say)
    async with open_bed(say) as bed:
        for part in _PARTS:
            if part in options.only:
                say(f"-- {part}")
                await _measure(part, bed, findings, options)
    return findings


async def _measure(part: str, bed: Bed, findings: Findings, options: argparse.Namespace) -> None:
    match part:
        case "decisions":
            load = Load.of(Size(people=options.people))
            await run_decisions(bed, findings, load, repeats=options.repeats, faust_people=options.faust_people)
        case "intake":
            await run_intake(bed, findings, events=options.accepted, repeats=options.repeats)
        case "latency":
            await run_latencies(bed, findings, events=options.accepted, seconds=options.latency_seconds)
        case "hops":
            await run_hops(bed, findings, people=options.hop_people, mails=options.mails)
        case "growth":
            await run_growth(
                bed,
                findings,
                large=options.large,
                after=options.after,
                repeats=options.repeats,
                memory_seconds=options.memory_seconds,
            )
        case "idle":
            await run_idle(bed, findings, seconds=options.idle_seconds)
        case _:
            raise NotImplementedError(part)


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "memory_gibibytes": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_of_the_last_15_minutes": round(os.getloadavg()[2], 1),
        "mean_registration_bytes": round(mean_bytes(list(registrations(Size(people=1000), "main")))),
    }


if __name__ == "__main__":
    main()
