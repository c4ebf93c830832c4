"""How long one event takes at half load, beside the floor: a commit, a produce and a fetch, one after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import msgspec
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from .bed import PARTITIONS, Bed, Place
from .findings import Findings
from .over_http import BATCH, participants, path, run_through, until_decided
from .partner_load import Request
from .partners import joining
from .workload import Size

_TICK_SECONDS: Final = 0.002
_LEAST_OF_LOAD: Final = 0.9
_MATCHED: Final = (b"mentorstream.match.proposed.v1", b"mentorstream.match.confirmed.v1")


async def run_latencies(bed: Bed, findings: Findings, *, events: int, seconds: float) -> None:
    """The floor, what the path sustains from HTTP, and the latencies at half of that: in batches and one by one.

    The ratio is the worse one's.
    """
    floor = findings.latency("limit", "one commit, one produce, one fetch", await _floor(bed, 500))
    worst = 0.0
    for batch, count in ((BATCH, events), (1, events // 5)):
        rate = await run_through(bed, findings, events=count, batch=batch) / 2
        found, busy = await _at_rate(bed, batch, rate, seconds)
        kind = "single events" if batch == 1 else f"batches of {batch}"
        stage = f"202 to match read, half load, {kind}"
        findings.say(f"meanwhile the machine was {busy:.0%} busy, partners' side and servers included")
        figures = {"sent_per_second": round(rate), "machine_busy": round(busy, 2)}
        worst = max(worst, findings.latency("mentorstream", stage, found, **figures))
    findings.ratio("latency_p99_over_floor", worst / floor)


async def _floor(bed: Bed, count: int) -> list[float]:
    """Seconds that one commit, one produce and one fetch take, each after the other, nothing else going on."""
    found = []
    async with bed.place() as place:
        consumer = await _at_end(place, "matches")
        await place.admin.execute("CREATE TABLE public.floor (id bigint GENERATED ALWAYS AS IDENTITY, value bytea)")
        try:
            async with AIOKafkaProducer(
                bootstrap_servers=bed.servers.kafka_bootstrap, enable_idempotence=True
            ) as producer:
                for number in range(count):
                    started = time.perf_counter()
                    await place.admin.execute("INSERT INTO public.floor (value) VALUES ($1)", bytes(1500))
                    await producer.send_and_wait(f"{place.prefix}matches", bytes(1500), partition=number % PARTITIONS)
                    while not await consumer.getmany(timeout_ms=1000):
                        pass
                    found.append(time.perf_counter() - started)
        finally:
            await consumer.stop()
    return found


async def _at_end(place: Place, topic: str) -> Any:
    consumer = AIOKafkaConsumer(bootstrap_servers=place.bed.servers.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    partitions = [TopicPartition(f"{place.prefix}{topic}", number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    await consumer.seek_to_end(*partitions)
    for partition in partitions:
        await consumer.position(partition)  # only now it is known; a record sent before is not to be missed
    return consumer


class _Member(msgspec.Struct):
    participant_id: str


class _Match(msgspec.Struct):
    mentor: _Member
    mentees: list[_Member]


class _Answer(msgspec.Struct):
    accepted: list[_Member]


@dataclass(slots=True)
class _Seen:
    """When each participant's 202 was there, and when each match was read with whom it is of."""

    accepted: dict[str, float] = field(default_factory=dict)
    matches: list[tuple[float, list[str]]] = field(default_factory=list)

    def latencies(self) -> list[float]:
        """From the 202 of whoever came last into a match to the match.

        People of the warming have no time here: they came before. A match that was read before its 202 took no time.
        """
        found = []
        for read_at, people in self.matches:
            came_at = [self.accepted[each] for each in people if each in self.accepted]
            if came_at:
                found.append(max(0.0, read_at - max(came_at)))
        return found


async def _at_rate(bed: Bed, batch: int, rate: float, seconds: float) -> tuple[list[float], float]:
    """Requests go out at their times, without waiting for one another. Returns latencies, and how busy all cores were.

    The partners' side runs on the same cores: where they are busy, what is measured is also the wait for a core.

    Raises RuntimeError where they did not go out at that rate, or where what was accepted was not decided.
    """
    async with path(bed) as (place, url, partners):
        requests = joining(partners, Size(people=max(batch, int(rate * seconds))), "main", batch)
        known = await participants(place)
        seen = _Seen()
        consumer = await _at_end(place, "matches")
        seeing = asyncio.create_task(_see(consumer, seen))
        try:
            psutil.cpu_percent()
            await _send(requests, f"{url}/v1/events", rate / batch, seen)
            busy = psutil.cpu_percent() / 100
            await until_decided(place, known + len(seen.accepted))
            await asyncio.sleep(0.5)
        finally:
            seeing.cancel()
            await asyncio.wait([seeing])
            await consumer.stop()
        return seen.latencies(), busy


async def _send(requests: Sequence[Request], url: str, rate: float, seen: _Seen) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        began, done = time.perf_counter(), 0
        while done < len(requests):
            due = min(len(requests), 1 + int((time.perf_counter() - began) * rate))
            for request in requests[done:due]:
                group.create_task(_post(session, url, request, seen))
            done = max(done, due)
            await asyncio.sleep(_TICK_SECONDS)
        took, planned = time.perf_counter() - began, len(requests) / rate
    if planned < _LEAST_OF_LOAD * took and took - planned > 1 / rate + 0.1:
        raise RuntimeError(f"the load of {planned:.1f} s went out in {took:.1f} s: it was not half load")


async def _post(session: aiohttp.ClientSession, url: str, request: Request, seen: _Seen) -> None:
    async with session.post(url, data=request.body, headers=request.headers) as answer:
        told = await answer.read()
        now = time.perf_counter()
        if answer.status != HTTPStatus.ACCEPTED:
            raise RuntimeError(f"{answer.status}: {told[:500]!r}")
    for each in msgspec.json.decode(told, type=_Answer).accepted:
        seen.accepted[each.participant_id] = now


async def _see(consumer: Any, seen: _Seen) -> None:
    decoder = msgspec.json.Decoder(_Match)
    while True:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            now = time.perf_counter()
            for each in records:
                if dict(each.headers)["ce_type"] in _MATCHED:
                    match = decoder.decode(each.value)
                    people = [match.mentor.participant_id, *(mentee.participant_id for mentee in match.mentees)]
                    seen.matches.append((now, people))
