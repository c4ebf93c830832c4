"""How long one event takes at half load, beside the floor: a commit, a produce and a fetch, one after the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from .bed import PARTITIONS, Bed, Place
from .decisions import Load
from .workload import Message

_TICK_SECONDS = 0.005


async def run_latency(bed: Bed, load: Load, rate: float, seconds: float) -> list[float]:
    """Seconds from a registration being sent to its topic to its first consequence being read from `matches`.

    Registrations are sent at `rate` a second, without waiting for one another.
    """
    async with bed.place() as place:
        await place.lay(load.before)
        await place.start_service("matching")
        await place.settle("matching", ["registrations"])
        consumer = await _at_end(place, "matches")
        try:
            return await _send_and_see(place, consumer, load.measured, rate, seconds)
        finally:
            await consumer.stop()


async def run_floor(bed: Bed, count: int) -> list[float]:
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
    return consumer


async def _send_and_see(
    place: Place, consumer: Any, messages: Sequence[Message], rate: float, seconds: float
) -> list[float]:
    sent: dict[tuple[bytes, str], float] = {}
    found: list[float] = []
    wanted = messages[: int(rate * seconds)]

    async def see() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                now = time.perf_counter()
                for each in records:
                    moment = dict(each.headers)["ce_time"].decode()
                    started = sent.pop((each.key, moment), None)
                    if started is not None:
                        found.append(now - started)

    seeing = asyncio.create_task(see())
    async with AIOKafkaProducer(bootstrap_servers=place.bed.servers.kafka_bootstrap) as producer:
        began, done = time.perf_counter(), 0
        while done < len(wanted):
            due = min(len(wanted), int((time.perf_counter() - began) * rate))
            for each in wanted[done:due]:
                sent[each.key, _instant(each)] = time.perf_counter()
                await producer.send(f"{place.prefix}registrations", each.value, key=each.key, headers=each.headers)
            done = max(done, due)
            await asyncio.sleep(_TICK_SECONDS)
        await producer.flush()
    await place.settle("matching", ["registrations"])
    await asyncio.sleep(0.5)
    seeing.cancel()
    return found


def _instant(message: Message) -> str:
    """The event's time, as the events that follow from it have it too."""
    moment = datetime.fromisoformat(dict(message.headers)["ce_time"].decode())
    return moment.isoformat().replace("+00:00", "Z")
