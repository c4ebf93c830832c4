"""What can go wrong, and what each kind means for a batch.

The tables below are the one place that says which errors are the infrastructure's (wait, keep the batch) and which
are a conflict with another transaction (load and decide again). Whatever is in neither is a fault of the record or of
the code, and ends as a dead letter if the record fails alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from typing import Final

import asyncpg
from aiokafka import errors as kafka

# First two characters are an SQLSTATE class; five are one code.
INFRASTRUCTURE_SQLSTATES: Final[dict[str, str]] = {
    "08": "connection exception",
    "25006": "read-only transaction: the server is a standby",
    "25P03": "idle in transaction too long: this process was frozen",
    "25P04": "transaction took too long",
    "28": "invalid authorisation: an operator is changing roles",
    "3D": "invalid catalogue name: the database is being restored",
    "3F": "invalid schema name: the migrations have not run",
    "42P01": "undefined table: a migration has not run, or runs now",
    "42501": "insufficient privilege: a migration has not run, or runs now",
    "42703": "undefined column: a migration has not run, or runs now",
    "42883": "undefined function: a migration has not run, or runs now",
    "53": "insufficient resources: connections, memory, disk",
    "57": "operator intervention: shutdown, cancel, crash",
    "58": "system error: I/O",
    "XX": "internal error: damaged data, a fault of the server",
}
# Of these, what a single heavy or damaged part of a transaction may bring about while the server is there.
OF_ONE_SQLSTATES: Final[frozenset[str]] = frozenset({"25P03", "25P04", "53200", "53400", "57014", "58", "XX"})
# Who else was at it, not what was written: no record is to blame, however often it comes back.
CONTENTION_SQLSTATES: Final[dict[str, str]] = {
    "0A000": "a prepared statement outlived a migration",
    "40": "transaction rollback: deadlock, serialisation failure",
    "55P03": "lock not available in time",
}
CONFLICT_SQLSTATES: Final[dict[str, str]] = {"23": "integrity constraint violation", **CONTENTION_SQLSTATES}
INFRASTRUCTURE_ERRORS: Final[tuple[type[BaseException], ...]] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.exceptions.InternalClientError,
    kafka.KafkaConnectionError,
    kafka.NodeNotReadyError,
    kafka.RequestTimedOutError,
    kafka.KafkaTimeoutError,
    kafka.KafkaUnavailableError,
    kafka.ProducerClosed,
    kafka.ProducerFenced,
    kafka.OutOfOrderSequenceNumber,
    kafka.UnknownProducerId,
    kafka.DuplicateSequenceNumber,
)
# OSErrors that speak of names in a file system, where records may choose the name: the zone "America" is a directory.
_NOT_INFRASTRUCTURE: Final = (FileExistsError, IsADirectoryError, NotADirectoryError)


class Rejected(ValueError):
    """A decision refuses a record because it makes no sense; it becomes a dead letter.

    Raise it before changing any state of the batch. `reason` is stable, `detail` is for people and carries no
    personal data.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Unprepared(Exception):
    """A decision needs something that takes longer than a transaction may: the batch is given up, and decided again.

    `prepare` is awaited in between, outside of any transaction. Whoever raises it keeps what was prepared, also when
    the batch is dropped.
    """

    def __init__(self, what: str, prepare: Callable[[], Awaitable[None]]) -> None:
        super().__init__(what)
        self.prepare = prepare


class Fenced(RuntimeError):
    """Another process owns this partition now; whatever this one decided must be dropped."""


class Halted(RuntimeError):
    """The consumer must not go on until an operator has acted. `runbook` names the page that tells how."""

    def __init__(self, reason: str, detail: str, runbook: str) -> None:
        super().__init__(f"{detail} (see {runbook})")
        self.reason = reason
        self.detail = detail
        self.runbook = runbook


def _listed(error: BaseException, table: Container[str]) -> bool:
    state = getattr(error, "sqlstate", None) if isinstance(error, asyncpg.PostgresError) else None
    return state is not None and (state in table or state[:2] in table)


def is_infrastructure(error: BaseException) -> bool:
    """Whether the database, the broker or the way to them is at fault, so that waiting helps."""
    if isinstance(error, asyncpg.PostgresError):
        return _listed(error, INFRASTRUCTURE_SQLSTATES)
    if isinstance(error, kafka.KafkaError) and bool(error.retriable):
        return True
    return isinstance(error, INFRASTRUCTURE_ERRORS) and not isinstance(error, _NOT_INFRASTRUCTURE)


def may_be_of_one(error: BaseException) -> bool:
    """Whether it is the infrastructure's, but may be due to one of several that share a transaction."""
    return _listed(error, OF_ONE_SQLSTATES)


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction got there first, so that loading and deciding again helps."""
    return _listed(error, CONFLICT_SQLSTATES)


def is_contention(error: BaseException) -> bool:
    """Whether it is a conflict that only time ends: a lock held by others, a deadlock. Never a record's fault."""
    return _listed(error, CONTENTION_SQLSTATES)
