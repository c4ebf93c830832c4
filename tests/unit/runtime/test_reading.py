"""What is read while a batch is handled: all that came meanwhile, in order, never more than a batch takes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from mentorstream_runtime.reading import Reading

ONE, TWO = TopicPartition("registrations", 1), TopicPartition("registrations", 2)


class Fetches:
    """Answers one fetch after the other, as a consumer does, then none."""

    def __init__(self, *answers: dict[TopicPartition, list[int]] | Exception) -> None:
        self._answers = list(answers)
        self.rooms: list[int] = []
        self.empty = asyncio.Event()

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0)
        self.rooms.append(max_records)
        if not self._answers:
            self.empty.set()
            await asyncio.Event().wait()
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {partition: [SimpleNamespace(offset=each) for each in offsets] for partition, offsets in answer.items()}


def offsets(taken: dict[TopicPartition, list[Any]]) -> dict[TopicPartition, list[int]]:
    return {partition: [each.offset for each in records] for partition, records in taken.items()}


async def test_the_next_batch_has_all_that_came_during_this_one() -> None:
    fetches = Fetches({ONE: [4]}, {ONE: [5]}, {TWO: [7, 8]}, {ONE: [6]})
    reading = Reading(fetches, 100)
    assert offsets(await reading.take()) == {ONE: [4]}
    async with reading.going_on():
        await fetches.empty.wait()
    assert offsets(await reading.take()) == {ONE: [5, 6], TWO: [7, 8]}


async def test_records_that_do_not_follow_are_left_to_be_read_again() -> None:
    fetches = Fetches({ONE: [5, 6]}, {ONE: [3, 4, 5, 6, 7], TWO: [1]}, {ONE: [8]})
    reading = Reading(fetches, 100)
    async with reading.going_on():
        for _ in range(10):
            await asyncio.sleep(0)
    assert offsets(await reading.take()) == {ONE: [5, 6], TWO: [1]}
    assert offsets(await reading.take()) == {ONE: [8]}, "nothing was read ahead after the gap"


async def test_a_failure_is_raised_after_what_was_read_before_it() -> None:
    fetches = Fetches({ONE: [5]}, OffsetOutOfRangeError({TWO: 1}), {ONE: [6]})
    reading = Reading(fetches, 100)
    async with reading.going_on():
        for _ in range(10):
            await asyncio.sleep(0)
    assert offsets(await reading.take()) == {ONE: [5]}
    with pytest.raises(OffsetOutOfRangeError):
        await reading.take()
    assert offsets(await reading.take()) == {ONE: [6]}


async def test_no_more_is_read_than_one_batch_takes() -> None:
    fetches = Fetches({ONE: [1, 2]}, {TWO: [1]}, {TWO: [2]})
    reading = Reading(fetches, 3)
    async with reading.going_on():
        for _ in range(10):
            await asyncio.sleep(0)
    assert offsets(await reading.take()) == {ONE: [1, 2], TWO: [1]}
    assert fetches.rooms == [3, 1]
    assert offsets(await reading.take()) == {TWO: [2]}
