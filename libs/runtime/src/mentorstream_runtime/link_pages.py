"""The page behind a signed link: GET shows a form, POST takes it. Both on one address, for a person without a password.

GET must change nothing, because mail scanners open links. What a link is good for, and what becomes of an answer, is
the service's; what is here is what its page and its API's description have in common with every other's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

_FIELD_LIMIT: Final = 20
Show: TypeAlias = Callable[[str], Awaitable[HTMLResponse]]
Submit: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[HTMLResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkForm:
    """What the API's description says of a form. `fields` are JSON Schemas by name, `gone` and `again` are why a link
    or what was entered is not taken.
    """

    summary: str
    fields: Mapping[str, Mapping[str, Any]]
    required: tuple[str, ...]
    example: Mapping[str, str]
    gone: str
    again: str


def add_link_page(app: FastAPI, path: str, form: LinkForm, *, show: Show, submit: Submit) -> None:
    """Add both routes at `path`/{token}. `submit` gets the form's text fields; either may raise BadLink.

    Of a field that is sent several times the last one counts. Files are refused.
    """
    shown: dict[int | str, dict[str, Any]] = {
        404: {"description": "Not a link of ours, or nothing is behind it."},
        410: {"description": form.gone},
    }
    taken: dict[int | str, dict[str, Any]] = {
        **shown,
        409: {"description": "Answered before, and differently: the first answer stays."},
        422: {"description": f"The page again: {form.again}"},
    }
    schema = {"type": "object", "required": list(form.required), "properties": dict(form.fields)}
    content = {"application/x-www-form-urlencoded": {"schema": schema, "example": dict(form.example)}}

    @app.get(path + "/{token}", response_class=HTMLResponse, responses=shown, summary="Show the form")
    async def show_form(token: str) -> HTMLResponse:
        """The form or, where there is nothing to answer any more, why. Changes nothing."""
        return await show(token)

    @app.post(
        path + "/{token}",
        response_class=HTMLResponse,
        responses=taken,
        openapi_extra={"requestBody": {"required": True, "content": content}},
        summary=form.summary,
    )
    async def submit_form(token: str, request: Request) -> HTMLResponse:
        """Take the answer once. Sending the same one again gives the same outcome."""
        async with request.form(max_files=0, max_fields=_FIELD_LIMIT) as entered:
            fields = {name: value for name, value in entered.multi_items() if isinstance(value, str)}
        return await submit(token, fields)
