"""A real Chromium for tests of pages: the one that MENTORSTREAM_CHROMIUM names, or the one that is installed.

Without one the tests fail and say what to do; they are never left out.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import pytest
from playwright.async_api import Browser, Page, async_playwright

NewPage: TypeAlias = Callable[..., AbstractAsyncContextManager[Page]]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_MISSING = (
    "The browser tests need Chromium and found none. Install it (Debian and Ubuntu: apt-get update && apt-get install"
    " -y chromium), or set MENTORSTREAM_CHROMIUM to the path of a Chromium or Chrome."
)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is. Fails where there is none."""
    named = os.environ.get("MENTORSTREAM_CHROMIUM")
    if named:
        if shutil.which(named) is None:
            pytest.fail(f"MENTORSTREAM_CHROMIUM is {named}, which is no program. {_MISSING}")
        return named
    found = next((path for name in _NAMES if (path := shutil.which(name)) is not None), None)
    if found is None:
        pytest.fail(_MISSING)
    return found


@pytest.fixture
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """A started Chromium."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium_path, args=_FLAGS)
        yield started
        await started.close()


@pytest.fixture
def phone(browser: Browser) -> NewPage:
    """Opens pages as a small phone shows them: `async with phone(java_script_enabled=False) as page`.

    Takes the options of `Browser.new_context`.
    """

    @contextlib.asynccontextmanager
    async def new_page(**options: object) -> AsyncIterator[Page]:
        settings: dict[str, object] = {
            "viewport": {"width": 320, "height": 568},
            "device_scale_factor": 2,
            "is_mobile": True,
            "has_touch": True,
            **options,
        }
        context = await browser.new_context(**settings)  # type: ignore[arg-type]
        yield await context.new_page()
        await context.close()

    return new_page


@pytest.fixture
def desk(browser: Browser) -> NewPage:
    """Opens pages as a desktop shows them, with a keyboard and without touch. Takes the options of `new_context`."""

    @contextlib.asynccontextmanager
    async def new_page(**options: object) -> AsyncIterator[Page]:
        settings: dict[str, object] = {"viewport": {"width": 1280, "height": 800}, **options}
        context = await browser.new_context(**settings)  # type: ignore[arg-type]
        yield await context.new_page()
        await context.close()

    return new_page
