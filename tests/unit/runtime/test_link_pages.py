"""The routes of a page behind a signed link."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi.responses import HTMLResponse

from mentorstream_runtime.http import create_app
from mentorstream_runtime.link_pages import LinkForm, add_link_page
from mentorstream_runtime.links import BadLink
from mentorstream_runtime.settings import ProcessSettings

FORM_TYPE = "application/x-www-form-urlencoded"
FORM = LinkForm(
    summary="Say it",
    fields={"word": {"type": "string"}},
    required=("word",),
    example={"word": "yes"},
    gone="It is over.",
    again="no word was sent.",
)


async def show(token: str) -> HTMLResponse:
    if token == "forged":
        raise BadLink("forged")
    return HTMLResponse(f"form of {token}")


async def submit(token: str, entered: Mapping[str, str]) -> HTMLResponse:
    return HTMLResponse(f"{token}: {dict(entered)}")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(ProcessSettings(kafka_bootstrap="unused:9092"), title="test")
    add_link_page(app, "/words", FORM, show=show, submit=submit)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as made:
        yield made


async def test_one_address_shows_and_takes(client: httpx.AsyncClient) -> None:
    assert (await client.get("/words/abc")).text == "form of abc"
    assert (await client.get("/words/forged")).status_code == 404
    answer = await client.post("/words/abc", content="word=no&word=yes", headers={"content-type": FORM_TYPE})
    assert answer.text == "abc: {'word': 'yes'}"


async def test_files_are_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post("/words/abc", files={"word": ("a.txt", b"yes")})).status_code == 400


async def test_the_description_tells_the_form_and_its_answers(client: httpx.AsyncClient) -> None:
    paths: dict[str, Any] = (await client.get("/openapi.json")).json()["paths"]["/words/{token}"]
    assert paths["post"]["requestBody"]["content"][FORM_TYPE]["schema"]["required"] == ["word"]
    assert {"200", "404", "409", "410", "422"} == set(paths["post"]["responses"])
    assert paths["get"]["responses"]["410"]["description"] == "It is over."
