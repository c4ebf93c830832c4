"""The page on which a mentee chooses, in a real browser: with a phone, a keyboard, a screen reader, without scripts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect
from tests.integration.matching.running import (
    BETA,
    PROGRAM,
    START,
    MatchingService,
    configured,
    mentee,
    mentor,
    participant_id,
    person_id,
)
from tests.support.page_checks import assert_accessible, assert_fits

from mentorstream_events.matches import MatchProposed
from mentorstream_events.registrations import EndMatch, ProposalDeclined, RequestMentors
from mentorstream_events.values import Skill

if TYPE_CHECKING:
    from tests.browser.conftest import NewPage

_LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
_FOCUSED = "() => document.activeElement.id || document.activeElement.type"


@pytest.fixture
async def address(service: MatchingService) -> str:
    """The link that ines got by mail. Of the mentors uma fits best, and omar second."""
    await service.send(
        configured(matching="on_request"),
        mentor("uma", offers=(Skill(skill="SQL", level=5),), industry="energy", seniority=7, goals=("Lead a team",)),
        mentor("omar", offers=(Skill(skill="SQL", level=2), Skill(skill=_LONG))),
        mentor("vera", offers=(Skill(skill="Law"),)),
        mentee("ines", wants=(Skill(skill="SQL", level=4),)),
    )
    token = service.process.runtime.links.sign(
        "choice",
        organisation_id=BETA,
        subject_id=participant_id("ines"),
        person_id=person_id("ines"),
        expires_at=START + timedelta(days=90),
    )
    return f"{service.process.http_url}/choices/{token}"


async def test_a_phone_without_scripts_is_enough(address: str, service: MatchingService, phone: NewPage) -> None:
    async with phone(java_script_enabled=False) as page:
        await page.goto(address)
        await assert_fits(page)

        await page.get_by_label("First choice").select_option(value=str(participant_id("omar")))
        await page.get_by_label("Second choice (optional)").select_option(value=str(participant_id("uma")))
        await page.get_by_role("button", name="Ask them").tap()

        await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, we ask them now")
        await assert_fits(page)
        await service.settle()
        (request,) = await service.events(RequestMentors, "registrations")
        assert request.mentor_ids == (participant_id("omar"), participant_id("uma"))

        await page.goto(address)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your mentors are being asked")
        await expect(page.get_by_role("button")).to_have_count(0)


async def test_a_keyboard_is_enough(address: str, service: MatchingService, desk: NewPage) -> None:
    async with desk(java_script_enabled=False) as page:
        await page.goto(address)

        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Go to your ranking")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        assert await page.evaluate(_FOCUSED) == "choice-1"
        await page.keyboard.type("Mentor 2")
        await page.keyboard.press("Tab")
        assert await page.evaluate(_FOCUSED) == "choice-2"
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Tab")
        assert await page.evaluate(_FOCUSED) == "submit"
        await page.keyboard.press("Enter")

        await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, we ask them now")
        await service.settle()
        (request,) = await service.events(RequestMentors, "registrations")
        assert request.mentor_ids == (participant_id("omar"), participant_id("uma"))


async def test_a_screen_reader_hears_what_belongs_together(address: str, desk: NewPage) -> None:
    async with desk() as page:
        await page.goto(address)

        regions = page.get_by_role("region")
        await expect(regions).to_have_count(3)
        best = page.get_by_role("region", name="Mentor 1")
        await expect(best).to_contain_text("SQL (5)")
        await expect(best).to_contain_text("7 of 10")
        for place in ("First choice", "Second choice (optional)", "Third choice (optional)"):
            await expect(page.get_by_role("combobox", name=place, exact=True)).to_have_count(1)
        await expect(page).to_have_title("Choose who should mentor you - Mentorstream")
        await expect(page.locator("html")).to_have_attribute("lang", "en")


async def test_mistakes_are_told_where_they_are(address: str, phone: NewPage) -> None:
    async with phone(java_script_enabled=False) as page:
        await page.goto(address)
        for place in ("First choice", "Third choice (optional)"):
            await page.get_by_label(place).select_option(value=str(participant_id("uma")))
        await page.get_by_role("button", name="Ask them").tap()

        await expect(page).to_have_title("Error: Choose who should mentor you - Mentorstream")
        summary = page.get_by_role("alert", name="Nobody was asked yet")
        await expect(summary).to_be_focused()
        await assert_fits(page)
        again = page.get_by_label("Third choice (optional)")
        await expect(again).to_have_accessible_description(
            "Error: This mentor is your first choice already. Choose another one, or nobody."
        )
        await expect(again).to_have_attribute("aria-invalid", "true")
        await expect(again).to_have_value(str(participant_id("uma")))
        await summary.get_by_role("link").tap()
        await expect(again).to_be_focused()
        await again.select_option(label="Nobody")
        await page.get_by_role("button", name="Ask them").tap()

        await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, we ask them now")


async def test_axe_finds_nothing_on_any_page(address: str, service: MatchingService, phone: NewPage) -> None:
    async with phone() as page:
        await page.goto(address)
        await assert_accessible(page)

        await page.get_by_role("button", name="Ask them").tap()
        await expect(page.get_by_role("alert")).to_be_visible()
        await assert_accessible(page)

        await page.get_by_label("First choice").select_option(value=str(participant_id("uma")))
        await page.get_by_role("button", name="Ask them").tap()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, we ask them now")
        await assert_accessible(page)

        await service.settle()
        await page.goto(address)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Your mentors are being asked")
        await assert_accessible(page)

        (proposal,) = await service.events(MatchProposed)
        await service.send(ProposalDeclined(program_id=PROGRAM, match_id=proposal.match_id))
        await page.goto(address)
        await expect(page.get_by_text("You can choose again.")).to_be_visible()
        await assert_accessible(page)

        await page.get_by_label("First choice").select_option(value=str(participant_id("omar")))
        await page.get_by_role("button", name="Ask them").tap()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you, we ask them now")
        await service.settle()
        _, second = await service.events(MatchProposed)
        await service.send(EndMatch(program_id=PROGRAM, match_id=second.match_id, reason="coordinator"))
        await page.goto(address)
        await expect(page.get_by_role("heading", level=1)).to_have_text("There is nothing to choose any more")
        await assert_accessible(page)
