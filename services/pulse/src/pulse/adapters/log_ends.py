"""The first and last offsets of the topics, asked of the broker: what a rebuild has to reach, and how far behind it is.

Reads no record.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from mentorstream_runtime.broker import read_partitions, tail_reader
from mentorstream_runtime.settings import ProcessSettings


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a partition held when asked: offsets from `start` up to, not including, `end`."""

    start: int
    end: int


class LogEnds:
    """Asks for the bounds of some partitions."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
        self._consumer = consumer
        self._partitions = partitions

    async def read(self) -> Mapping[TopicPartition, Bounds]:
        """The bounds now. Raises KafkaError."""
        ends = await self._consumer.end_offsets(self._partitions)
        starts = await self._consumer.beginning_offsets(self._partitions)
        return {partition: Bounds(starts[partition], ends[partition]) for partition in self._partitions}


@contextlib.asynccontextmanager
async def open_log_ends(settings: ProcessSettings, topics: Sequence[str]) -> AsyncIterator[LogEnds]:
    """Ask about all partitions of topics, named without prefix. Raises KafkaError, and Halted as `read_partitions`."""
    partitions = await read_partitions(settings, topics)
    async with tail_reader(settings, partitions) as consumer:
        consumer.pause(*partitions)  # nobody takes records from here
        yield LogEnds(consumer, partitions)
