"""From a registration on its topic to a match on its topic: ours, stock Faust, and the limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import limit
from .bed import PARTITIONS, Bed, Cpu, Place, Timing, worker_url
from .findings import Findings
from .workload import Message, Size, configurations, registrations

LANES: Final = 4
_TOPICS: Final = ("registrations",)


@dataclass(frozen=True, slots=True)
class Load:
    """What is measured with, and what the workers are warmed with before."""

    measured: Sequence[Message]
    before: Sequence[Message]

    @classmethod
    def of(cls, size: Size, *, warm: int = 6000) -> Load:
        """`size` people, after `warm` ones of other programs."""
        warming = Size(programs=24, people=warm)
        before = [*configurations(size, "main"), *configurations(warming, "warm"), *registrations(warming, "warm")]
        return cls(list(registrations(size, "main")), before)


async def run_decisions(bed: Bed, findings: Findings, load: Load, *, repeats: int, faust_people: int) -> None:
    """The three subjects, in turns, so that what else the machine does meets all of them."""
    rows = bed.stack.directory / "rows.pickle"
    found: dict[tuple[str, int], list[Timing]] = {}
    for turn in range(repeats):
        for workers in (1, 2):
            keep = rows if (turn, workers) == (0, 1) else None
            found.setdefault(("mentorstream", workers), []).append(await run_ours(bed, load, workers, keep=keep))
            found.setdefault(("limit", workers), []).append(await run_limit(bed, load, workers, rows))
            turns = ", ".join(f"{name} {found[name, workers][-1].rate:.0f}" for name in ("mentorstream", "limit"))
            findings.say(f"turn {turn + 1}, {workers} worker(s), events/s: {turns}")
    few = Load(load.measured, Load.of(Size(people=0), warm=300).before)
    found["faust_stock", 1] = [await run_faust(bed, few, faust_people) for _ in range(repeats)]
    rates = {
        (subject, workers): findings.rate(
            subject, f"registration to match, {workers} worker{'s' * (workers > 1)}", timings
        )
        for (subject, workers), timings in found.items()
    }
    findings.ratio("mentorstream_over_faust_stock", rates["mentorstream", 1] / rates["faust_stock", 1])
    findings.ratio("one_worker_over_limit", rates["mentorstream", 1] / rates["limit", 1])
    best = max(timing.rate for timing in found["limit", 1])
    findings.ratio("two_workers_over_limit", rates["mentorstream", 2] / best)


async def run_ours(bed: Bed, load: Load, workers: int, *, keep: Path | None = None) -> Timing:
    """The service with so many worker processes. `keep`: write there what followed from each registration."""
    async with bed.place() as place:
        await place.lay(load.before)
        for _ in range(workers):
            await place.start_service("matching")
        await place.settle("matching", _TOPICS)
        timing = await place.measure("matching", load.measured, _TOPICS)
        await _check(place, load)
        if keep is not None:
            await limit.record(place.admin, "matches", await place.records("matches"), keep)
        return timing


async def run_limit(bed: Bed, load: Load, workers: int, rows: Path) -> Timing:
    """The limit, with so many worker processes that share partitions and lanes evenly."""
    async with bed.place() as place:
        await place.lay(load.before)
        for worker in range(workers):
            await place.start_peer(
                "benchmarks.delivery.limit",
                {
                    "LIMIT_ROWS": str(rows),
                    "LIMIT_DATABASE": worker_url(place, "matching"),
                    "LIMIT_BOOTSTRAP": bed.servers.kafka_bootstrap,
                    "LIMIT_PREFIX": place.prefix,
                    "LIMIT_PARTITIONS": _share(PARTITIONS, worker, workers),
                    "LIMIT_LANES": _share(LANES, worker, workers),
                },
            )
        await place.settle("matching", _TOPICS)
        timing = await place.measure("matching", load.measured, _TOPICS)
        await _check(place, load)
        return timing


async def run_faust(bed: Bed, load: Load, events: int) -> Timing:
    """Stock Faust, with the first `events` of the load: it takes them one by one."""
    async with bed.place() as place:
        await place.lay(load.before)
        await place.start_peer(
            "benchmarks.delivery.faust_stock",
            {
                "FAUST_PREFIX": place.prefix,
                "FAUST_BOOTSTRAP": bed.servers.kafka_bootstrap,
                "FAUST_DATABASE": worker_url(place, "matching"),
                "HOME": str(bed.stack.directory),
            },
        )
        warmed = sum(each.headers[3][1].endswith(b"registered.v1") for each in load.before)
        await _until_stored(place, warmed)
        measured = load.measured[:events]
        with place.held():
            await place.lay(measured)
            before, started = place.cpu(), time.perf_counter()
        await _until_stored(place, warmed + len(measured))
        seconds = time.perf_counter() - started
        cpu = Cpu(*(now - then for now, then in zip(place.cpu(), before, strict=True)))
        return Timing(len(measured), seconds, cpu, place.memory())


async def _until_stored(place: Place, people: int) -> None:
    """Faust says nowhere how far it is, so look at what it stored. Its last sends follow within milliseconds."""
    while True:
        stored = await place.admin.fetchval("SELECT count(*) FROM matching.participant")
        if stored >= people:
            return
        if any(worker.poll() is not None for worker in place.workers):
            raise RuntimeError(f"faust ended: {place.output()}")
        await asyncio.sleep(0.1)


async def _check(place: Place, load: Load) -> None:
    """Everybody is stored, and every mentee has a match or waits."""
    people = sum(each.headers[3][1].endswith(b"registered.v1") for each in (*load.before, *load.measured))
    row = await place.admin.fetchrow(
        "SELECT (SELECT count(*) FROM matching.participant) AS people,"
        " (SELECT count(*) FROM matching.participant WHERE details -> 'roles' ? 'mentee') AS mentees,"
        " (SELECT count(*) FROM matching.match) AS matches, (SELECT count(*) FROM matching.waiting) AS waiting"
    )
    assert row is not None
    if row["people"] != people or row["mentees"] != row["matches"] + row["waiting"]:
        raise AssertionError(f"{people} people were sent; stored: {dict(row)}")


def _share(count: int, worker: int, workers: int) -> str:
    return ",".join(str(number) for number in range(count) if number % workers == worker)
