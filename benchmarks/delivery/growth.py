"""What stays when the database grows: the cost of an event, memory, and how a backlog is worked off.

The large database is filled by the backlog itself: a million registrations wait, and one worker decides them all. So
its rows, its indexes and what the worker remembers are what they would be in use.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from .bed import Bed, Place, Timing
from .findings import Findings
from .partners import add_partners, joining, programs, send
from .workload import Size, configurations, registrations

SMALL: Final = (10_000, 10)
"""People and organisations of the small database."""
NAMED_LARGE: Final = 1_000_000
"""The ratio is named for it. Of a smaller database there is none."""
LARGE_ORGANISATIONS: Final = 5_000
_TOPICS: Final = ("registrations",)
_PROGRAM_PEOPLE: Final = 500
_FILL_INTAKE: Final = (
    "INSERT INTO organisation (organisation_id, name, title)"
    " SELECT gen_random_uuid(), 'filled-' || number, 'Filled' FROM generate_series(0, {organisations} - 1) AS number",
    "INSERT INTO program (program_id, organisation_id, owner, reference, title, kind, roles, version, policy, terms)"
    " SELECT gen_random_uuid(), organisation_id, name, 'filled', 'Filled', 'formal', '{{mentor,mentee}}', 1,"
    " '{{}}', '{{}}' FROM organisation",
    "INSERT INTO person (person_id, organisation_id, reference, version, full_name, email, zone, locale)"
    " SELECT gen_random_uuid(), organisation_id, 'p' || number, 1, 'Person ' || number,"
    " number || '@people.example', 'Europe/Paris', 'en' FROM generate_series(0, {people} - 1) AS number"
    " JOIN organisation ON name = 'filled-' || number % {organisations}",
    "INSERT INTO participant (participant_id, program_id, person_id, organisation_id, roles, details, blocks, active)"
    " SELECT gen_random_uuid(), program_id, person_id, organisation_id, '{{mentee}}', '{{}}', '{{}}', true"
    " FROM person JOIN program USING (organisation_id)",
    "ANALYZE",
)
_READY_SECONDS: Final = 600.0
_OTHERS: Final = ("scheduling", "feedback", "notifications", "pulse")


async def run_growth(
    bed: Bed, findings: Findings, *, large: int, after: int, repeats: int, memory_seconds: float
) -> None:
    """Cost of `after` events at the small and at the large size, the backlog, and what each worker holds."""
    costs = []
    for people, organisations in (SMALL, (large, LARGE_ORGANISATIONS)):
        async with bed.place() as place:
            await _backlog(place, findings, people, organisations)
            # What filling left behind for autovacuum and the checkpointer is no cost of the events to come.
            await place.admin.execute("VACUUM ANALYZE")
            await place.admin.execute("CHECKPOINT")
            timings = [await _after(place, after, turn) for turn in range(repeats)]
            stage = f"registration to match, {people} people of {organisations} organisations stored"
            findings.rate("mentorstream", stage, timings)
            costs.append(statistics.median(timing.cpu.total / timing.events for timing in timings))
            if people == large:
                await _memories(place, findings, people, memory_seconds)
    findings.memory("mentorstream", f"intake at {large} people", await _memory_of_intake(bed, large))
    if large >= NAMED_LARGE:
        findings.ratio("cost_per_event_1m_over_10k", costs[1] / costs[0])
    else:
        findings.say(f"cost of an event at {large} people over {SMALL[0]}: {costs[1] / costs[0]:.2f}")


async def _backlog(place: Place, findings: Findings, people: int, organisations: int) -> None:
    """One worker finds `people` registrations waiting. Programs have 500 people each: only their number grows."""
    size = Size(programs=max(1, people // _PROGRAM_PEOPLE), organisations=organisations, people=people)
    await place.start_service("matching")
    with place.held():
        await place.lay(configurations(size, "before"))
    await place.settle("matching", _TOPICS)
    async with _watched(place) as memories:
        timing = await place.measure("matching", registrations(size, "before"), _TOPICS)
    findings.rate(
        "mentorstream",
        f"backlog of {people}, {organisations} organisations",
        [timing],
        seconds=round(timing.seconds, 1),
        memory_mebibytes_by_tenths=[round(memories[len(memories) * part // 10]) for part in range(10)],
    )


async def _after(place: Place, people: int, turn: int) -> Timing:
    """People of new programs, the same at every size."""
    size, seed = Size(people=people), f"after-{turn}"
    await place.lay(configurations(size, seed))
    await place.settle("matching", _TOPICS)
    return await place.measure("matching", registrations(size, seed), _TOPICS)


async def _memories(place: Place, findings: Findings, people: int, seconds: float) -> None:
    """The most that each worker held. The others than matching are let loose on the topics as they lie, for a while."""
    findings.memory("mentorstream", f"matching at {people} people", place.memory())
    await _rebuild(place, findings, people)
    place.stop_workers()
    for service in _OTHERS:
        started = time.perf_counter()
        await place.start_service(service, mode="all", ready_seconds=_READY_SECONDS)
        ready_seconds = round(time.perf_counter() - started, 1)
        async with _watched(place) as memories:
            await asyncio.sleep(seconds)
        if place.workers[-1].poll() is not None:
            raise RuntimeError(f"{service} ended: {place.output()}")
        stage = (
            f"pulse at {people} people, all topics read"
            if service == "pulse"  # it is not ready before
            else f"{service} at {people} people, {seconds:.0f} s into reading them"
        )
        findings.memory("mentorstream", stage, max(memories), ready_seconds=ready_seconds)
        place.stop_workers()


async def _rebuild(place: Place, findings: Findings, people: int) -> None:
    """A new worker of matching hears of each program once, nothing new, and so fetches the people of all."""
    place.stop_workers()
    await place.start_service("matching")
    size = Size(programs=max(1, people // _PROGRAM_PEOPLE), organisations=LARGE_ORGANISATIONS, people=people)
    timing = await place.measure("matching", configurations(size, "before", incarnation=2), _TOPICS)
    stage = f"programs of {_PROGRAM_PEOPLE} people each, in memory again after a restart"
    findings.rate("mentorstream", stage, [timing], seconds=round(timing.seconds, 1))


async def _memory_of_intake(bed: Bed, people: int) -> float:
    """The most that intake held while more people came over HTTP than the `people` that were there.

    They are put straight into its tables: what it would have published is of no account to its memory.
    """
    async with bed.place() as place:
        await place.admin.execute("SET search_path TO intake")
        for statement in _FILL_INTAKE:
            await place.admin.execute(statement.format(people=people, organisations=LARGE_ORGANISATIONS))
        size = Size(people=2000)
        partners = await add_partners(place, size.organisations)
        url = await place.start_service("intake", mode="all")
        cores = sorted(os.sched_getaffinity(0))
        async with _watched(place) as memories:
            await send(place, url, programs(partners, size), cores)
            await send(place, url, joining(partners, size, "main", 100), cores)
        return max(memories)


@asynccontextmanager
async def _watched(place: Place) -> AsyncIterator[list[float]]:
    """The workers' memory in MiB, at the beginning and each half second."""
    seen = [place.memory()]

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.5)
            seen.append(place.memory())

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watching.cancel()
        await asyncio.wait([watching])
