"""The questions, and what counts as an answer to them.

Entered values come as text and leave as an `Answer`, or as one message for each field that needs another look. A
message never repeats what was entered: texts are private and messages are logged more easily than meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Field = Literal["took_place", "rating", "went_well", "to_change"]
FieldErrors: TypeAlias = Mapping[Field, str]

TEXT_LIMIT: Final = 2000
"""Most characters of one text, counted after line ends became one character each."""

RATINGS: Final[Mapping[int, str]] = {1: "Very poor", 2: "Poor", 3: "Fair", 4: "Good", 5: "Very good"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One person's answer about one meeting. The texts are private to them and their own coordinators."""

    took_place: bool
    rating: int
    went_well: str = ""
    to_change: str = ""
    wants_rematch: bool = False


def read_answer(entered: Mapping[str, str]) -> Answer | FieldErrors:
    """The answer in a form's fields, or what is wrong with each field, in the order of the page.

    Fields: took_place yes|no, rating 1 to 5, went_well and to_change (texts, may be missing), wants_rematch yes or
    missing. Unknown fields are ignored.
    """
    errors: dict[Field, str] = {}
    took_place = entered.get("took_place", "")
    if took_place not in ("yes", "no"):
        errors["took_place"] = "Choose whether the meeting took place."
    rating = entered.get("rating", "")
    if rating not in {str(number) for number in RATINGS}:
        errors["rating"] = "Choose a rating."
    went_well = plain_text(entered.get("went_well", ""))
    if len(went_well) > TEXT_LIMIT:
        errors["went_well"] = _too_long("what went well", went_well)
    to_change = plain_text(entered.get("to_change", ""))
    if len(to_change) > TEXT_LIMIT:
        errors["to_change"] = _too_long("what to change", to_change)
    if errors:
        return errors
    return Answer(
        took_place=took_place == "yes",
        rating=int(rating),
        went_well=went_well,
        to_change=to_change,
        wants_rematch=entered.get("wants_rematch", "") == "yes",
    )


def plain_text(text: str) -> str:
    """The text without surrounding space, with `\\n` as line end and without other control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        character
        for character in lines
        if character in "\n\t" or not ("\x00" <= character < " " or "\x7f" <= character < "\xa0")
    ).strip()


def _too_long(subject: str, text: str) -> str:
    return f"Shorten {subject} to {TEXT_LIMIT} characters; it has {len(text)}."
