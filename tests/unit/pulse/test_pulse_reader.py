"""The reader: every published example, repeats, garbage, what other readers are told again, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from aiokafka import TopicPartition

from mentorstream_events import SequenceNumber, encode_headers
from mentorstream_events.examples import Example, examples_for
from pulse.adapters.log_ends import Bounds
from pulse.domain.board import Board, Figures
from pulse.domain.program import Spans
from pulse.entrypoints.prometheus import PulseCollector
from pulse.entrypoints.reader import Reader
from pulse.handlers.facts import ROUTES

DAY = 86_400.0
SPANS = Spans(window_seconds=90 * DAY, rate_seconds=3600, horizon_seconds=90 * DAY)
PREFIX = "p."


@dataclass(frozen=True)
class _Record:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Iterable[tuple[str, bytes]]


def _record(example: Example, offset: int = 0) -> _Record:
    return _Record(PREFIX + example.contract.topic.name, 0, offset, example.key, example.value, example.headers)


def _readers() -> tuple[Board, Reader]:
    board = Board(SPANS)
    return board, Reader(board, lambda: board.newest_at, PREFIX)


def _figures(board: Board) -> Figures:
    return board.figures(board.newest_at)


def test_every_example_is_counted_and_a_repeat_changes_nothing() -> None:
    board, reader = _readers()
    examples = examples_for("pulse")
    for offset, example in enumerate(examples):
        reader.take(_record(example, offset))
    once, size = _figures(board), board.size()
    assert reader.processed == len(examples)
    assert once.time_to_match.samples > 0
    assert once.match_to_meeting.samples > 0
    assert once.feedback.submitted == 1
    assert once.notifications_sent == 1
    assert once.notifications_failed == 1

    for offset, example in enumerate(examples):
        reader.take(_record(example, len(examples) + offset))
    assert _figures(board) == once
    assert board.size() == size


def test_topics_may_be_read_in_another_order() -> None:
    in_order, reversed_topics = _readers(), _readers()
    examples = examples_for("pulse")
    for example in examples:
        in_order[1].take(_record(example))
    for example in sorted(examples, key=lambda each: each.contract.topic.name, reverse=True):
        reversed_topics[1].take(_record(example))
    first, second = _figures(in_order[0]), _figures(reversed_topics[0])
    assert replace(second, events_per_minute=first.events_per_minute) == first


@pytest.mark.parametrize(
    "record",
    [
        _Record(PREFIX + "matches", 0, 7, None, None, ()),
        _Record(PREFIX + "matches", 0, 7, b"\xff", b"\xff{", (("ce_type", b"\xff"),)),
        _Record(PREFIX + "matches", 0, 7, b"x", b"{}", (("ce_type", b"mentorstream.match.confirmed.v9"),)),
    ],
)
def test_garbage_is_skipped_and_read_past(record: _Record) -> None:
    board, reader = _readers()
    reader.expect({TopicPartition(PREFIX + "matches", 0): Bounds(0, 8)})
    assert not reader.caught_up()
    reader.take(record)
    assert reader.caught_up()
    assert len(board) == 0


def test_an_event_without_sequence_is_not_counted() -> None:
    board, reader = _readers()
    example = examples_for("pulse")[0]
    headers = [header for header in example.headers if header[0] != "ce_sequence"]
    reader.take(replace(_record(example), headers=headers))
    assert len(board) == 0


def test_a_handler_that_raises_stops_nothing() -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    reader = Reader(Board(SPANS), lambda: 0.0, PREFIX, routes=dict.fromkeys(ROUTES, broken))
    for example in examples_for("pulse"):
        reader.take(_record(example))
    assert reader.processed == len(examples_for("pulse"))


@pytest.mark.parametrize(("reader_name", "counted"), [("matching", False), ("pulse", True)])
def test_what_is_told_again_to_another_reader_is_skipped(reader_name: str, counted: bool) -> None:
    board, reader = _readers()
    event = examples_for("pulse")[0].event
    headers = encode_headers(
        event_id="again",
        event_type=event.type,
        source=event.source,
        time=event.time,
        sequence=SequenceNumber(1, 10_000),
        redrive_of=event.id,
        redrive_for=reader_name,
    )
    reader.take(replace(_record(examples_for("pulse")[0]), headers=headers))
    assert bool(len(board)) == counted


def test_caught_up_means_all_that_the_topics_held_at_the_start() -> None:
    _, reader = _readers()
    first, empty, deleted = (TopicPartition(PREFIX + "matches", number) for number in range(3))
    assert not reader.caught_up()
    bounds = {first: Bounds(0, 2), empty: Bounds(5, 5), deleted: Bounds(0, 3)}
    reader.expect(bounds)
    assert reader.lag(bounds) == 5

    garbage = _Record(first.topic, 0, 0, b"x", b"", ())
    reader.take(garbage)
    assert reader.lag(bounds) == 4
    reader.take(replace(garbage, offset=1))
    assert not reader.caught_up()
    # Retention took the rest of the third partition before it was read.
    assert reader.lag({**bounds, deleted: Bounds(3, 3)}) == 0
    assert reader.caught_up()
    # More arrives: that is lag, and no way back to being rebuilt.
    assert reader.lag({**bounds, deleted: Bounds(3, 3), first: Bounds(0, 10)}) == 8
    assert reader.caught_up()
    # A group that lost its session starts over: no progress is lost.
    reader.take(garbage)
    assert reader.lag({first: Bounds(0, 2)}) == 0


def test_metrics_are_bounded_and_appear_when_complete() -> None:
    board, reader = _readers()
    for example in examples_for("pulse"):
        reader.take(_record(example))
    for number, program_id in enumerate(["1", "2", "3"]):
        board.note(_uuid(program_id), ("matches", "x"), board.newest_at + number, board.newest_at)
    complete = False
    collector = PulseCollector(board, lambda: board.newest_at, lambda: complete, program_limit=2)
    assert [len(family.samples) for family in collector.collect() if family.samples] == [1]

    complete = True
    samples = [sample for family in collector.collect() for sample in family.samples]
    programs = {sample.labels["program"] for sample in samples if "program" in sample.labels}
    assert len(programs) == 3
    assert "other" in programs
    assert {family.name for family in collector.describe()} == {family.name for family in collector.collect()}


def _uuid(digit: str) -> UUID:
    return UUID(int=int(digit))
