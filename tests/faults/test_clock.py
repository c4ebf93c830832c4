"""F9: a worker's clock jumps two hours forward and back; clocks change for summer while the system runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import asyncpg
import msgspec
import pytest
from tests.faults.run import Run
from tests.faults.system import FaultService, own_system
from tests.faults.wrong_clock import CLOCK_VARIABLE
from tests.integration.scheduling.running import confirmed
from tests.support.records import event, eventually, publish, read_events

from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.meetings import MeetingCompleted
from mentorstream_local.migrations import database_url, migrate
from mentorstream_local.topics import create_topics

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.outcomes import Effort, Record
    from tests.faults.system import FaultSystem

    from mentorstream_local.services import Wiring

pytestmark = pytest.mark.fault("F9")
_JUMP_SECONDS: Final = 7200
# Berlin's clocks go forward on 29 March 2026, and New York's have done so before the system's first day.
_LOCAL_TIMES: Final = """
    SELECT s.series_id, (m.starts_at AT TIME ZONE s.zone)::time AS local,
           bool_or(m.starts_at < '2026-03-29') AS before, bool_or(m.starts_at > '2026-03-29') AS after
    FROM scheduling.meeting m JOIN scheduling.series s USING (series_id)
    WHERE s.zone IN ('Europe/Berlin', 'Europe/Lisbon', 'Europe/London') AND m.revision = 0
    GROUP BY 1, 2
"""
_END_AT: Final = """
    UPDATE scheduling.meeting SET ends_at = clock_timestamp() + $2::interval,
        starts_at = clock_timestamp() + $2::interval - interval '30 minutes'
    WHERE match_id = $1 AND status = 'scheduled'
"""


class WrongClock:
    """The file that says by how many seconds the clocks of some processes are wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.jump(0)

    def jump(self, seconds: float) -> None:
        """Make them wrong by so many seconds from now on."""
        partial = self.path.with_suffix(".partial")
        partial.write_text(str(seconds))
        partial.replace(self.path)


@pytest.fixture
def clock(tmp_path: Path) -> WrongClock:
    """A clock that is right so far."""
    return WrongClock(tmp_path / "clock")


async def test_workers_whose_clocks_jump_through_the_change_to_summer_time(
    clock: WrongClock, record: Record, effort: Effort
) -> None:
    """Every service has a worker with a clock that jumps while meetings are booked, held, moved and asked about.

    Of intake only a further worker: the age of a signature is told by the clock of who takes the request.
    """
    with own_system() as system:
        system.add_worker("intake")
        for name in ("intake-2", "matching", "scheduling", "feedback", "notifications"):
            _misread(system.services[name], clock)
            system.services[name].stop()
        system.start_all()
        async with Run.on(system, seed=effort.seed, replays=effort.long) as run:
            load = run.load(people=effort.size(60, 200))
            async with run.sending(load):
                await run.until_accepted(load, share=0.3)
                clock.jump(_JUMP_SECONDS)
                await run.until_accepted(load, share=0.6)
                clock.jump(-_JUMP_SECONDS)
            await run.drain()
            jumps = 2
            for days in (5, 5, 5, 5, 5):
                jumps += 1
                clock.jump(_JUMP_SECONDS * (-1) ** jumps)
                await run.live(days=days)
            await run.check()
            async with run.connection() as connection:
                rows = await connection.fetch(_LOCAL_TIMES)
        assert _complaints(system) == []
        assert system.said("scheduling", "host_clock_wrong"), "nothing says that the clock is wrong"
        assert abs(system.metric("scheduling", "mentorstream_host_clock_offset_seconds")) > _JUMP_SECONDS / 2
    across = [row for row in rows if row["before"] and row["after"]]
    assert across, "no series has a meeting on both sides of the change"
    # Most meetings are at the series' own time; one that had to give way is moved within its week, not by the change.
    by_series = Counter(row["series_id"] for row in rows)
    shifted = [series for series in by_series if by_series[series] > 1]
    assert len(shifted) < len(across), "meetings did not keep their local time"
    record(jumps=jumps, series_across_the_change=len(across))


