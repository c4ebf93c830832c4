"""The feedback form in a real browser: on a phone, without scripts, by keyboard, by screen reader, with mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import Page, expect
from tests.support.page_checks import assert_accessible, assert_fits

if TYPE_CHECKING:
    from tests.browser.conftest import NewPage
    from tests.support.feedback_service import FeedbackService

_FOCUSED = """() => {
    const element = document.activeElement, style = getComputedStyle(element);
    return {
        name: element.id || element.type || element.tagName,
        outline: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),
    };
}"""


async def test_a_phone_without_scripts_is_enough(address: str, phone: NewPage) -> None:
    async with phone(java_script_enabled=False) as page:
        await page.goto(address)
        await assert_fits(page)

        await page.get_by_label("Yes").tap()
        await page.get_by_label("4: Good").tap()
        await page.get_by_label("What went well? (optional)").fill("We set a goal.\nAnd a date.")
        await page.get_by_label("I would like another match (optional)").tap()
        await page.get_by_role("button", name="Send my answer").tap()

        await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you for your answer")
        await expect(page.get_by_text("We set a goal.")).to_have_text("We set a goal.\nAnd a date.")
        await assert_fits(page)

        await page.goto(address)

        await expect(page.get_by_role("heading", level=1)).to_have_text("You have already answered")
        await expect(page.get_by_text("4: Good")).to_be_visible()
        await expect(page.get_by_role("button")).to_have_count(0)
        await assert_fits(page)


async def test_a_keyboard_is_enough(address: str, desk: NewPage) -> None:
    async with desk(java_script_enabled=False) as page:
        await page.goto(address)

        await page.keyboard.press("Tab")
        await _expect_visible_focus(page, "took_place-yes")
        await page.keyboard.press("Space")
        await page.keyboard.press("Tab")
        await _expect_visible_focus(page, "rating-1")
        for _ in range(4):
            await page.keyboard.press("ArrowDown")
        await _expect_visible_focus(page, "rating-5")
        await page.keyboard.press("Tab")
        await _expect_visible_focus(page, "went_well")
        await page.keyboard.type("Typed")
        await page.keyboard.press("Tab")
        await _expect_visible_focus(page, "to_change")
        await page.keyboard.press("Tab")
        await _expect_visible_focus(page, "wants_rematch")
        await page.keyboard.press("Tab")
        await _expect_visible_focus(page, "submit")
        await page.keyboard.press("Enter")

        await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you for your answer")
        await expect(page.get_by_text("5: Very good")).to_be_visible()
        await expect(page.get_by_text("Typed")).to_be_visible()
        await expect(page.get_by_text("Not asked for")).to_be_visible()


async def test_a_screen_reader_hears_what_belongs_together(address: str, desk: NewPage) -> None:
    async with desk() as page:
        await page.goto(address)

        for question, answers in (
            ("Did the meeting take place?", ["Yes", "No"]),
            ("How was it?", ["1: Very poor", "2: Poor", "3: Fair", "4: Good", "5: Very good"]),
        ):
            group = page.get_by_role("group", name=question)
            await expect(group.get_by_role("radio")).to_have_count(len(answers))
            for answer in answers:
                await expect(group.get_by_role("radio", name=answer, exact=True)).to_have_count(1)
        await expect(page.get_by_role("group", name="In your own words")).to_have_accessible_description(
            "Private. Only the people who coordinate mentoring in your own organisation may read it."
            " It is deleted after 365 days."
        )
        await expect(page.get_by_role("checkbox")).to_have_accessible_description(
            "This match ends and we look for a new one for you. The other side is not told who asked."
        )
        await expect(page).to_have_title("How did your meeting go? - Mentorstream")
        await expect(page.locator("html")).to_have_attribute("lang", "en")


async def test_mistakes_are_told_where_they_are(address: str, phone: NewPage) -> None:
    async with phone(java_script_enabled=False) as page:
        await page.goto(address)
        await page.get_by_label("2: Poor").tap()
        await page.get_by_label("What should change? (optional)").fill("x" * 2001)
        await page.get_by_label("What went well? (optional)").fill("</textarea>\n & kept")
        await page.get_by_role("button", name="Send my answer").tap()

        await expect(page).to_have_title("Error: How did your meeting go? - Mentorstream")
        summary = page.get_by_role("alert", name="Your answer was not stored yet")
        await expect(summary).to_be_focused()
        await expect(summary.get_by_role("link")).to_have_text(
            [
                "Choose whether the meeting took place.",
                "Shorten what to change to 2000 characters; it has 2001.",
            ]
        )
        await assert_fits(page)
        await expect(page.get_by_role("group", name="Did the meeting take place?")).to_have_accessible_description(
            "Error: Choose whether the meeting took place."
        )
        too_long = page.get_by_label("What should change? (optional)")
        await expect(too_long).to_have_accessible_description(
            "At most 2000 characters. Error: Shorten what to change to 2000 characters; it has 2001."
        )
        await expect(too_long).to_have_attribute("aria-invalid", "true")
        await expect(too_long).to_have_value("x" * 2001)
        await expect(page.get_by_label("What went well? (optional)")).to_have_value("</textarea>\n & kept")
        await expect(page.get_by_label("2: Poor")).to_be_checked()

        await summary.get_by_role("link").nth(1).tap()
        await expect(too_long).to_be_focused()
        await too_long.fill("Shorter.")
        await summary.get_by_role("link").nth(0).tap()
        await expect(page.get_by_label("Yes")).to_be_focused()
        await page.get_by_label("No", exact=True).tap()
        await page.get_by_role("button", name="Send my answer").tap()

        await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you for your answer")
        await expect(page.get_by_text("Shorter.")).to_be_visible()


async def test_axe_finds_nothing_on_any_page(address: str, service: FeedbackService, phone: NewPage) -> None:
    _, other = await service.ask()
    async with phone() as page:
        await page.goto(address)
        await assert_accessible(page)

        await page.get_by_role("button", name="Send my answer").tap()
        await expect(page.get_by_role("alert")).to_be_visible()
        await assert_accessible(page)

        await page.get_by_label("Yes").tap()
        await page.get_by_label("1: Very poor").tap()
        await page.get_by_label("What should change? (optional)").fill("Everything.")
        await page.get_by_role("button", name="Send my answer").tap()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Thank you for your answer")
        await assert_accessible(page)

        await page.goto(address + "x")
        await expect(page.get_by_role("heading", level=1)).to_have_text("This link is not valid")
        await assert_accessible(page)

        await page.goto(service.url(other))
        await page.get_by_label("Yes").tap()
        await page.get_by_label("3: Fair").tap()
        assert (await service.answer(other, took_place="no", rating="2")).status_code == 200
        await page.get_by_role("button", name="Send my answer").tap()
        await expect(page.get_by_role("alert")).to_contain_text("Only the first answer counts")
        await expect(page.get_by_text("2: Poor")).to_be_visible()
        await assert_accessible(page)


async def _expect_visible_focus(page: Page, name: str) -> None:
    focused = await page.evaluate(_FOCUSED)
    assert focused["name"] == name
    assert focused["outline"] >= 2
