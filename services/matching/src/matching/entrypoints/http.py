"""The address behind the link of a proposal: what is proposed, and two buttons.

Opening a link changes nothing, because mail scanners open links. An answer is asked of `registrations` and decided
there in its turn, so that a replay decides it again; the page says what was clicked, not what has come of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from matching import metrics
from matching.entrypoints.choices import CHOICE_FORM, Mentees
from matching.entrypoints.coordinators.api import DESCRIPTION, CoordinatorApi
from matching.entrypoints.coordinators.site import CoordinatorSite
from matching.entrypoints.pages import ProposalPages
from matching.settings import MatchingSettings
from mentorstream_runtime.http import create_app
from mentorstream_runtime.link_pages import LinkForm, add_link_page
from mentorstream_runtime.links import BadLink
from mentorstream_runtime.process import Runtime
from mentorstream_runtime.tracing import current_traceparent

if TYPE_CHECKING:
    from matching.adapters.requests import Answer, Proposals, ShownProposal

_FORM: Final = LinkForm(
    summary="Accept or decline",
    fields={"answer": {"type": "string", "enum": ["accept", "decline"]}},
    required=("answer",),
    example={"answer": "accept"},
    gone="The proposal expired, was withdrawn, or its match has ended.",
    again="neither accept nor decline was sent.",
)
_ANSWERS: Final[Mapping[str, Answer]] = {"accept": "accept", "decline": "decline"}


class Mentors:
    """Serves whoever holds a link: what they may see of a proposal, and what becomes of their answer."""

    def __init__(self, runtime: Runtime[MatchingSettings], proposals: Proposals, pages: ProposalPages) -> None:
        self._runtime = runtime
        self._proposals = proposals
        self._pages = pages

    async def show(self, token: str) -> HTMLResponse:
        """The proposal with its form or, where there is nothing to answer, why. Raises BadLink."""
        proposal, now = await self._open(token)
        return self._closed(proposal, now) or self._form(proposal)

    async def answer(self, token: str, entered: Mapping[str, str]) -> HTMLResponse:
        """Ask for the answer to be decided on, or say why not. Raises BadLink."""
        proposal, now = await self._open(token)
        answer: Answer | None = _ANSWERS.get(entered.get("answer", ""))
        if answer is None:
            metrics.ANSWERS.labels("invalid").inc()
            return self._closed(proposal, now) or self._form(
                proposal, status=422, error="Nothing was sent. Please choose accept or decline."
            )
        closed = self._closed(proposal, now, answer)
        if closed is not None:
            metrics.ANSWERS.labels("closed" if proposal.answer is None else "repeated").inc()
            return closed
        if await self._proposals.answer(proposal, answer, now, current_traceparent()):
            self._runtime.wake()
            metrics.ANSWERS.labels(answer).inc()
            return self._pages.thanks(answer)
        proposal, now = await self._open(token)  # read anew: an answer came in between, from another tab
        metrics.ANSWERS.labels("repeated").inc()
        return self._closed(proposal, now, answer) or self._pages.over()

    def _form(self, proposal: ShownProposal, *, status: int = 200, error: str = "") -> HTMLResponse:
        if proposal.expires_at is None:
            return self._pages.over()
        return self._pages.form(proposal, proposal.expires_at, status=status, error=error)

    def _closed(self, proposal: ShownProposal, now: datetime, sent: Answer | None = None) -> HTMLResponse | None:
        """Why there is nothing to answer, or nothing any more; None while there is."""
        if proposal.answer is not None:
            differs = sent is not None and sent != proposal.answer
            return self._pages.already_answered(proposal.answer, status=409 if differs else 200)
        if proposal.status != "proposed":
            return self._pages.over()
        if proposal.expires_at is None or now >= proposal.expires_at:
            return self._pages.expired()
        return None

    async def _open(self, token: str) -> tuple[ShownProposal, datetime]:
        now = await self._runtime.clock.now()
        claims = self._runtime.links.read("proposal", token, now=now)
        proposal = await self._proposals.find(claims.organisation_id, claims.subject_id)
        if proposal is None or proposal.mentor_person_id != claims.person_id:
            raise BadLink("forged")
        return proposal, now


def build_api(
    settings: MatchingSettings, mentors: Mentors, mentees: Mentees, coordinators: CoordinatorApi, site: CoordinatorSite
) -> FastAPI:
    """The application: the pages behind links, the API for coordinators and their page."""
    app = create_app(settings, title="Mentorstream matching", description=DESCRIPTION)
    add_link_page(app, "/proposals", _FORM, show=mentors.show, submit=mentors.answer)
    add_link_page(app, "/choices", CHOICE_FORM, show=mentees.show, submit=mentees.hand_in)
    coordinators.add_to(app)
    site.add_to(app)
    return app
