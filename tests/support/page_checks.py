"""What every page for people must keep to: no accessibility violation, no sideways scrolling, targets large enough."""

from __future__ import annotations

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page

_SMALLEST_TARGET_PIXELS = 24

# A label is part of its control's target; links within a sentence are exempt (WCAG 2.2, 2.5.8).
_TARGETS = """() => [...document.querySelectorAll('a, button, input, textarea, select, summary')]
    .filter(element => element.type !== 'hidden' && !element.closest('p'))
    .map(element => {
        const box = (element.closest('label') ?? element).getBoundingClientRect();
        return {name: element.id || element.textContent.trim(), width: box.width, height: box.height};
    })"""
_OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def assert_accessible(page: Page) -> None:
    """axe-core finds nothing, in light and dark. The page must allow scripts: axe is one."""
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        results = await Axe().run(page)
        found = [
            f"{violation['id']}: {violation['help']}: {[node['html'] for node in violation['nodes']]}"
            for violation in results.response["violations"]
        ]
        assert found == [], f"{scheme}: {found}"


async def assert_fits(page: Page) -> None:
    """Nothing has to be scrolled sideways, and what is tapped is at least 24 pixels wide and high."""
    assert await page.evaluate(_OVERFLOW) <= 0
    small = [
        target
        for target in await page.evaluate(_TARGETS)
        if target["width"] < _SMALLEST_TARGET_PIXELS or target["height"] < _SMALLEST_TARGET_PIXELS
    ]
    assert small == []
