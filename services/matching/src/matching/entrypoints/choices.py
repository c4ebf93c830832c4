"""The page behind the link to choose: who can be asked, and a mentee's list of them.

Opening a link changes nothing, because mail scanners open links. A list is asked of `registrations` and decided there
in its turn: who cannot be asked any more by then is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from fastapi.responses import HTMLResponse

from matching import metrics
from matching.domain.requesting import by_request
from matching.entrypoints.choice_pages import (
    CANDIDATES_SHOWN,
    CHOICES_LIMIT,
    ChoicePages,
    field_of,
    gone_of,
    read_ranking,
)
from matching.settings import MatchingSettings
from mentorstream_runtime.link_pages import LinkForm
from mentorstream_runtime.links import BadLink, LinkClaims
from mentorstream_runtime.process import Runtime
from mentorstream_runtime.tracing import current_traceparent

if TYPE_CHECKING:
    from matching.adapters.choices import Choices, Chooser

CHOICE_FORM: Final = LinkForm(
    summary="Hand in a ranking",
    fields={field_of(place): {"type": "string", "maxLength": 36} for place in range(1, CHOICES_LIMIT + 1)},
    required=(field_of(1),),
    example={field_of(1): "018f3c5e-7a10-7c3e-9c55-2f1d1c6f0a11"},
    gone="The mentee has a match or has left, or the program does not match by request any more.",
    again="nobody was chosen, somebody twice, or somebody who cannot be asked any more.",
)


class Mentees:
    """Serves whoever holds a link: whom they may choose, and what becomes of their list."""

    def __init__(self, runtime: Runtime[MatchingSettings], choices: Choices, pages: ChoicePages) -> None:
        self._runtime = runtime
        self._choices = choices
        self._pages = pages

    async def show(self, token: str) -> HTMLResponse:
        """The mentors who fit with the form or, where there is nothing to choose, why. Raises BadLink."""
        claims, chooser, _ = await self._open(token)
        return self._closed(chooser) or await self._form(claims, chooser)

    async def hand_in(self, token: str, entered: Mapping[str, str]) -> HTMLResponse:
        """Ask for the list to be decided on, or say why not. Raises BadLink."""
        claims, chooser, now = await self._open(token)
        limit = chooser.policy.requests_limit
        ranked = read_ranking(entered, limit)
        if isinstance(ranked, dict):
            metrics.CHOICES.labels("invalid").inc()
            return self._closed(chooser, sent=True) or await self._form(claims, chooser, entered, ranked)
        if ranked == chooser.chosen:
            metrics.CHOICES.labels("repeated").inc()
            return self._pages.already_chosen()
        closed = self._closed(chooser, sent=True)
        if closed is not None:
            metrics.CHOICES.labels("closed" if chooser.chosen is None else "repeated").inc()
            return closed
        gone = gone_of(entered, limit, await self._choices.possible(chooser, ranked))
        if gone:
            metrics.CHOICES.labels("invalid").inc()
            return await self._form(claims, chooser, entered, gone)
        if await self._choices.hand_in(chooser, ranked, now, current_traceparent()):
            self._runtime.wake()
            metrics.CHOICES.labels("taken").inc()
            return self._pages.thanks()
        metrics.CHOICES.labels("repeated").inc()  # from another tab, in between
        return self._pages.already_chosen(status=409)

    async def _form(
        self,
        claims: LinkClaims,
        chooser: Chooser,
        entered: Mapping[str, str] | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        found = await self._choices.candidates(chooser, CANDIDATES_SHOWN)
        return self._pages.form(chooser, found, entered or {}, errors or {}, claims.expires_at)

    def _closed(self, chooser: Chooser, *, sent: bool = False) -> HTMLResponse | None:
        """Why there is nothing to choose; None while there is."""
        status = 409 if sent else 200
        if chooser.matched or not chooser.here or not by_request(chooser.policy):
            return self._pages.over()
        if chooser.chosen is not None:
            return self._pages.already_chosen(status=status)
        if chooser.asked:
            return self._pages.asking(status=status)
        return None if chooser.waits else self._pages.over()

    async def _open(self, token: str) -> tuple[LinkClaims, Chooser, datetime]:
        now = await self._runtime.clock.now()
        claims = self._runtime.links.read("choice", token, now=now)
        chooser = await self._choices.find(claims.organisation_id, claims.subject_id, now)
        if chooser is None or (chooser.person_id, chooser.organisation_id) != (
            claims.person_id,
            claims.organisation_id,
        ):
            raise BadLink("forged")
        return claims, chooser, now
