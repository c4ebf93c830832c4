"""What comes over HTTP: how much intake accepts on one core beside a bare endpoint, and from there to the match.

The partners' load runs in a process of its own on the other cores. Everything is signed before the clock starts.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from .bed import Bed, Cpu, Place, Timing, free_port
from .findings import Findings
from .partners import Partner, add_partners, joining, programs, send
from .workload import Size

BATCH: Final = 100
_WARM_REQUESTS: Final = 64
_WAIT_SECONDS: Final = 300.0
_TOPICS: Final = ("registrations",)


async def run_intake(bed: Bed, findings: Findings, *, events: int, repeats: int) -> None:
    """Accepted events a second on one core: batches, singles, and the bare endpoint, in turns."""
    found: dict[str, list[Timing]] = {}
    for _ in range(repeats):
        for name, batch, count in (("batches", BATCH, events), ("singles", 1, events // 5)):
            found.setdefault(name, []).append(await _accepted(bed, count, batch))
        found.setdefault("bare", []).append(await _bare(bed, events // 5))
    batches = findings.rate("mentorstream", "accepted over HTTP, signed, batches of 100, one core", found["batches"])
    singles = findings.rate("mentorstream", "accepted over HTTP, signed, single events, one core", found["singles"])
    bare = findings.rate("bare_fastapi", "one insert and commit, 64 clients, one core", found["bare"])
    findings.ratio("intake_batches_over_bare_fastapi", batches / bare)
    findings.ratio("intake_singles_over_bare_fastapi", singles / bare)


async def run_through(bed: Bed, findings: Findings, *, events: int, batch: int) -> float:
    """Events a second from the first request to the last match published; intake and matching with a process each."""
    async with path(bed) as (place, url, partners):
        size = Size(people=events)
        requests = joining(partners, size, "main", batch)
        known, before = await participants(place), place.cpu()
        started, _ = await send(place, url, requests, sorted(os.sched_getaffinity(0)))
        await until_decided(place, known + events)
        seconds = time.monotonic() - started
        cpu = Cpu(*(now - then for now, then in zip(place.cpu(), before, strict=True)))
        timing = Timing(events, seconds, cpu, place.memory())
    kind = "single events" if batch == 1 else f"batches of {batch}"
    return findings.rate("mentorstream", f"HTTP to match published, {kind}", [timing])


async def participants(place: Place) -> int:
    """How many matching knows."""
    return int(await place.admin.fetchval("SELECT count(*) FROM matching.participant"))


async def until_decided(place: Place, people: int) -> None:
    """Until matching knows so many and both services have published all. Raises RuntimeError if it takes too long."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while await place.admin.fetchval(
        "SELECT EXISTS (SELECT FROM intake.outbox) OR EXISTS (SELECT FROM matching.outbox)"
        " OR (SELECT count(*) FROM matching.participant) < $1",
        people,
    ):
        if any(worker.poll() is not None for worker in place.workers) or time.monotonic() > deadline:
            raise RuntimeError(f"{people} people were accepted, matching knows {await participants(place)}")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def path(bed: Bed) -> AsyncIterator[tuple[Place, str, list[Partner]]]:
    """Intake and matching, warmed by people of the same programs, with intake's address."""
    async with bed.place() as place:
        size = Size(people=2000)
        partners = await add_partners(place, size.organisations)
        await place.start_service("matching")
        url = await place.start_service("intake", mode="all")
        cores = sorted(os.sched_getaffinity(0))
        await send(place, url, programs(partners, size), cores)
        await send(place, url, joining(partners, size, "warm", BATCH), cores)
        await send(place, url, joining(partners, Size(people=_WARM_REQUESTS), "single", 1), cores)
        await _until_relayed(place)
        await place.settle("matching", _TOPICS)
        yield place, url, partners


async def _accepted(bed: Bed, events: int, batch: int) -> Timing:
    core, others = _cores()
    size = Size(people=events)
    async with bed.place() as place:
        partners = await add_partners(place, size.organisations)
        url = await place.start_service("intake", mode="all")
        _keep_to(place, core)
        await send(place, url, programs(partners, size), others)
        warm = joining(partners, Size(people=_WARM_REQUESTS * batch), "warm", batch)
        await send(place, url, warm, others)
        await _until_relayed(place)
        known = await place.admin.fetchval("SELECT count(*) FROM intake.accepted_request")
        requests = joining(partners, size, "main", batch)
        before = place.cpu()
        started, ended = await send(place, url, requests, others)
        cpu = Cpu(*(now - then for now, then in zip(place.cpu(), before, strict=True)))
        stored = await place.admin.fetchval("SELECT count(*) FROM intake.accepted_request") - known
        if stored != events:
            raise RuntimeError(f"{events} events were sent, {stored} were accepted")
        return Timing(events, ended - started, cpu, place.memory())


async def _bare(bed: Bed, events: int) -> Timing:
    core, others = _cores()
    async with bed.place() as place:
        await place.admin.execute("CREATE TABLE public.bare (id bigint GENERATED ALWAYS AS IDENTITY, value bytea)")
        role = "mentorstream_intake_worker"
        await place.admin.execute(f"GRANT SELECT, INSERT ON public.bare TO {role}")
        await place.admin.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
        port = free_port()
        await place.start_peer(
            "benchmarks.delivery.bare_fastapi", {"BARE_DATABASE": place.url(role), "BARE_PORT": str(port)}
        )
        _keep_to(place, core)
        # The same bodies as intake gets; nobody looks at their signatures.
        partners = [Partner(f"organisation-{number}", "msid_none", "whsec_AAAA") for number in range(12)]
        url = f"http://127.0.0.1:{port}"
        await send(place, url, joining(partners, Size(people=_WARM_REQUESTS * 4), "warm", 1), others)
        known = await place.admin.fetchval("SELECT count(*) FROM public.bare")
        requests = joining(partners, Size(people=events), "main", 1)
        before = place.cpu()
        started, ended = await send(place, url, requests, others)
        cpu = Cpu(*(now - then for now, then in zip(place.cpu(), before, strict=True)))
        stored = await place.admin.fetchval("SELECT count(*) FROM public.bare") - known
        if stored != events:
            raise RuntimeError(f"{events} rows were sent, {stored} are stored")
        return Timing(events, ended - started, cpu, place.memory())


async def _until_relayed(place: Place) -> None:
    """Until all that intake accepted is on the topic."""
    while await place.admin.fetchval("SELECT EXISTS (SELECT FROM intake.outbox)"):
        if any(worker.poll() is not None for worker in place.workers):
            raise RuntimeError(f"a process ended: {place.output()}")
        await asyncio.sleep(0.02)


def _cores() -> tuple[int, list[int]]:
    """The measured process's core, and the others. Raises RuntimeError where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        raise RuntimeError("one core for intake and one for its partners: this needs two")
    return cores[0], cores[1:]


def _keep_to(place: Place, core: int) -> None:
    """All threads of the place's processes onto one core."""
    for worker in place.workers:
        for thread in worker.threads():
            os.sched_setaffinity(thread.id, [core])
