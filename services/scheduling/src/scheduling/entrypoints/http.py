"""Pages behind a meeting's signed link: see it, cancel it, move it.

GET shows and changes nothing, because mail scanners open links. POST decides under the same locks as the consumer and
answers with a redirect to the page, so that reloading it repeats nothing. The API's role finds the meeting, and with
it whether the link's organisation may see it; only then the worker's role decides, on that meeting alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import FastAPI, Form
from fastapi.responses import RedirectResponse, Response

import scheduling
from mentorstream_runtime.database import organisation_scope, transaction
from mentorstream_runtime.http import create_app
from mentorstream_runtime.links import BadLink
from mentorstream_runtime.local_times import local_time
from mentorstream_runtime.pages import Pages
from mentorstream_runtime.process import Runtime
from mentorstream_runtime.tracing import current_traceparent
from scheduling.adapters.postgres import QUERIES, attendees_of, load_schedule, read_schedule, save_schedule
from scheduling.domain.values import Attendee
from scheduling.handlers.meetings import (
    NotBooked,
    NotFree,
    NotTheirs,
    cancel_meeting,
    choices_for,
    leads,
    move_meeting,
)
from scheduling.settings import SchedulingSettings

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection
    from scheduling.handlers.schedule import Schedule


@dataclass(frozen=True, slots=True)
class _Seen:
    """A meeting as one of its attendees may see it, at `now`."""

    meeting_id: UUID
    match_id: UUID
    program_id: UUID
    starts_at: datetime
    ends_at: datetime
    status: str
    attendee: Attendee
    leads: bool
    invited: bool
    now: datetime

    @property
    def state(self) -> str:
        """open (may be cancelled or moved), declined (takes place without them), running, over or cancelled."""
        if self.status == "cancelled":
            return "cancelled"
        if self.status == "completed" or self.ends_at <= self.now:
            return "over"
        if not self.invited:
            return "declined"
        return "open" if self.starts_at > self.now else "running"


def build_api(runtime: Runtime[SchedulingSettings]) -> FastAPI:
    """The application with its routes."""
    app = create_app(
        runtime.settings, title="Mentorstream scheduling", description="Pages that attendees open from signed links."
    )
    site = _Site(runtime)
    app.get("/meetings/{token}", summary="Show a meeting and what may be done with it")(site.show)
    app.post("/meetings/{token}/cancel", summary="Cancel the meeting, or one's part in a circle's")(site.cancel)
    app.post("/meetings/{token}/reschedule", summary="Move the meeting to one of the offered times")(site.reschedule)
    return app


class _Site:
    def __init__(self, runtime: Runtime[SchedulingSettings]) -> None:
        self._runtime = runtime
        self._pages = Pages(scheduling.__file__)

    async def show(self, token: str) -> Response:
        """The page. Free times are looked up now and promise nothing."""
        seen = await self._see(token)
        return self._page(token, seen, choices=await self._choices(seen))

    async def cancel(self, token: str) -> Response:
        """Cancel, unless it is over or cancelled already; the page then says so."""
        seen = await self._see(token)
        try:
            async with transaction(self._runtime.pool) as connection:
                schedule = await self._load(connection, seen)
                announced = cancel_meeting(
                    seen.meeting_id,
                    seen.attendee.person_id,
                    schedule,
                    now=seen.now,
                    traceparent=current_traceparent(),
                )
                await save_schedule(connection, schedule)
                await self._runtime.write(connection, announced)
        except NotBooked:
            return _to_page(token)
        self._runtime.wake()
        return _to_page(token)

    async def reschedule(self, token: str, start: Annotated[str, Form(max_length=40)] = "") -> Response:
        """Move to `start`, an instant in RFC 3339 form. 422 for none, 409 with other choices for a taken one."""
        seen = await self._see(token)
        chosen = _instant(start)
        if chosen is None:
            return self._page(
                token, seen, choices=await self._choices(seen), status=422, error="Choose one of the times below."
            )
        try:
            async with transaction(self._runtime.pool) as connection:
                schedule = await self._load(connection, seen)
                announced = move_meeting(
                    seen.meeting_id,
                    seen.attendee.person_id,
                    chosen,
                    schedule,
                    now=seen.now,
                    traceparent=current_traceparent(),
                )
                await save_schedule(connection, schedule)
                await self._runtime.write(connection, announced)
        except (NotBooked, NotTheirs):
            return _to_page(token)
        except NotFree as taken:
            return self._page(
                token,
                await self._see(token),  # it may have been moved since
                choices=taken.choices,
                status=409,
                error="That time is no longer free for everybody. The meeting was not moved.",
            )
        self._runtime.wake()
        return _to_page(token)

    async def _see(self, token: str) -> _Seen:
        """The meeting of a link. Raises BadLink for a link that is not good, and for who is not in the meeting."""
        now = await self._runtime.clock.now()
        claims = self._runtime.links.read("meeting", token, now=now)
        async with organisation_scope(self._runtime.api_pool, claims.organisation_id) as connection:
            row = await connection.fetchrow(QUERIES["meeting_for_attendee"], claims.subject_id)
        if row is None:
            raise BadLink("forged")
        attendees = attendees_of(row["attendees"])
        for attendee in attendees:
            if (attendee.person_id, attendee.organisation_id) == (claims.person_id, claims.organisation_id):
                return _Seen(
                    meeting_id=row["meeting_id"],
                    match_id=row["match_id"],
                    program_id=row["program_id"],
                    starts_at=row["starts_at"],
                    ends_at=row["ends_at"],
                    status=row["status"],
                    attendee=attendee,
                    leads=leads(attendees, attendee.person_id),
                    # The link was good; who is in a meeting only the worker's role may read.
                    invited=await self._runtime.pool.fetchval(
                        QUERIES["is_invited"], row["meeting_id"], attendee.person_id
                    ),
                    now=now,
                )
        raise BadLink("forged")

    async def _load(self, connection: Connection, seen: _Seen) -> Schedule:
        return await load_schedule(connection, programs={seen.program_id}, matches={seen.match_id}, not_before=seen.now)

    async def _choices(self, seen: _Seen) -> list[datetime]:
        """Free times now, without a lock: the decision looks again."""
        if seen.state != "open" or not seen.leads:
            return []
        async with transaction(self._runtime.pool) as connection:
            schedule = await read_schedule(
                connection, program_id=seen.program_id, match_id=seen.match_id, not_before=seen.now
            )
        try:
            return choices_for(seen.meeting_id, schedule, now=seen.now)
        except NotBooked:
            return []

    def _page(
        self, token: str, seen: _Seen, *, choices: list[datetime], status: int = 200, error: str = ""
    ) -> Response:
        zone = seen.attendee.zone
        length = round((seen.ends_at - seen.starts_at).total_seconds() / 60)
        return self._pages.render(
            "meeting.html",
            status=status,
            title=_TITLES[seen.state],
            state=seen.state,
            leads=seen.leads,
            when=_shown(seen.starts_at, zone),
            iso=seen.starts_at.isoformat(),
            zone=local_time(seen.starts_at, zone).zone,
            minutes=length,
            choices=[(_form_value(choice), _shown(choice, zone)) for choice in choices],
            token=token,
            error=error,
        )


_TITLES = {
    "open": "Your mentoring meeting",
    "running": "Your mentoring meeting has begun",
    "over": "This meeting is over",
    "declined": "This meeting takes place without you",
    "cancelled": "This meeting is cancelled",
}


def _to_page(token: str) -> Response:
    return RedirectResponse(f"/meetings/{token}", status_code=303)


def _shown(instant: datetime, zone: str) -> str:
    """Date and time on a zone's wall clock, with its offset: in a fold the same time comes twice."""
    local = local_time(instant, zone)
    return f"{local.day}, {local.clock} ({local.offset})"


def _form_value(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def _instant(text: str) -> datetime | None:
    """An instant with an offset, in UTC; None for anything else."""
    try:
        instant = datetime.fromisoformat(text)
        return None if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
