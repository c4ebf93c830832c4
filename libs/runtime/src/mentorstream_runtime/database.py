"""PostgreSQL: pools with the session settings that keep a frozen process from holding others up, and named SQL.

Holds no query of its own. SQL lives in `queries/*.sql` files of each service: `-- name: load_programs` starts one.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pgproto import pgproto

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection

# Below the takeover target of 15 s: a process that freezes inside a transaction loses its locks before it matters.
SESSION_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "idle_in_transaction_session_timeout": "5000",
        "transaction_timeout": "10000",
        "lock_timeout": "4000",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
        "timezone": "UTC",
        "jit": "off",
    }
)
# Up to so many rows of a table an INSERT takes less work than a COPY.
_FEW: Final = 12
_DriverId: Final[Callable[[bytes], UUID]] = pgproto.UUID
# What PostgreSQL counts instants from, and by.
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


async def _nothing_to_reset(_connection: object) -> None:
    """Sessions keep no state: everything is set for one transaction only, so a reset would be a wasted round trip."""


async def _use_codecs(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=_encode_json, decoder=_decode_json, schema="pg_catalog", format="binary"
    )
    await connection.set_type_codec(
        "timestamptz", encoder=_encode_instant, decoder=_decode_instant, schema="pg_catalog", format="tuple"
    )


# jsonb on the wire is a version byte, 1, and the text. Binary, because COPY takes nothing else.
def _encode_json(value: object) -> bytes:
    return b"\x01" + msgspec.json.encode(value)


def _decode_json(wire: bytes) -> object:
    return msgspec.json.decode(memoryview(wire)[1:])


# The driver's own codec takes twice as long, and takes a naive time for one of this machine's zone.
def _encode_instant(instant: datetime) -> tuple[int]:
    return ((instant - _EPOCH) // _MICROSECOND,)


def _decode_instant(microseconds: tuple[int]) -> datetime:
    return _EPOCH + _MICROSECOND * microseconds[0]


async def open_pool(url: str, *, size: int, application_name: str) -> Pool:
    """A pool of at most `size` connections. Raises what connecting raises.

    jsonb columns are Python values. Instants are aware, and a naive time is refused for one.
    """
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        command_timeout=30,
        timeout=5,
        init=_use_codecs,
        reset=_nothing_to_reset,
        server_settings={**SESSION_SETTINGS, "application_name": application_name},
    )


@contextlib.asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """One connection in one transaction, waiting at most five seconds for a free connection."""
    async with pool.acquire(timeout=5) as connection, connection.transaction():
        yield connection


@contextlib.asynccontextmanager
async def organisation_scope(pool: Pool, organisation_id: UUID) -> AsyncIterator[Connection]:
    """A transaction of the API's role that sees one organisation's rows and no others."""
    async with transaction(pool) as connection:
        await connection.execute("SELECT set_config('mentorstream.organisation', $1, true)", str(organisation_id))
        yield connection


def load_queries(package_file: str) -> Mapping[str, str]:
    """All named queries of the package that `package_file` (its `__init__.__file__`) belongs to.

    They are looked for in the installed package (`<package>/queries`) and in the source tree beside `src/`. Raises
    FileNotFoundError where there are none, ValueError where a name is given twice.
    """
    package = Path(package_file).parent
    folder = next((path for path in (package / "queries", package.parents[1] / "queries") if path.is_dir()), None)
    if folder is None:
        raise FileNotFoundError(f"no queries folder for {package}")
    queries: dict[str, str] = {}
    for file in sorted(folder.glob("*.sql")):
        _, *parts = _NAME.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in queries:
                raise ValueError(f"query {name} is defined twice; the second one in {file.name}")
            queries[name] = text.strip()
    return MappingProxyType(queries)


def as_driver_id(value: UUID | bytes) -> UUID:
    """An id, or its sixteen bytes, as the driver's own kind of UUID.

    It is equal to any other with that value, and is hashed, compared, written out and sent in a fraction of the time:
    for what is looked up and stored often.
    """
    return _DriverId(value if isinstance(value, bytes) else value.bytes)


def columns_of(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    """Rows turned into `count` columns, as `unnest` wants them; empty columns for no rows."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(count)]


class Table(NamedTuple):
    """A table, and the columns of rows that go there, each with its type."""

    name: str
    columns: tuple[tuple[str, str], ...]


async def insert_rows(connection: Connection, rows: Sequence[tuple[Table, Sequence[tuple[Any, ...]]]]) -> None:
    """Store new rows of some tables, in any order of the tables: what refers to another of them must not be checked.

    Few go with one statement, whose answer is waited for once; many by COPY, which is waited for twice for each table.
    """
    wanted = [(table, each) for table, each in rows if each]
    if any(len(each) > _FEW for _, each in wanted):
        for table, each in wanted:
            names = [name for name, _ in table.columns]
            await connection.copy_records_to_table(table.name, records=each, columns=names)
    elif wanted:
        columns = [column for table, each in wanted for column in _arrays(table, each)]
        await connection.execute(_insert(tuple(table for table, _ in wanted)), *columns)


def _arrays(table: Table, rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """The rows column by column. JSON is text here: a list of lists would be taken for an array of two dimensions."""
    columns = columns_of(rows, len(table.columns))
    for place, (_, kind) in enumerate(table.columns):
        if kind == "jsonb":
            columns[place] = [None if each is None else msgspec.json.encode(each).decode() for each in columns[place]]
    return columns


@cache
def _insert(tables: tuple[Table, ...]) -> str:
    """One statement that inserts rows of all these tables, given column by column."""
    inserts, place = [], 0
    for table in tables:
        arrays, values = [], []
        for name, kind in table.columns:
            place += 1
            arrays.append(f"${place}::text[]" if kind == "jsonb" else f"${place}::{kind}[]")
            values.append(f"{name}::{kind}")
        names = ", ".join(name for name, _ in table.columns)
        inserts.append(
            f"INSERT INTO {table.name} ({names}) SELECT {', '.join(values)}"  # noqa: S608 - our own names
            f" FROM unnest({', '.join(arrays)}) AS new ({names})"
        )
    *others, last = inserts
    if not others:
        return last
    return "WITH " + ", ".join(f"others_{number} AS ({each})" for number, each in enumerate(others)) + " " + last
