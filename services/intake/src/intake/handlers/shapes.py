"""Whether a document has the shape of its contract, and if not, every place where it differs, in plain words.

msgspec decides; it stops at the first fault. So when it finds one, the document is gone through field by field to name
all of them. Values are not repeated where they could be personal.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from mentorstream_events.partner import Request

from ..domain.refusals import Refused, Violation
from .documents import pointer_token

RequestT = TypeVar("RequestT", bound=Request)

_TITLE: Final = "The request does not have the shape of its type"
_PATTERNS: Final = {
    "reference": "1 to 100 of letters, digits and . _ @ -, the first a letter or digit",
    "program": "your own id of the program (letters, digits and . _ -), or owner/id for a program opened to you",
    "email": "one bare address such as name@example.org",
    "languages": "a language tag such as en or pt-BR",
    "locale": "a language tag such as en or pt-BR",
    "open_to": "an organisation's short name: lower-case letters, digits and -",
    "start": "local time as HH:MM, from 00:00 to 24:00",
    "end": "local time as HH:MM, from 00:00 to 24:00",
}
_PATTERNS_OF_PEOPLE: Final = ("person", "manager", "blocks")
_WORDS: Final = (
    ("`str`", "text"),
    ("`int`", "a whole number"),
    ("`float`", "a number"),
    ("`bool`", "true or false"),
    ("`array`", "a list"),
    ("`object`", "an object"),
    ("`null`", "null"),
)
_LENGTH: Final = re.compile(r"Expected (text|a list) of length (>=|<=) (\d+)")
_BOUND: Final = re.compile(r"Expected (a whole number|a number) (>=|<=) (\S+)")


def shaped(document: object, model: type[RequestT]) -> RequestT:
    """The document as its contract's model. Raises Refused("invalid") with all faults of shape."""
    try:
        return msgspec.convert(document, model)
    except msgspec.ValidationError as error:
        faults = list(_faults(document, model, "", "")) or [Violation("", _in_words(str(error), "", document))]
        raise Refused("invalid", _TITLE, faults) from None


def _faults(value: object, expected: Any, pointer: str, name: str) -> Iterator[Violation]:
    try:
        msgspec.convert(value, expected)
    except msgspec.ValidationError as error:
        bare = _bare(expected)
        inner: list[Violation] = []
        if _is_struct(bare) and isinstance(value, dict):
            inner = list(_struct_faults(value, bare, pointer))
        elif typing.get_origin(bare) is tuple and isinstance(value, list):
            of_each = typing.get_args(bare)[0]
            inner = [
                fault
                for index, item in enumerate(value)
                for fault in _faults(item, of_each, pointer + pointer_token(index), name)
            ]
        if inner:
            yield from inner
        else:
            yield Violation(pointer, _in_words(str(error), name, value, bare))


def _struct_faults(document: dict[str, object], model: type[msgspec.Struct], pointer: str) -> Iterator[Violation]:
    fields = {field.encode_name: field for field in _fields(model)}
    for name in document:
        if name not in fields:
            close = get_close_matches(name, fields, n=1, cutoff=0.6)
            hint = f"did you mean {close[0]}?" if close else f"expected only {', '.join(fields)}"
            yield Violation(pointer + pointer_token(name), f"unknown field; {hint}")
    for name, field in fields.items():
        if name in document:
            yield from _faults(document[name], field.type, pointer + pointer_token(name), name)
        elif field.required:
            yield Violation(pointer + pointer_token(name), "is missing")


@cache
def _fields(model: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(model)


def _bare(expected: Any) -> Any:
    return typing.get_args(expected)[0] if typing.get_origin(expected) is typing.Annotated else expected


def _is_struct(expected: Any) -> bool:
    return isinstance(expected, type) and issubclass(expected, msgspec.Struct)


def _in_words(message: str, name: str, value: object, expected: Any = None) -> str:
    """msgspec's sentence for people who do not know Python's types, with what was expected."""
    text = message.partition(" - at `")[0]
    if "matching regex" in text:
        return f"expected {_PATTERNS['reference' if name in _PATTERNS_OF_PEOPLE else name]}"
    if text.startswith("Invalid enum value"):
        return f"{value!r} is not among {', '.join(typing.get_args(expected))}"
    for technical, plain in _WORDS:
        text = text.replace(technical, plain)
    if match := _LENGTH.search(text):
        kind, sign, count = match.groups()
        unit = "characters" if kind == "text" else "entries"
        return f"expected {'at least' if sign == '>=' else 'at most'} {count} {unit}"
    if match := _BOUND.search(text):
        kind, sign, bound = match.groups()
        return f"{value} is out of bounds; expected {kind} of {'at least' if sign == '>=' else 'at most'} {bound}"
    return text[:1].lower() + text[1:]
