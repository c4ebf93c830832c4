"""The page of coordinators in a real browser: without scripts, by keyboard, for a screen reader, on a phone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest
from playwright.async_api import Page, expect
from tests.integration.matching.callers import Caller, caller
from tests.integration.matching.running import (
    ALPHA,
    PROGRAM,
    START,
    MatchingService,
    configured,
    mentee,
    mentor,
    participant_id,
)
from tests.integration.matching.test_reviews import drafted
from tests.support.page_checks import assert_accessible, assert_fits
from tests.support.records import eventually

from mentorstream_events.matches import MatchConfirmed
from mentorstream_events.registrations import EndMatch, PublishRound, RunRound
from mentorstream_events.values import AuditGroup, Skill

if TYPE_CHECKING:
    from tests.browser.conftest import NewPage


@dataclass
class Desk:
    """Where a coordinator works."""

    service: MatchingService
    caller: Caller

    @property
    def address(self) -> str:
        return f"{self.service.process.http_url}/coordinate"

    async def log_in(self, page: Page) -> None:
        await page.goto(self.address)
        await page.get_by_label("Key").fill(self.caller.key)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Programs")

    async def open_program(self, page: Page) -> None:
        await self.log_in(page)
        await page.get_by_role("link", name="Spring program").click()


@pytest.fixture
async def desk_of_owner(service: MatchingService) -> Desk:
    """A coordinator of a program with a match, somebody who waits, and mentors with places."""
    await service.send(
        configured(),
        mentor("omar", offers=(Skill(skill="SQL", level=3),)),
        mentor("pia", capacity=2, offers=(Skill(skill="SQL", level=2),)),
        mentee("ines", wants=(Skill(skill="SQL", level=3),)),
        mentee("jon", languages=("de",)),
    )
    service.time = START + timedelta(days=15)
    await service.send(mentee("kim", languages=("it",)))
    return Desk(service, await caller(service, ALPHA))


def short(name: str) -> str:
    return str(participant_id(name))[-8:]


async def test_logging_in_looking_and_ending_a_match_without_scripts(desk_of_owner: Desk, phone: NewPage) -> None:
    async with phone(java_script_enabled=False) as page:
        await desk_of_owner.open_program(page)
        await assert_fits(page)
        await expect(page.get_by_text("2 wait, the longest for 15 days.")).to_be_visible()
        cookies = {cookie["name"]: cookie for cookie in await page.context.cookies()}
        cookie = cookies["mentorstream_coordinator"]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)
        assert desk_of_owner.caller.key.rpartition("_")[2] not in cookie["value"]

        await page.get_by_role("link", name="Who, and why").click()
        await expect(page.get_by_role("row", name=short("jon"))).to_contain_text("No language in common: 2")
        await assert_fits(page)

        await page.get_by_role("link", name="Matches").click()
        await page.get_by_role("link", name="Why").click()
        await expect(page.get_by_text(f"The mentee would come to {short('pia')}")).to_be_visible()
        await page.get_by_label("The other mentor's reference").fill(short("pia"))
        await page.get_by_role("button", name="Ask").click()
        await expect(page.get_by_role("status")).to_contain_text("as solving again shows")
        await assert_fits(page)

        await expect(page.get_by_role("button", name="End it and look again")).to_be_visible()
        await page.get_by_label("Yes, end it").check()
        await page.get_by_role("button", name="End the match").click()
        await expect(page.get_by_role("status")).to_contain_text("The match ends")
        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Coordination")
        await page.go_back()
        await page.reload()
        await expect(page.get_by_label("Key")).to_be_visible()
    await desk_of_owner.service.settle()
    assert len(await desk_of_owner.service.events(EndMatch, "registrations")) == 1


async def test_drafts_are_reviewed_by_keyboard(desk_of_owner: Desk, desk: NewPage) -> None:
    service = desk_of_owner.service
    await service.send(configured(matching="review"), mentee("lea"), mentee("max"))

    async def is_drafted() -> bool:
        return bool(await service.rows("SELECT FROM round WHERE status = 'drafted'"))

    async with desk(java_script_enabled=False) as page:
        await desk_of_owner.open_program(page)
        await page.get_by_role("button", name="Run a round now").press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("The round is asked for")
        await eventually(is_drafted, what="the round's drafts")
        assert len(await service.events(RunRound, "registrations")) == 1
        await page.reload()
        await page.get_by_role("link", name="look at it").press("Enter")
        await expect(page.get_by_text("So at most this share is missing")).to_be_visible()
        box = page.get_by_role("checkbox", name=f"{short('pia')} with {short('lea')}")
        await box.focus()
        await page.keyboard.press("Space")
        await page.get_by_role("button", name="Take the chosen out").press("Enter")
        await expect(page.get_by_role("row", name=short("lea"))).to_contain_text("taken out")
        await expect(page.get_by_role("listitem").filter(has_text="taken out")).to_have_count(1)

        await page.get_by_label("Mentor's reference").fill(short("pia"))
        await page.get_by_label("Mentee's reference").fill(short("kim"))
        await page.get_by_role("button", name="Put in").press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("No language in common")
        await page.go_back()

        await page.get_by_role("button", name="Publish all that are in").press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("The pairs are on their way")
    await service.settle()
    (request,) = await service.events(PublishRound, "registrations")
    assert ([each.mentee_id for each in request.removed], request.approved) == ([participant_id("lea")], None)
    matched = {each.mentees[0].participant_id for each in await service.events(MatchConfirmed)}
    assert matched == {participant_id("ines"), participant_id("max")}


async def test_what_another_policy_would_do(desk_of_owner: Desk, desk: NewPage) -> None:
    async with desk() as page:
        await desk_of_owner.open_program(page)
        await page.get_by_role("link", name="What if").click()
        slider = page.get_by_role("slider", name="Skills wanted and offered")
        await slider.focus()
        await page.keyboard.press("Home")
        await page.get_by_label("Everybody, as if nobody were matched yet").check()
        await page.get_by_role("button", name="Compare").click()
        await expect(page.get_by_role("status")).to_contain_text("Of 3 mentees 0 would gain a mentor")
        await expect(slider).to_have_value("0")
        await expect(page.get_by_role("row", name="yours")).to_have_count(0)
        await assert_accessible(page)
    assert len(await desk_of_owner.service.events(MatchConfirmed)) == 1


async def test_audits_show_groups_with_their_uncertainty_and_no_single_people(
    desk_of_owner: Desk, desk: NewPage
) -> None:
    """Also that a what-if is not counted by what was declared for audits."""
    service = desk_of_owner.service
    people = [
        msgspec.structs.replace(
            mentee(f"mentee {number}", languages=("it",) if number % 8 < 3 else ("en",), industry="retail"),
            audit_groups=(AuditGroup(attribute="shift", group="night" if number % 2 else "day"),),
        )
        for number in range(40)
    ]
    await service.send(mentor("rosa", capacity=50), *people)
    async with desk(java_script_enabled=False) as page:
        await desk_of_owner.open_program(page)
        await page.get_by_role("link", name="Audits").click()
        await page.get_by_label("Compare mentees by").select_option("shift")
        await page.get_by_role("button", name="Compare groups").press("Enter")
        await expect(page.get_by_role("row", name="night")).to_contain_text("75 of 100 (53 to 89)")
        await expect(page.get_by_role("row", name="others 23")).to_contain_text("hidden")
        await expect(page.get_by_role("row", name="not told")).to_have_count(0)
        await expect(page.get_by_role("img", name="Mentees with a mentor by group")).to_be_visible()
        await page.get_by_label("When they are free").check()
        await page.get_by_role("button", name="Simulate").press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("0 of 100 would do better")
        await page.get_by_role("link", name="What if").click()
        await page.get_by_label("Everybody, as if nobody were matched yet").check()
        await expect(page.get_by_label("Count the changes by").get_by_role("option")).to_have_count(5)
        await page.get_by_label("Count the changes by").select_option("Industry")
        await page.get_by_role("button", name="Compare").press("Enter")
        await expect(page.get_by_role("row", name="retail")).to_contain_text("40")
    async with desk() as page:
        await desk_of_owner.open_program(page)
        for query in ("by=audit:shift", "by=organisation&outcome=round", "misstating=preferences"):
            await page.goto(f"{desk_of_owner.address}/programs/{PROGRAM}/audits?{query}")
            await assert_accessible(page)
            await assert_fits(page)


async def test_forms_of_others_and_wrong_keys_do_nothing(desk_of_owner: Desk, desk: NewPage) -> None:
    async with desk() as page:
        await page.goto(desk_of_owner.address)
        await page.get_by_label("Key").fill("msc_0000000000000000_x")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_contain_text("unknown or revoked")
        await assert_accessible(page)
        await desk_of_owner.open_program(page)
        answer = await page.request.post(f"{page.url.partition('?')[0]}/rounds", form={"token": "forged"})
        assert answer.status == 403
        assert "This form is not from here" in await answer.text()
        await page.goto("data:text/html,<a href='" + desk_of_owner.address + "'>here</a>")
        await page.get_by_role("link", name="here").click()
        await expect(page.get_by_label("Key")).to_be_visible()  # from elsewhere no cookie comes
        await page.goto(desk_of_owner.address)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Programs")
        await desk_of_owner.caller.revoke()
        await page.reload()
        await expect(page.get_by_label("Key")).to_be_visible()


async def test_axe_finds_nothing_on_any_page(desk_of_owner: Desk, phone: NewPage) -> None:
    service = desk_of_owner.service
    (match,) = await service.events(MatchConfirmed)
    program = f"{desk_of_owner.address}/programs/{PROGRAM}"
    async with phone() as page:
        await page.goto(desk_of_owner.address)
        await assert_accessible(page)
        await desk_of_owner.log_in(page)
        await service.send(configured(matching="review"))
        for path in ("", "/waiting", "/matches", f"/matches/{match.match_id}", "/rounds", "/what-if", "/audits"):
            await page.goto(program + path)
            await assert_accessible(page)
            await assert_fits(page)
        round_id = await drafted(service, ("omar", "ines"), ("pia", "jon"))
        for path in ("/rounds", f"/rounds/{round_id}", f"/rounds/{PROGRAM}"):
            await page.goto(program + path)
            await assert_accessible(page)
            await assert_fits(page)
