"""Log lines: joinable by event, program and trace; without what PostgreSQL quotes of people's rows."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator, Sequence

import asyncpg
import pytest
import structlog
from aiokafka import ConsumerRecord

from mentorstream_events import Event, Value
from mentorstream_runtime.batch import Owned
from mentorstream_runtime.database import Connection
from mentorstream_runtime.log_place import describe, under_way
from mentorstream_runtime.logs import configure_logging
from mentorstream_runtime.outbox import Outgoing


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What goes to standard output, with everything put back afterwards."""
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("toy", "info")
    yield output
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def refusal() -> asyncpg.PostgresError:
    detail = "Failing row contains (7, ada@example.org,\nsecond line of a note)."
    return asyncpg.PostgresError.new({"C": "23514", "M": "violates check", "D": detail})


@pytest.mark.parametrize("chained", [False, True])
def test_the_values_that_a_constraint_refused_are_not_logged(lines: io.StringIO, chained: bool) -> None:
    try:
        try:
            raise refusal()
        except asyncpg.PostgresError as error:
            if chained:
                raise RuntimeError("and so on") from error
            raise
    except Exception:
        structlog.get_logger("toy").exception("batch_failed", topic="people")
    line = json.loads(lines.getvalue())
    assert (line["event"], line["service"], line["topic"], line["level"]) == ("batch_failed", "toy", "people", "error")
    assert "violates check" in line["exception"]
    assert ("and so on" in line["exception"]) == chained
    assert "DETAIL: left out" in line["exception"]
    assert "ada@example.org" not in line["exception"]
    assert "second line" not in line["exception"]


def test_a_library_s_warning_is_a_line_of_json_too(lines: io.StringIO) -> None:
    logging.getLogger("aiokafka.consumer").warning("no %s", "leader")
    logging.getLogger("aiokafka.consumer").info("chatter")
    line = json.loads(lines.getvalue())
    assert (line["event"], line["logger"], line["level"]) == ("no leader", "aiokafka.consumer", "warning")


def record(headers: list[tuple[str, bytes | None]], key: bytes | None) -> ConsumerRecord[bytes | None, bytes | None]:
    return ConsumerRecord("matches", 0, 1, 0, 0, key, None, None, 0, 0, tuple(headers))


def test_a_record_is_described_by_event_program_and_trace() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers: list[tuple[str, bytes | None]] = [
        ("ce_id", b"e-1"),
        ("ce_traceparent", f"00-{trace}-b7ad6b7169203331-01".encode()),
    ]
    assert describe(record(headers, b"p-1")) == {"event_id": "e-1", "program": "p-1", "trace": trace}


def test_a_record_of_which_nothing_is_sound_is_described_as_far_as_it_goes() -> None:
    assert describe(record([("ce_id", None)], None)) == {}
    assert describe(record([("ce_id", b"\xff" * 500)], b"\xff"))["program"] == "\N{REPLACEMENT CHARACTER}"


TRACED: list[tuple[str, bytes | None]] = [("ce_id", b"e-1"), ("ce_traceparent", b"00-" + b"a" * 32 + b"-1-01")]


def test_lines_logged_while_one_event_is_decided_name_it(lines: io.StringIO) -> None:
    owned = Owned("matches", 3, Silent(), epoch=1, next_offset=7)
    batch = [record(TRACED, b"p-1"), record([("ce_id", b"e-2")], b"p-2")]
    with under_way(owned, batch):
        owned.deciding = batch[1]
        structlog.get_logger("toy").info("came_too_late")
        owned.deciding = None
        structlog.get_logger("toy").warning("batch_halved", records=9)
        with under_way(owned, batch[:1]):
            structlog.get_logger("toy").info("batch_conflict")
    structlog.get_logger("toy").info("elsewhere")
    deciding, halved, conflict, elsewhere = map(json.loads, lines.getvalue().splitlines())
    assert (deciding["event_id"], deciding["program"], deciding["partition"]) == ("e-2", "p-2", 3)
    assert (halved["first_offset"], halved["records"]) == (1, 9)
    assert "event_id" not in halved
    assert (conflict["event_id"], conflict["trace"]) == ("e-1", "a" * 32)
    assert "topic" not in elsewhere


class Silent:
    """A handler that is not called."""

    handles: frozenset[type[Value]] = frozenset()

    async def load(self, connection: Connection, events: Sequence[Event[Value]]) -> None: ...

    def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
        raise NotImplementedError

    async def flush(self, connection: Connection) -> None: ...

    def settled(self, *, committed: bool) -> None: ...
