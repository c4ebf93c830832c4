"""The address behind a feedback link: a form, and a confirmation that shows respondents their own answer.

Opening a link changes nothing, because mail scanners open links. There is no other way to read an answer here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from feedback import metrics
from feedback.domain.answering import Accepted, Outcome, Repeated, is_expired
from feedback.domain.questionnaire import RATINGS, TEXT_LIMIT, Answer, read_answer
from feedback.entrypoints.pages import FeedbackPages
from feedback.handlers.answers import submit_answer
from feedback.settings import FeedbackSettings
from mentorstream_runtime.http import create_app
from mentorstream_runtime.link_pages import LinkForm, add_link_page
from mentorstream_runtime.links import BadLink, LinkClaims
from mentorstream_runtime.process import Runtime
from mentorstream_runtime.tracing import current_traceparent

if TYPE_CHECKING:
    from feedback.adapters.answers import RequestPages, ShownRequest

_FORM: Final = LinkForm(
    summary="Answer",
    fields={
        "took_place": {"type": "string", "enum": ["yes", "no"]},
        "rating": {"type": "string", "enum": [str(number) for number in RATINGS]},
        "went_well": {"type": "string", "maxLength": TEXT_LIMIT},
        "to_change": {"type": "string", "maxLength": TEXT_LIMIT},
        "wants_rematch": {"type": "string", "enum": ["yes"]},
    },
    required=("took_place", "rating"),
    example={"took_place": "yes", "rating": "4", "went_well": "We set a goal."},
    gone="The time to answer is over, or the respondent was erased.",
    again="with what was entered and what is wrong with it.",
)


class Respondents:
    """Serves whoever holds a link: what they may see of a request, and what becomes of their answer."""

    def __init__(self, runtime: Runtime[FeedbackSettings], requests: RequestPages, pages: FeedbackPages) -> None:
        self._runtime = runtime
        self._requests = requests
        self._pages = pages

    async def show(self, token: str) -> HTMLResponse:
        """The form or, once it was answered, the answer. Raises BadLink."""
        _, request, _ = await self._open(token)
        if request.answer is not None:
            return self._pages.already_answered(request, request.answer)
        return self._pages.form(request)

    async def submit(self, token: str, entered: Mapping[str, str]) -> HTMLResponse:
        """Store an answer, or say why not. Raises BadLink."""
        claims, request, now = await self._open(token)
        answer = read_answer(entered)
        if not isinstance(answer, Answer):
            metrics.ANSWERS.labels("invalid").inc()
            if request.answer is not None:
                return self._pages.not_stored(request, request.answer)
            return self._pages.form_again(request, entered, answer)
        async with self._requests.answering() as state:
            outcome = await submit_answer(
                state, claims.subject_id, claims.person_id, answer, now, current_traceparent()
            )
        if isinstance(outcome, Accepted):
            self._runtime.wake()
        return await self._tell(claims, request, answer, outcome)

    async def _tell(
        self, claims: LinkClaims, request: ShownRequest, answer: Answer, outcome: Outcome | None
    ) -> HTMLResponse:
        if isinstance(outcome, Accepted):
            metrics.ANSWERS.labels("accepted").inc()
            return self._pages.stored(request, answer)
        if isinstance(outcome, Repeated):
            metrics.ANSWERS.labels("repeated").inc()
            return self._pages.already_answered(request, answer)
        if outcome is None or outcome.reason == "closed":
            metrics.ANSWERS.labels("closed").inc()
            raise BadLink("expired")
        metrics.ANSWERS.labels("answered").inc()
        earlier = await self._find(claims)  # read anew: it may have come in between, from another tab
        if earlier.answer is None:
            raise BadLink("expired")
        return self._pages.not_stored(earlier, earlier.answer)

    async def _open(self, token: str) -> tuple[LinkClaims, ShownRequest, datetime]:
        now = await self._runtime.clock.now()
        claims = self._runtime.links.read("feedback", token, now=now)
        request = await self._find(claims)
        if is_expired(request.expires_at, now):
            raise BadLink("expired")
        return claims, request, now

    async def _find(self, claims: LinkClaims) -> ShownRequest:
        request = await self._requests.find(claims.organisation_id, claims.subject_id, claims.person_id)
        if request is None:
            raise BadLink("forged")
        return request


def build_api(settings: FeedbackSettings, respondents: Respondents) -> FastAPI:
    """The application: one page."""
    app = create_app(
        settings,
        title="Mentorstream feedback",
        description="Pages that participants open from signed links to tell how a meeting went.",
    )
    add_link_page(app, "/feedback", _FORM, show=respondents.show, submit=respondents.submit)
    return app
