"""Writes and reads events on real topics, without any of the services' own consuming or producing code."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from mentorstream_events import Event, SequenceNumber, Value, contract_of, decode, encode_data, encode_headers
from mentorstream_local.records import read_records

_NUMBERS = itertools.count(1)
T0 = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)


def event(
    data: Value,
    *,
    time: datetime = T0,
    source: str | None = None,
    event_id: str | None = None,
    number: int | None = None,
) -> Event[Value]:
    """An event as its producer would make it. Numbers grow with each call, so that no reader takes it for a repeat."""
    contract = contract_of(data)
    return Event(
        id=event_id or str(uuid4()),
        type=contract.name,
        source=source or contract.producers[0],
        time=time,
        key=contract.key_of(data),
        data=data,
        sequence=SequenceNumber(1, next(_NUMBERS) if number is None else number),
    )


async def publish(bootstrap: str, prefix: str, events: Iterable[Event[Value]]) -> None:
    """Send events in order, each on its own topic, and wait for the broker."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
        await asyncio.gather(*await send_all(producer, prefix, events))


async def send_all(
    producer: AIOKafkaProducer, prefix: str, events: Iterable[Event[Value]]
) -> list[asyncio.Future[RecordMetadata]]:
    """Give events to a producer in order, each for its own topic. Returns where each will stand, once it is there."""
    sent = []
    for item in events:
        assert item.sequence is not None
        headers = encode_headers(
            event_id=item.id,
            event_type=item.type,
            source=item.source,
            time=item.time,
            sequence=item.sequence,
            traceparent=item.traceparent,
            redrive_of=item.redrive_of,
            redrive_for=item.redrive_for,
        )
        topic = prefix + contract_of(item.data).topic.name
        sent.append(await producer.send(topic, encode_data(item.data), key=item.key.encode(), headers=headers))
    return sent


async def publish_raw(
    bootstrap: str,
    prefix: str,
    topic: str,
    *,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Send one record as it is: for poison."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(prefix + topic, value, key=key, headers=list(headers))


async def read_events(bootstrap: str, prefix: str, topic: str) -> list[Event[Value]]:
    """All events of a topic now, in order within each key. Raises Undecodable for what contradicts its contract."""
    return [
        record.event or decode(topic, record.key, record.value, record.headers)
        for record in await read_records(bootstrap, prefix, topic)
    ]


async def eventually(
    check: Callable[[], Awaitable[bool]], *, what: str, seconds: float = 90.0, every: float = 0.05
) -> None:
    """Wait until the check holds; fail saying `what` was waited for. The time only bounds a failure."""
    deadline = time.monotonic() + seconds
    while not await check():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(every)
