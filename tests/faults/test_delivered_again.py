"""F8: every request sent five times, and every record delivered five times, shuffled across programs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from mentorstream_events import TOPICS, Undecodable, decode
from mentorstream_local.demo.facts import digest_state

if TYPE_CHECKING:
    from random import Random

    from tests.faults.load import Load
    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultSystem

pytestmark = pytest.mark.fault("F8")
_TIMES: Final = 5
_COPY: Final = "x-delivered-again"


class Repeater:
    """Reads every topic and puts four copies of each record behind it, in any order, whatever their program."""

    def __init__(self, system: FaultSystem, random: Random) -> None:
        self._bootstrap = system.wiring.servers.kafka_bootstrap
        self._prefix = system.wiring.topic_prefix
        self._random = random
        self._places: dict[TopicPartition, int] = {}
        self.copies = 0

    async def repeat_from_now(self) -> None:
        """Leave alone what is there already."""
        async with self._reading() as consumer:
            self._places = dict(await consumer.end_offsets(list(consumer.assignment())))

    async def repeat(self) -> int:
        """Copy what came since the last time. Returns how many records that were."""
        found = []
        async with self._reading() as consumer:
            ends = await consumer.end_offsets(list(consumer.assignment()))
            for partition in ends:
                consumer.seek(partition, self._places.get(partition, 0))
            while any(self._places.get(partition, 0) < end for partition, end in ends.items()):
                for partition, records in (await consumer.getmany(timeout_ms=100)).items():
                    found += [(partition, each) for each in records if self._is_original(each)]
                for partition in ends:
                    self._places[partition] = await consumer.position(partition)
        # Where only the last value stays, an old one behind a newer one would be mended by its owner, which takes new
        # numbers: that is another fault (F17). Of these only the newest value of each key comes again.
        compacted = {self._prefix + topic.name for topic in TOPICS if topic.compacted}
        newest = {each.key: (part, each) for part, each in found if part.topic in compacted}
        copies = [(part, each) for part, each in found if part.topic not in compacted] + list(newest.values())
        copies *= _TIMES - 1
        self._random.shuffle(copies)
        async with AIOKafkaProducer(bootstrap_servers=self._bootstrap, linger_ms=5) as producer:
            sent = [
                await producer.send(
                    partition.topic,
                    each.value,
                    key=each.key,
                    partition=partition.partition,
                    headers=[*each.headers, (_COPY, b"1")],
                )
                for partition, each in copies
            ]
            await asyncio.gather(*sent)
        self.copies += len(copies)
        return len(found)

    def _is_original(self, record: object) -> bool:
        """Neither a copy nor poison of another test, which would be another dead letter each time."""
        topic = record.topic.removeprefix(self._prefix)  # type: ignore[attr-defined]
        headers = record.headers  # type: ignore[attr-defined]
        if any(name == _COPY for name, _ in headers):
            return False
        try:
            decode(topic, record.key, record.value, headers)  # type: ignore[attr-defined]
        except Undecodable:
            return False
        return True

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[AIOKafkaConsumer]:
        topics = [self._prefix + topic.name for topic in TOPICS]
        consumer = AIOKafkaConsumer(
            *topics, bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()


async def test_everything_five_times_has_the_effect_of_once(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    repeater = Repeater(system, run.random)
    await repeater.repeat_from_now()
    load = run.load(people=effort.size(60, 300))
    async with run.sending(load) as sending:
        while not sending.done():
            await repeater.repeat()
            await asyncio.sleep(0.2)
    resent = await _send_again(run, load)
    while await repeater.repeat():
        await run.drain()
    await run.live(days=effort.size(7, 21))
    while await repeater.repeat():
        await run.drain()
    before = await digest_state(system.admin_url)
    again = Repeater(system, run.random)
    await again.repeat()  # everything that ever was
    await run.drain()
    after = await digest_state(system.admin_url)
    assert [table for table in before if before[table] != after[table]] == []
    await run.check()
    record(requests_sent_again=resent, records_delivered_again=repeater.copies + again.copies)


async def _send_again(run: Run, load: Load) -> int:
    """Every request four times more, in any order, several at once. Each must be answered as the first time."""
    requests = [request for requests in load.requests.values() for request in requests] * (_TIMES - 1)
    run.random.shuffle(requests)
    for start in range(0, len(requests), 8):
        some = requests[start : start + 8]
        answers = await asyncio.gather(*(run.driver.attempt(request) for request in some))
        for request, (status, told) in zip(some, answers, strict=True):
            # Whoever was erased is not known any more.
            assert status == (404 if request.method == "DELETE" else 202), (request.path, status, told)
    return len(requests)
