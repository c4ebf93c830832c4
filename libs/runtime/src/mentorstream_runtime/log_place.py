"""What a log line says of where it was logged: the batch under way, and the one event that is being decided.

A line is put together only when one is logged, so handling a record costs one assignment (`Owned.deciding`). Knows no
more of a record than its key and headers: values are people's data.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import structlog

    from .batch import Owned, Record

_UNDER_WAY: Final[ContextVar[tuple[Owned, Sequence[Record]] | None]] = ContextVar("batch_under_way", default=None)


@contextlib.contextmanager
def under_way(owned: Owned, records: Sequence[Record]) -> Iterator[None]:
    """Let every line that is logged inside name this batch, and its event where one is concerned."""
    token = _UNDER_WAY.set((owned, records))
    try:
        yield
    finally:
        _UNDER_WAY.reset(token)


def add_place(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Processor of structlog: adds topic, partition, first offset and number of records, event id, program and trace.

    What the line says itself is left as it is.
    """
    current = _UNDER_WAY.get()
    if current is None:
        return event
    owned, records = current
    place: dict[str, object] = {
        "topic": owned.topic,
        "partition": owned.partition,
        "first_offset": records[0].offset,
        "records": len(records),
    }
    record = owned.deciding or (records[0] if len(records) == 1 else None)
    if record is not None:
        place |= {"offset": record.offset, **describe(record)}
    for name, value in place.items():
        event.setdefault(name, value)
    return event


def describe(record: Record) -> dict[str, str]:
    """What a log line says of one record, so that its story can be joined: event id, key (the program) and trace."""
    headers = dict(record.headers)
    named = {"event_id": headers.get("ce_id"), "program": record.key, "trace": headers.get("ce_traceparent")}
    told = {name: raw[:200].decode("utf-8", "replace") for name, raw in named.items() if raw is not None}
    if "trace" in told:
        told["trace"] = told["trace"][3:35]
    return told