async def test_by_the_database_s_clock_no_meeting_ends_early_and_nobody_is_asked_twice(
    system: FaultSystem, clock: WrongClock, record: Record
) -> None:
    """The clock of production, on a database of its own beside the shared one."""
    wiring = replace(system.wiring, database="by_its_clock", topic_prefix="clock.", clock="database")
    await asyncio.to_thread(migrate, wiring.servers.postgres_admin_url, wiring.database, role_secret=wiring.role_secret)
    await asyncio.to_thread(create_topics, wiring.servers.kafka_bootstrap, wiring.topic_prefix)
    workers = [_worker(system, service, wiring, clock) for service in ("scheduling", "feedback")]
    connection = await asyncpg.connect(database_url(wiring.servers.postgres_admin_url, wiring.database))
    try:
        for worker in workers:
            await asyncio.to_thread(worker.start)
        now = await connection.fetchval("SELECT clock_timestamp()")
        early, forward, back = matches = [
            msgspec.structs.replace(confirmed(), ends_at=now + timedelta(weeks=26)) for _ in range(3)
        ]
        await publish(
            wiring.servers.kafka_bootstrap, wiring.topic_prefix, [event(match, time=now) for match in matches]
        )

        async def booked() -> bool:
            return bool(await connection.fetchval("SELECT count(DISTINCT match_id) = 3 FROM scheduling.meeting"))

        await eventually(booked, what="three meetings are booked", seconds=60)
        # Ahead by two hours: what ends in one hour must not end now.
        clock.jump(_JUMP_SECONDS)
        await connection.execute(_END_AT, early.match_id, timedelta(hours=1))
        await connection.execute(_END_AT, forward.match_id, timedelta(seconds=-1))
        await _until_asked(wiring, {forward.match_id})
        # Behind by two hours: what has ended must end all the same.
        clock.jump(-_JUMP_SECONDS)
        await connection.execute(_END_AT, back.match_id, timedelta(seconds=-1))
        await _until_asked(wiring, {forward.match_id, back.match_id})
        clock.jump(0)
        completed = await read_events(wiring.servers.kafka_bootstrap, wiring.topic_prefix, "meetings")
        ended = [each.data for each in completed if isinstance(each.data, MeetingCompleted)]
        assert {meeting.match_id for meeting in ended} == {forward.match_id, back.match_id}
        assert set(Counter(meeting.meeting_id for meeting in ended).values()) == {1}
        requests = await _requests(wiring)
        assert set(requests.values()) == {1}
    finally:
        await connection.close()
        for worker in workers:
            await asyncio.to_thread(worker.kill)
    record(meetings_ended=len(ended), requests=len(requests))


def _misread(service: FaultService, clock: WrongClock) -> None:
    """Run it with a clock that is wrong by what the file says, down to the records that it publishes."""
    service.point = ""
    service.variables |= {CLOCK_VARIABLE: str(clock.path), "AIOKAFKA_NO_EXTENSIONS": "1"}


def _worker(system: FaultSystem, service: str, wiring: Wiring, clock: WrongClock) -> FaultService:
    directory = system.stack.directory / "clocked" / service
    worker = FaultService(service, directory, mode="all", name=f"clocked-{service}", variables={})
    _misread(worker, clock)
    worker.reserve_ports()
    worker.wiring = wiring
    return worker


async def _until_asked(wiring: Wiring, matches: set[UUID]) -> None:
    async def asked() -> bool:
        return {match for match, _, _ in await _requests(wiring)} >= matches

    await eventually(asked, what=f"feedback is asked about {len(matches)} matches", seconds=60, every=0.5)


async def _requests(wiring: Wiring) -> Counter[tuple[UUID, UUID, UUID]]:
    """Requests by match, meeting and person."""
    events = await read_events(wiring.servers.kafka_bootstrap, wiring.topic_prefix, "feedback")
    found = [each.data for each in events if isinstance(each.data, FeedbackRequested)]
    return Counter((each.match_id, each.meeting_id, each.person_id) for each in found)


def _complaints(system: FaultSystem) -> list[str]:
    """Log lines that say that the relay could not publish."""
    return [
        line
        for service in system.services.values()
        for line in service.log_path.read_text().splitlines()
        if '"relay_failed"' in line
    ]
