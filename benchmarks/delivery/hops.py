"""The hops after matching: confirmed matches to series, completed meetings to requests, requests to mails.

Each hop reads what the one before it published in this run, so that its records are real ones; only that a meeting took
place is told here, because weeks would have to pass for it. A tenth of them warms the worker.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from mentorstream_events import Event, Value
from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.matches import MatchConfirmed
from mentorstream_events.meetings import MeetingCompleted, MeetingScheduled
from mentorstream_events.people import PersonKnown
from mentorstream_events.values import Terms

from .bed import Bed, Cpu, Place, Timing, free_port
from .findings import Findings
from .workload import START, Message, Size, configurations, message, registrations

_SERIES_TABLES: Final = ("program", "person", "match", "match_organisation", "series", "meeting", "meeting_attendee")
_WARM_SHARE: Final = 10
_LATER: Final = timedelta(days=1)
_WAIT_SECONDS: Final = 600.0


async def run_hops(bed: Bed, findings: Findings, *, people: int, mails: int) -> None:
    """All three, and the rows of the first by COPY. At most `mails` requests go on to the mail server."""
    confirmed = await _confirmed(bed, people)
    booked, scheduled = await _series(bed, findings, confirmed)
    terms = {event.data.match_id: event.data.terms for event in confirmed}
    requested = await _requests(bed, findings, [(each, terms[each.data.match_id]) for each in scheduled])
    findings.rate("limit", "confirmed match to booked series: COPY of the same rows", [booked])
    await _mails(bed, findings, requested[:mails])


async def _confirmed(bed: Bed, people: int) -> list[Event[MatchConfirmed]]:
    size = Size(people=people)
    async with bed.place() as place:
        await place.lay(configurations(size, "main"))
        await place.lay(registrations(size, "main"))
        await place.start_service("matching")
        await place.settle("matching", ["registrations"])
        return await _published(place, "matches", MatchConfirmed)


async def _series(
    bed: Bed, findings: Findings, confirmed: Sequence[Event[MatchConfirmed]]
) -> tuple[Timing, list[Event[MeetingScheduled]]]:
    """Measures scheduling; returns how long its rows take by COPY, and the meetings that it announced."""
    async with bed.place() as place:
        before, timing = await _measured(place, "scheduling", "matches", _again(confirmed, "matching"))
        booked = await place.admin.fetchval("SELECT count(*) FROM scheduling.series")
        if not booked:
            raise RuntimeError(f"{before + timing.events} matches were confirmed, none got a series")
        scheduled = await _published(place, "meetings", MeetingScheduled)
        findings.rate(
            "mentorstream", "confirmed match to booked series", [timing], booked=booked, meetings=len(scheduled)
        )
        rows = [(table, await _rows(place, table)) for table in _SERIES_TABLES]
    async with bed.place() as place:
        return await _copied(place, rows, before + timing.events), scheduled


async def _rows(place: Place, table: str) -> bytes:
    target = io.BytesIO()
    await place.admin.copy_from_table(table, schema_name="scheduling", output=target, format="binary")
    return target.getvalue()


async def _copied(place: Place, rows: Sequence[tuple[str, bytes]], matches: int) -> Timing:
    """The same rows into the same tables, by one COPY each, in one transaction."""
    before, started = place.cpu(), time.perf_counter()
    async with place.admin.transaction():
        for table, content in rows:
            await place.admin.copy_to_table(
                table, schema_name="scheduling", source=io.BytesIO(content), format="binary"
            )
    seconds = time.perf_counter() - started
    cpu = Cpu(*(now - then for now, then in zip(place.cpu(), before, strict=True)))
    return Timing(matches, seconds, cpu, 0.0)


async def _requests(
    bed: Bed, findings: Findings, scheduled: Sequence[tuple[Event[MeetingScheduled], Terms]]
) -> list[Event[FeedbackRequested]]:
    async with bed.place() as place:
        _, timing = await _measured(place, "feedback", "meetings", list(_completed(scheduled)))
        requested = await _published(place, "feedback", FeedbackRequested)
        if len(requested) < timing.events:
            raise RuntimeError(f"{timing.events} meetings took place, {len(requested)} requests were published")
        findings.rate("mentorstream", "completed meeting to requests", [timing], requests=len(requested))
        return requested


async def _mails(bed: Bed, findings: Findings, requested: Sequence[Event[FeedbackRequested]]) -> None:
    """From requests on their topic to mails that the mail server has taken. Events are mails."""
    async with bed.place() as place:
        await place.admin.execute("UPDATE clock.business_time SET now = $1", START + _LATER)
        port = free_port()
        await place.start_peer("benchmarks.delivery.null_smtp", {}, arguments=[str(port)])
        server = place.workers[-1]
        await place.start_service("notifications", extra={"MENTORSTREAM_SMTP_PORT": str(port)})
        await place.lay(configurations(Size(), "main"))
        await place.lay(_known(requested))
        messages = _again(requested, "feedback")
        warm = len(messages) // _WARM_SHARE
        await place.lay(messages[:warm])
        await place.settle("notifications", ["registrations", "people", "feedback"])
        await _until_sent(place, warm)
        with place.held():
            await place.lay(messages[warm:])
            before, of_server, started = place.cpu(), _seconds(server), time.perf_counter()
        await _until_sent(place, len(messages))
        seconds = time.perf_counter() - started
        workers, database, broker = (now - then for now, then in zip(place.cpu(), before, strict=True))
        # The mail server is not ours.
        cpu = Cpu(workers - (_seconds(server) - of_server), database, broker)
        memory = place.memory() - server.memory_info().rss / 2**20
        findings.rate("mentorstream", "request to mail sent", [Timing(len(messages) - warm, seconds, cpu, memory)])


async def _measured(place: Place, service: str, topic: str, messages: Sequence[Message]) -> tuple[int, Timing]:
    """The service warmed with a tenth of the records and measured with the others. How many warmed it, and the rest."""
    warm = len(messages) // _WARM_SHARE
    if not warm:
        raise ValueError(f"{len(messages)} records for {service} are too few to measure with")
    await place.lay(messages[:warm])
    await place.start_service(service)
    await place.settle(service, [topic])
    return warm, await place.measure(service, messages[warm:], [topic])


async def _until_sent(place: Place, count: int) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        rows = await place.admin.fetch("SELECT status, count(*) AS mails FROM notifications.notification GROUP BY 1")
        found = {row["status"]: row["mails"] for row in rows}
        if found.get("sent", 0) >= count:
            return
        if any(worker.poll() is not None for worker in place.workers) or time.monotonic() > deadline:
            raise RuntimeError(f"of {count} mails these were sent: {found}: {place.output()}")
        await asyncio.sleep(0.1)


def _again(events: Sequence[Event[Any]], source: str) -> list[Message]:
    """The events as records of a topic that holds nothing else, numbered anew for each key."""
    numbers: Counter[str] = Counter()
    messages = []
    for index, each in enumerate(events):
        numbers[each.key] += 1
        time_of = START + timedelta(milliseconds=7 * index)
        messages.append(message(each.data, each.id, time_of, numbers[each.key], source))
    return messages


def _completed(scheduled: Sequence[tuple[Event[MeetingScheduled], Terms]]) -> Iterator[Message]:
    """That each of the meetings took place."""
    numbers: Counter[str] = Counter()
    for index, (event, terms) in enumerate(scheduled):
        meeting = event.data
        numbers[event.key] += 1
        data = MeetingCompleted(
            program_id=meeting.program_id,
            match_id=meeting.match_id,
            series_id=meeting.series_id,
            meeting_id=meeting.meeting_id,
            starts_at=meeting.starts_at,
            ends_at=meeting.ends_at,
            attendees=meeting.attendees,
            terms=terms,
        )
        moment = START + timedelta(milliseconds=7 * index)
        yield message(data, f"completed-{meeting.meeting_id}", moment, numbers[event.key], "scheduling")


def _known(requested: Sequence[Event[FeedbackRequested]]) -> Iterator[Message]:
    """Names and addresses of whoever is asked."""
    for person_id, organisation_id in {each.data.person_id: each.data.organisation_id for each in requested}.items():
        data = PersonKnown(
            person_id=person_id,
            organisation_id=organisation_id,
            version=1,
            full_name=f"Person {person_id.hex[-6:]}",
            email=f"{person_id.hex}@people.example",
            zone="Europe/Paris",
        )
        yield message(data, f"known-{person_id}", START, 1)


async def _published(place: Place, topic: str, kind: type[Value]) -> list[Event[Any]]:
    """All events of one type on a topic, in each program's order."""
    records = await place.records(topic)
    return [each.event for each in records if each.event is not None and type(each.event.data) is kind]


def _seconds(process: Any) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
