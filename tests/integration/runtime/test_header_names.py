"""Kafka takes any bytes as a header's name; one record that has some must not stop who reads the partition."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from tests.integration.runtime.bench import Bench, registrations
from tests.support.records import eventually

from mentorstream_events import Event, encode_data, encode_headers


class AnyBytes(str):
    """A header's name that goes on the wire as bytes that are no text."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        del encoding, errors
        return b"\xff\xfe"


async def test_records_with_header_names_that_are_no_text_are_read_and_those_behind_them(bench: Bench) -> None:
    """One that is sound but for an odd header is handled, one that is not is put aside, as ever."""
    first, second, third = registrations(1, 3)
    await _publish_as_one_batch(bench, [(first, True), (None, False), (second, False), (third, True)])
    async with bench.process():
        await bench.until_stored(3)
        await eventually(lambda: _buried(bench), what="the record without a type is put aside")
    await bench.check_complete(1, 3)
    (letter,) = await bench.fetch("SELECT reason FROM dead_letter")
    assert letter["reason"] == "missing_header"


async def _buried(bench: Bench) -> bool:
    return await bench.count("dead_letter") == 1


async def _publish_as_one_batch(bench: Bench, records: list[tuple[Event[Any] | None, bool]]) -> None:
    odd = [(AnyBytes("odd"), b"1")]
    async with AIOKafkaProducer(bootstrap_servers=bench.servers.kafka_bootstrap) as producer:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, False, -1, -1, 0, 1_000_000)
        for item, has_odd in records:
            if item is None:
                assert batch.append(timestamp=None, key=b"nobody", value=b"{}", headers=odd) is not None
                continue
            assert item.sequence is not None
            headers: list[Any] = encode_headers(
                event_id=item.id, event_type=item.type, source=item.source, time=item.time, sequence=item.sequence
            )
            value = encode_data(item.data)
            batch.append(timestamp=None, key=item.key.encode(), value=value, headers=headers + odd * has_odd)
        batch.close()
        target = TopicPartition(f"{bench.prefix}registrations", 0)
        await (await producer.send_batch(batch, target.topic, partition=target.partition))
