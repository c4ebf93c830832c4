"""F19: two programs book the same person at once from two workers; a meeting is cancelled while a batch holds it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Final
from uuid import UUID

import aiohttp
import asyncpg
import psutil
import pytest
from aiokafka.partitioner import DefaultPartitioner
from pydantic import SecretStr
from tests.faults.requests import program, registration, update
from tests.support.records import eventually

from mentorstream_events import TOPIC
from mentorstream_events.meetings import MeetingCancelled, MeetingRescheduled
from mentorstream_local.records import read_records
from mentorstream_runtime.links import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultService, FaultSystem

pytestmark = pytest.mark.fault("F19")
# Below the five seconds after which the database ends the session of a process that froze in a transaction.
_HELD_SECONDS: Final = 3.5
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday")
_WAITERS: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE usename = 'mentorstream_scheduling_worker' AND wait_event_type = 'Lock'
"""


async def test_two_programs_book_one_person_from_two_workers(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    """Each mentee is free for ninety minutes a week and gets a match in a program of each worker.

    Both meetings fit into that time, but not both in its middle, where each program would put its own.
    """
    people, parts = effort.size(15, 45), effort.size(3, 9)
    second = await _second_worker(
        system, run, ",".join(f"before_commit:stop:{number}" for number in range(1, 2 * people))
    )
    ours, theirs = await _programs_of_both_workers(system, run, second, mentors=people)
    frozen: list[str] = []
    waited: list[str] = []
    holding = asyncio.create_task(_hold_each_batch(run, second, frozen, waited))
    hours = [
        {"weekday": _DAYS[number % 5], "start": f"{8 + number // 5 % 10:02}:00", "end": f"{9 + number // 5 % 10:02}:30"}
        for number in range(people)
    ]

    async def register(program_of: list[str], part: int) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(part, people, parts):
                each = program_of[number % len(program_of)]
                reference = f"l{system.loads}-m{number}"
                group.create_task(run.driver.deliver(registration(each, reference, hours=[hours[number]])))

    for part in range(parts):
        freezes = _grows(frozen)
        await register(theirs, part)
        # Only then the others: the first worker would have decided about them before there is anything to wait for.
        await run.until(freezes, "the second worker freezes inside a batch")
        await register(ours, part)
    drained = await run.drain()
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)
    second.point = ""  # from here on it freezes no more
    second.thaw()
    await run.offline(second.restart)
    assert waited, "no batch ever waited for another one's person"
    async with run.connection() as connection:
        matches = await connection.fetch(
            "SELECT status, blocked_reason, count(*) AS matches FROM scheduling.match JOIN intake.program"
            " USING (program_id) WHERE owner || '/' || reference = ANY($1) GROUP BY 1, 2",
            [*ours, *theirs],
        )
    assert [tuple(row) for row in matches] == [("planned", None, 2 * people)]
    await run.live(days=effort.size(5, 14))
    await run.check()
    record(people=people, batches_that_waited=len(waited), drained_seconds=drained)


async def test_a_cancellation_stays_that_came_while_a_batch_held_the_meeting(system: FaultSystem, run: Run) -> None:
    second = await _second_worker(system, run, "")
    _, theirs = await _programs_of_both_workers(system, run, second, mentors=4)
    for number in range(4):
        await run.driver.deliver(registration(theirs[0], f"l{system.loads}-c{number}"))
    await run.drain()
    second.point = "before_commit:stop:1"
    await run.offline(second.restart)
    # Every match changes a little, too little to move its meeting.
    later = [{"weekday": day, "start": "08:00", "end": "19:30"} for day in _DAYS]
    for number in range(4):
        await run.driver.deliver(update(theirs[0], f"l{system.loads}-c{number}", 1, hours=later))
    await run.until(lambda: _is_frozen(second), "the second worker freezes inside a batch")
    async with run.connection() as connection:
        meeting = await _meeting_held(connection)
        cancelling = asyncio.create_task(_cancel(system, meeting))

        async def waits() -> bool:
            return bool(await connection.fetchval(_WAITERS))

        await eventually(waits, what="the cancellation waits for the batch", seconds=_HELD_SECONDS)
        second.thaw()
        assert await cancelling == 303
        await run.drain()
        await run.live(days=3)
        status = await connection.fetchval(
            "SELECT status FROM scheduling.meeting WHERE meeting_id = $1", meeting["meeting_id"]
        )
        assert status == "cancelled"
    assert await _announced(system, meeting["meeting_id"]) == [MeetingCancelled]
    await run.check()


