"""The scheduling service inside a test, on real servers, with a clock that the test moves and links that it makes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID, uuid4

import httpx
from tests.support.records import event
from tests.support.services import RunningService, set_clock, settings_for

from mentorstream_events import Event, Value
from mentorstream_events.matches import MatchChanged, MatchConfirmed, MatchEnded
from mentorstream_events.meetings import MeetingScheduled
from mentorstream_events.values import Member, Role, Terms, WeeklyHours
from mentorstream_runtime.process import Mode, Process
from scheduling.bootstrap import build
from scheduling.settings import SchedulingSettings

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

ValueT = TypeVar("ValueT", bound=Value)
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)  # a Monday, before all clock changes of spring
OFFICE = tuple(WeeklyHours(weekday=day, start_minute=540, end_minute=1020) for day in range(1, 6))


class SchedulingService(RunningService[SchedulingSettings]):
    """A running service and what tests do with it."""

    name = "scheduling"
    emits = "meetings"

    async def advance(self, until: datetime) -> None:
        """Move business time from one due moment to the next, as the driver of the demo does."""
        while True:
            assert self.process.timers is not None
            due = await self.process.timers.next_due()
            if due is None or due > until:
                await self.move_clock(until)
                return
            await self.move_clock(due)

    async def leap(self, until: datetime, step: timedelta) -> None:
        """Move business time in steps, so that all that is due within a step is done in one go, late."""
        now = await self.process.runtime.clock.now()
        while now < until:
            now = min(now + step, until)
            await self.move_clock(now)

    def path(self, meeting: MeetingScheduled, *, attendee: int = 0, **other: UUID) -> str:
        """The path of the link that an attendee gets by mail, or of one that says something else."""
        person = meeting.attendees[attendee]
        claims = {
            "organisation_id": person.organisation_id,
            "subject_id": meeting.meeting_id,
            "person_id": person.person_id,
            **other,
        }
        expires_at = meeting.ends_at + timedelta(days=7)
        return f"/meetings/{self.process.runtime.links.sign('meeting', expires_at=expires_at, **claims)}"


@contextlib.asynccontextmanager
async def running_scheduling(
    servers: Servers, database: Database, topic_prefix: str, *, workers: int = 1
) -> AsyncIterator[SchedulingService]:
    """Start the service with business time at START and that many workers in all; stop them at the end."""
    await set_clock(database, START, only_if_unset=True)

    def process(number: int, mode: Mode) -> Process[SchedulingSettings]:
        settings = settings_for(
            SchedulingSettings,
            servers,
            database,
            topic_prefix,
            service="scheduling",
            clock="driven",
            instance=f"worker-{number}",
            # Several share one event loop: none may lose its partitions because another holds that up for a moment.
            **({"session_timeout_ms": 10_000} if workers > 1 else {}),
        )
        return Process("scheduling", settings, build, mode=mode)

    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(process(0, "all"))
        others = [await stack.enter_async_context(process(number, "worker")) for number in range(1, workers)]
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=first.http_url, timeout=20))
        service = SchedulingService(first, client, servers, database, topic_prefix, tuple(others))
        await service.settle()
        yield service


def member(
    role: Role,
    *,
    zone: str = "Europe/Berlin",
    hours: tuple[WeeklyHours, ...] = OFFICE,
    person_id: UUID | None = None,
) -> Member:
    """Somebody, new unless told otherwise, in an organisation of their own."""
    return Member(
        participant_id=uuid4(),
        person_id=person_id or uuid4(),
        organisation_id=uuid4(),
        role=role,
        zone=zone,
        languages=("en",),
        availability=hours,
    )


def confirmed(
    mentor: Member | None = None,
    mentee: Member | None = None,
    *,
    program_id: UUID | None = None,
    terms: Terms | None = None,
    weeks: int = 26,
) -> MatchConfirmed:
    """A new match, weekly by default."""
    return MatchConfirmed(
        program_id=program_id or uuid4(),
        match_id=uuid4(),
        mentor=mentor or member("mentor"),
        mentees=(mentee or member("mentee"),),
        score=0.5,
        facets={"skills": 0.5},
        policy_version=1,
        terms=terms or Terms(cadence_days=7),
        ends_at=START + timedelta(weeks=weeks),
    )


def changed(match: MatchConfirmed, mentor: Member) -> MatchChanged:
    """The same match with its mentor's hours or zone as given."""
    return MatchChanged(
        program_id=match.program_id,
        match_id=match.match_id,
        mentor=mentor,
        mentees=match.mentees,
        terms=match.terms,
        ends_at=match.ends_at,
        reason="participant_updated",
    )


def ended(match: MatchConfirmed) -> MatchEnded:
    """The end of a match."""
    return MatchEnded(
        program_id=match.program_id,
        match_id=match.match_id,
        mentor_person_id=match.mentor.person_id,
        mentee_person_ids=tuple(mentee.person_id for mentee in match.mentees),
        organisation_ids=(match.mentor.organisation_id, match.mentees[0].organisation_id),
        was_confirmed=True,
        reason="coordinator",
    )


def at_start(data: Value, *, time: datetime = START) -> Event[Value]:
    """An event of matching at the start of business time."""
    return event(data, time=time)
