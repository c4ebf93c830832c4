"""A service as small as can be, to hold the runtime to its promises: it notes each registration and waitlists them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid5

import asyncpg

from mentorstream_events import Event, Value
from mentorstream_events.matches import ParticipantWaitlisted
from mentorstream_events.registrations import ParticipantRegistered
from mentorstream_events.values import Profile, Reason
from mentorstream_runtime.database import Connection
from mentorstream_runtime.errors import Rejected
from mentorstream_runtime.outbox import Cause, Outgoing, emit
from mentorstream_runtime.process import Parts, Runtime, main
from mentorstream_runtime.restore import Restorer
from mentorstream_runtime.settings import RuntimeSettings

NAMESPACE = UUID("5c1d6a2e-0000-4000-8000-000000000000")
CREATE = """
    CREATE TABLE matching.toy (
        participant_id uuid PRIMARY KEY, program_id uuid NOT NULL, place int NOT NULL, worker text NOT NULL
    );
    GRANT SELECT, INSERT ON matching.toy TO mentorstream_matching_worker;
"""


async def create_table(owner_url: str) -> None:
    connection = await asyncpg.connect(owner_url)
    await connection.execute(CREATE)
    await connection.close()


def registration(program: int, number: int, *, industry: str = "teaching") -> ParticipantRegistered:
    """The n-th registration of a program; `industry` steers the toy, see `ToyHandler`."""
    program_id = uuid5(NAMESPACE, f"program-{program}")
    participant_id = uuid5(program_id, f"participant-{number}")
    return ParticipantRegistered(
        program_id=program_id,
        participant_id=participant_id,
        person_id=participant_id,
        organisation_id=program_id,
        roles=("mentee",),
        capacity=0,
        profile=Profile(zone="UTC", languages=("en",), availability=(), industry=industry),
    )


def waitlisted(data: ParticipantRegistered, since: datetime, reasons: tuple[Reason, ...] = ()) -> ParticipantWaitlisted:
    """What the toy tells of each registration."""
    return ParticipantWaitlisted(
        program_id=data.program_id,
        participant_id=data.participant_id,
        person_id=data.person_id,
        organisation_id=data.organisation_id,
        role="mentee",
        waiting_since=since,
        reasons=reasons,
    )


class ToyHandler:
    """Counts places in each program: a wrong order, a loss or a repeat leaves a gap or a double.

    Industries that steer it: reject (unless redriven), fail, die, hang, slow, endless, contended (by others,
    eight attempts), huge (what it emits).
    """

    handles: frozenset[type[Value]] = frozenset({ParticipantRegistered})

    def __init__(self, worker: str, before_flush: Callable[[Connection], None] | None = None) -> None:
        self._worker = worker
        self._places: dict[UUID, int] = {}
        self._rows: list[tuple[UUID, UUID, int, str]] = []
        self._contended = 0

    async def load(self, connection: Connection, events: Sequence[Event[Value]]) -> None:
        programs = {event.data.program_id for event in events if isinstance(event.data, ParticipantRegistered)}
        missing = sorted(programs - self._places.keys())
        rows = await connection.fetch(
            "SELECT program_id, max(place) AS place FROM toy WHERE program_id = ANY($1) GROUP BY 1", missing
        )
        industries = {event.data.profile.industry for event in events if isinstance(event.data, ParticipantRegistered)}
        if "hang" in industries:
            await asyncio.sleep(3600)
        if "contended" in industries and self._contended < 8:
            self._contended += 1
            raise asyncpg.LockNotAvailableError("asked to")
        self._places |= dict.fromkeys(missing, 0) | {row["program_id"]: row["place"] for row in rows}

    def decide(self, event: Event[Value]) -> Sequence[Outgoing]:
        data = event.data
        assert isinstance(data, ParticipantRegistered)
        if data.profile.industry == "reject" and event.redrive_of is None:
            raise Rejected("toy_rejected", "asked to")
        if data.profile.industry == "slow":
            time.sleep(0.15)
        if data.profile.industry == "endless":
            time.sleep(5.5)
        if data.profile.industry == "fail":
            raise ZeroDivisionError("asked to")
        if data.profile.industry == "die":
            os._exit(9)
        self._places[data.program_id] += 1
        self._rows.append((data.participant_id, data.program_id, self._places[data.program_id], self._worker))
        reasons = (Reason(rule="reporting_line", removed=10**9),) * (20 if data.profile.industry == "huge" else 0)
        return [emit(event, waitlisted(data, event.time, reasons), time=event.time)]

    async def flush(self, connection: Connection) -> None:
        await connection.copy_records_to_table(
            "toy", records=self._rows, columns=["participant_id", "program_id", "place", "worker"]
        )

    async def load_all(
        self, connection: Connection, parts: Sequence[tuple[ToyHandler, Sequence[Event[Value]]]]
    ) -> None:
        for handler, events in parts:
            await handler.load(connection, events)

    async def flush_all(self, connection: Connection, handlers: Sequence[ToyHandler]) -> None:
        for handler in handlers:
            await handler.flush(connection)

    def settled(self, *, committed: bool) -> None:
        self._rows.clear()
        if not committed:
            self._places.clear()


class ToyTimer:
    """Due once, at a fixed business time."""

    name = "toy"
    due = datetime(2026, 3, 10, tzinfo=UTC)

    def __init__(self) -> None:
        self.ran_at: datetime | None = None
        self.looks = 0
        self.done = asyncio.Event()

    async def run_due(self, now: datetime) -> int:
        self.looks += 1
        if self.ran_at is not None or now < self.due:
            return 0
        self.ran_at = now
        self.done.set()
        return 1

    async def next_due(self) -> datetime | None:
        return None if self.ran_at is not None else self.due


class ToyRestorer(Restorer):
    """Tells again of everybody who was noted."""

    async def current_facts(self, connection: Connection) -> AsyncIterator[Sequence[Outgoing]]:
        rows = await connection.fetch("SELECT participant_id, program_id FROM toy ORDER BY place")
        for row in rows:
            noted = ParticipantWaitlisted(
                program_id=row["program_id"],
                participant_id=row["participant_id"],
                person_id=row["participant_id"],
                organisation_id=row["program_id"],
                role="mentee",
                waiting_since=ToyTimer.due,
                reasons=(),
            )
            yield [emit(Cause(id="again"), noted, time=ToyTimer.due, name=row["participant_id"])]


def build(runtime: Runtime[RuntimeSettings]) -> Parts:
    """The toy's only wiring."""
    return Parts(
        readers={"registrations": lambda: ToyHandler(runtime.settings.instance)},
        timers=[ToyTimer()],
        restorer=ToyRestorer(),
    )


if __name__ == "__main__":
    main("matching", RuntimeSettings, build)
