"""The unsubscribe page, and the one-click address that mail programs post to (RFC 8058).

Opening the link changes nothing, for mail scanners open links. A POST stops courtesy mails at once, whatever else its
body says, unless it is the page's own button to resume them.
"""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, Form
from fastapi.responses import HTMLResponse

import notifications
from mentorstream_runtime.clock import Clock
from mentorstream_runtime.http import create_app
from mentorstream_runtime.links import BadLink, LinkClaims, Links
from mentorstream_runtime.pages import Pages

from ..adapters.preferences import Preferences
from ..settings import NotificationsSettings

_PAGES: Final = Pages(notifications.__file__)


def build_api(settings: NotificationsSettings, links: Links, clock: Clock, preferences: Preferences) -> FastAPI:
    """The service's application."""
    app = create_app(settings, title="Mentorstream notifications", description="Lets people stop courtesy mails.")

    async def claims_of(token: str) -> LinkClaims:
        return links.read("unsubscribe", token, now=await clock.now())

    @app.get("/unsubscribe/{token}", response_class=HTMLResponse)
    async def show(token: str) -> HTMLResponse:
        """What is chosen now, and a button."""
        try:
            claims = await claims_of(token)
            unsubscribed = await preferences.unsubscribed(claims.organisation_id, claims.person_id)
        except (BadLink, LookupError) as error:
            return _not_valid(error)
        return _PAGES.render("unsubscribe.html", unsubscribed=unsubscribed)

    @app.post("/unsubscribe/{token}", response_class=HTMLResponse)
    async def choose(token: str, choice: str = Form("stop")) -> HTMLResponse:
        """One click of a mail program, or the page's button."""
        try:
            claims = await claims_of(token)
            courtesy = choice == "resume"
            await preferences.choose(claims.organisation_id, claims.person_id, courtesy=courtesy, now=await clock.now())
        except (BadLink, LookupError) as error:
            return _not_valid(error)
        return _PAGES.render("unsubscribe.html", unsubscribed=not courtesy)

    return app


def _not_valid(error: BadLink | LookupError) -> HTMLResponse:
    if isinstance(error, BadLink) and error.reason == "expired":
        text = "Its time is over. Newer mails have a newer link."
        return _PAGES.message("This link is no longer valid", text, status=410)
    text = "Check that the whole address was opened. If you were removed from Mentorstream, you get no more mails."
    return _PAGES.message("This link is not valid", text, status=404)
