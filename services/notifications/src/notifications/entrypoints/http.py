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
from mentorstream_runtime.links import LinkClaims, Links
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
        claims = await claims_of(token)
        unsubscribed = await preferences.unsubscribed(claims.organisation_id, claims.person_id)
        return _PAGES.render("unsubscribe.html", unsubscribed=unsubscribed)

    @app.post("/unsubscribe/{token}", response_class=HTMLResponse)
    async def choose(token: str, choice: str = Form("stop")) -> HTMLResponse:
        """One click of a mail program, or the page's button."""
        claims = await claims_of(token)
        courtesy = choice == "resume"
        await preferences.choose(claims.organisation_id, claims.person_id, courtesy=courtesy, now=await clock.now())
        return _PAGES.render("unsubscribe.html", unsubscribed=not courtesy)

    return app
