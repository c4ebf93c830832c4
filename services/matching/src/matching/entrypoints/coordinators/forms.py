"""What comes in with the forms of the coordinators' page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from fastapi import Request

from mentorstream_runtime.http import Problem

DRAFTS: Final = 200  # drafts on one page, each of which may be chosen
_FIELDS: Final = DRAFTS + 20
Fields = Mapping[str, Sequence[str]]


async def fields_of(request: Request) -> dict[str, list[str]]:
    """The form's text fields. Of files none is taken."""
    found: dict[str, list[str]] = {}
    async with request.form(max_files=0, max_fields=_FIELDS) as entered:
        for name, value in entered.multi_items():
            if isinstance(value, str):
                found.setdefault(name, []).append(value)
    return found


def one(fields: Fields, name: str) -> str:
    """A field of which one is wanted: the last that came, or nothing."""
    values = fields.get(name, ())
    return values[-1].strip() if values else ""


def pair_of(text: str) -> tuple[UUID, UUID]:
    """A drafted pair as its checkbox names it. Raises Problem."""
    mentor_id, _, mentee_id = text.partition(" ")
    try:
        return UUID(mentor_id), UUID(mentee_id)
    except ValueError:
        raise Problem(422, "This is no pair", "Please open the page anew.") from None


def percent(text: str | None, now: float) -> int:
    """A weight as its slider gives it; as it is now where that is no number."""
    if text is None or not text.isdecimal() or len(text) > 3:
        return round(100 * now)
    return min(100, int(text))
