"""The page of results, made from the JSON alone."""

from __future__ import annotations

from typing import Any

from .findings import AIMS

_HEAD = """# Throughput of the delivery path

Made by `make bench-delivery` from `benchmarks/results/delivery.json`; do not edit. One run, one broker, one PostgreSQL
that waits for the disk. `limit` stores the same rows and publishes the same events in the same arrangement and decides
nothing; `faust_stock` decides the same in an idiomatic Faust agent, a transaction for each event. Rates are medians of
repeated turns. `bare_fastapi` is an endpoint that inserts one row and commits. `limit` beside series is COPY of the
same rows, and beside latencies one commit, one produce and one fetch after the other. Memory is that of the measured
processes together; of the workers other than matching, the most that was seen within that time.
"""


def write_page(outcome: dict[str, Any]) -> str:
    """The page as Markdown."""
    machine = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in outcome["machine"].items())
    lines = [_HEAD, f"Machine: {machine}.", "", "| ratio | measured | aim |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {value:.3g} | {AIMS[name]} |" for name, value in outcome["ratios"].items()]
    lines += ["", "| subject | stage | events a second | CPU s per 1000 | MiB | p50 ms | p99 ms | % of a core |"]
    lines += ["| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    columns = (
        "subject", "stage", "events_per_second", "cpu_seconds_per_1000", "memory_mebibytes", "p50_ms", "p99_ms",
        "percent_of_a_core",
    )  # fmt: skip
    lines += ["| " + " | ".join(str(case.get(name, "")) for name in columns) + " |" for case in outcome["cases"]]
    return "\n".join(lines) + "\n"