async def _programs_of_both_workers(
    system: FaultSystem, run: Run, second: FaultService, *, mentors: int
) -> tuple[list[str], list[str]]:
    """Programs of the first worker of scheduling and of its second one, each with that many mentors for one mentee."""
    system.loads += 1
    ours: list[str] = []
    theirs: list[str] = []
    taken = _claimed(second)
    for number in range(60):
        each = f"alder/l{system.loads}-{number}"
        await run.driver.deliver(program("alder", each.partition("/")[2]))
        async with run.connection() as connection:
            program_id = await connection.fetchval(
                "SELECT program_id FROM intake.program WHERE owner || '/' || reference = $1", each
            )
        (theirs if _partition_of(program_id) in taken else ours).append(each)
        if ours and theirs and number > 2:
            break
    async with asyncio.TaskGroup() as group:
        for place, each in enumerate([*ours, *theirs]):
            for number in range(mentors):
                request = registration(each, f"l{system.loads}-{place}-{number}", capacity=1)
                group.create_task(run.driver.deliver(request))
    await run.drain()
    return ours, theirs


def _claimed(service: FaultService) -> set[int]:
    """Partitions of `matches` that the process has claimed since it started."""
    lines = [json.loads(line) for line in service.log_path.read_text().splitlines() if line.startswith("{")]
    started = max(place for place, line in enumerate(lines) if line["event"] == "started")
    return {line["partition"] for line in lines[started:] if line["event"] == "partition_claimed"}


def _partition_of(program_id: UUID) -> int:
    partitions = list(range(TOPIC["matches"].partitions))
    chosen: int = DefaultPartitioner()(str(program_id).encode(), partitions, partitions)
    return chosen


async def _second_worker(system: FaultSystem, run: Run, point: str) -> FaultService:
    """A further worker of scheduling, with partitions of its own, armed."""
    worker = await run.offline(system.add_worker, "scheduling")
    worker.point = point
    await run.offline(worker.restart)
    return worker


async def _hold_each_batch(run: Run, worker: FaultService, frozen: list[str], waited: list[str]) -> None:
    """Thaw the worker each time that it froze in a batch, once somebody waits for its locks or it is high time."""
    async with run.connection() as connection:

        async def waits() -> bool:
            return bool(await connection.fetchval(_WAITERS))

        while True:
            await run.until(lambda: _is_frozen(worker), "the second worker freezes inside a batch", seconds=600)
            frozen.append(worker.name)
            with contextlib.suppress(AssertionError):
                await eventually(waits, what="somebody waits", seconds=_HELD_SECONDS)
                waited.append(worker.name)
            worker.thaw()


def _grows(found: Sequence[object]) -> Callable[[], bool]:
    """Tells whether it is longer than it was now."""
    before = len(found)
    return lambda: len(found) > before


async def _meeting_held(connection: asyncpg.Connection[asyncpg.Record]) -> asyncpg.Record:
    """A meeting of a program whose row somebody has locked."""
    transaction = connection.transaction()
    await transaction.start()
    free = await connection.fetch("SELECT program_id FROM scheduling.program FOR UPDATE SKIP LOCKED")
    await transaction.rollback()
    row = await connection.fetchrow(
        "SELECT meeting_id, m.ends_at, attendees -> 0 ->> 'person_id' AS person_id,"
        " attendees -> 0 ->> 'organisation_id' AS organisation_id"
        " FROM scheduling.meeting m JOIN scheduling.match USING (match_id)"
        " WHERE m.status = 'scheduled' AND m.program_id <> ALL($1) LIMIT 1",
        [each["program_id"] for each in free],
    )
    assert row is not None, "the frozen batch holds no program with a meeting"
    return row


async def _cancel(system: FaultSystem, meeting: asyncpg.Record) -> int:
    """What an attendee does with the link of their mail. Returns the status of the answer."""
    wiring = system.wiring
    token = Links([SecretStr(secret) for secret in wiring.link_secrets]).sign(
        "meeting",
        organisation_id=UUID(meeting["organisation_id"]),
        subject_id=meeting["meeting_id"],
        person_id=UUID(meeting["person_id"]),
        expires_at=meeting["ends_at"],
    )
    url = f"{system.services['scheduling'].url}/meetings/{token}/cancel"
    async with aiohttp.ClientSession() as http, http.post(url, allow_redirects=False) as answer:
        return answer.status


async def _announced(system: FaultSystem, meeting_id: UUID) -> list[type]:
    """What was told of a meeting after it was scheduled."""
    wiring = system.wiring
    records = await read_records(wiring.servers.kafka_bootstrap, wiring.topic_prefix, "meetings")
    told = [each.event.data for each in records if each.event is not None]
    return [
        type(data)
        for data in told
        if isinstance(data, MeetingCancelled | MeetingRescheduled) and data.meeting_id == meeting_id
    ]


def _is_frozen(service: FaultService) -> bool:
    process = service.process()
    return process is not None and process.status() == psutil.STATUS_STOPPED
