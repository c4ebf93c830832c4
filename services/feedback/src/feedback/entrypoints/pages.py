"""What respondents see: the form, their own answer, and why a link does not work. Times are in their own zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from feedback.domain.questionnaire import RATINGS, TEXT_LIMIT, Answer, FieldErrors
from mentorstream_runtime.local_times import local_time
from mentorstream_runtime.pages import Pages

if TYPE_CHECKING:
    from fastapi.responses import HTMLResponse

    from feedback.adapters.answers import ShownRequest


class FeedbackPages:
    """Renders the pages of one request."""

    def __init__(self, package_file: str, *, retention_days: int) -> None:
        self._pages = Pages(package_file)
        self._retention_days = retention_days

    def form(self, request: ShownRequest) -> HTMLResponse:
        """The empty form."""
        return self._form(request, {}, {}, status=200)

    def form_again(self, request: ShownRequest, entered: Mapping[str, str], errors: FieldErrors) -> HTMLResponse:
        """The form with what was entered and what is wrong with it."""
        return self._form(request, entered, errors, status=422)

    def stored(self, request: ShownRequest, answer: Answer) -> HTMLResponse:
        """The answer was stored now."""
        return self._answer(request, answer, title="Thank you for your answer", state="stored")

    def already_answered(self, request: ShownRequest, answer: Answer) -> HTMLResponse:
        """The answer was stored before."""
        return self._answer(request, answer, title="You have already answered", state="already")

    def not_stored(self, request: ShownRequest, answer: Answer) -> HTMLResponse:
        """Another answer, this one, was stored before: the new one comes too late."""
        return self._answer(request, answer, title="You have already answered", state="refused", status=409)

    def _form(
        self, request: ShownRequest, entered: Mapping[str, str], errors: FieldErrors, *, status: int
    ) -> HTMLResponse:
        return self._pages.render(
            "form.html",
            status=status,
            title="How did your meeting go?",
            meeting=local_interval(request.meeting_started_at, request.meeting_ended_at, request.zone),
            answer_until=local_minute(request.expires_at, request.zone),
            ratings=RATINGS,
            text_limit=TEXT_LIMIT,
            retention_days=self._retention_days,
            entered=entered,
            errors=errors,
        )

    def _answer(
        self, request: ShownRequest, answer: Answer, *, title: str, state: str, status: int = 200
    ) -> HTMLResponse:
        return self._pages.render(
            "answered.html",
            status=status,
            title=title,
            state=state,
            meeting=local_interval(request.meeting_started_at, request.meeting_ended_at, request.zone),
            answer=answer,
            rating=RATINGS[answer.rating],
        )


def local_interval(starts_at: datetime, ends_at: datetime, zone: str) -> str:
    """When it was, in the zone's local time: `Tuesday 3 March 2026, 14:00 to 14:45 (Europe/Paris)`."""
    start, end = local_time(starts_at, zone), local_time(ends_at, zone)
    until = end.clock if end.day == start.day else f"{end.day}, {end.clock}"
    return f"{start.day}, {start.clock} to {until} ({start.zone})"


def local_minute(instant: datetime, zone: str) -> str:
    """A day and time in the zone: `Tuesday 17 March 2026, 14:45 (Europe/Paris)`."""
    local = local_time(instant, zone)
    return f"{local.day}, {local.clock} ({local.zone})"
