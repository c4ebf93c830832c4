"""JSON as intake takes it: strict, bounded, and the same to every reader.

Two readers may understand one text differently when it names a key twice, holds NaN, or half of a surrogate pair; such
texts are refused, not repaired. Depth is bounded because whoever reads on may recurse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from types import GenericAlias
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from mentorstream_events import has_control_character

from ..domain.refusals import Refused, Violation, refuse

T = TypeVar("T")

DEPTH_LIMIT: Final = 16
_TITLE: Final = "This is not JSON that can be accepted"
_CONTAINERS: Final = frozenset({dict, list})
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def _bounded(levels: int) -> Any:
    """The type of JSON values that are nested so deep at most: msgspec bounds them while it reads them."""
    scalar: Any = None | bool | int | float | str
    kind = scalar
    for _ in range(levels):
        kind = scalar | GenericAlias(list, kind) | GenericAlias(dict, (str, kind))
    return kind


_VALUE: Final = msgspec.json.Decoder(_bounded(DEPTH_LIMIT))
# The data of an event: below the event itself, and a list of events around it.
DATA: Final = _bounded(DEPTH_LIMIT - 2)


class _DoubleKeyError(ValueError):
    """A key is twice in one object."""


def parse(raw: bytes) -> Any:
    """The value of a JSON text. Raises Refused("malformed")."""
    value = parse_as(raw, _VALUE)
    # `null` is read in good time either way.
    return _parse_strictly(raw) if value is None else value


def parse_as(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T | None:
    """The value of a JSON text that is what the decoder reads. None for any other: `parse` says what it is."""
    try:
        value = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if _says_more(raw, value) or has_control_character(raw) else value


def _says_more(raw: bytes, value: object) -> bool:
    """Whether a JSON text has more keys than the value that was read from it: one of them is there twice."""
    written = msgspec.json.encode(value)
    if b"\\" in raw:
        return _names_in(raw) > _names_in(written)
    # Without a backslash the texts of both have the same colons, and each key has one of its own.
    return raw.count(b":") > written.count(b":")


def _names_in(raw: bytes) -> int:
    """How many keys a JSON text has: the colons outside of its strings."""
    if b"\\" in raw:
        raw = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    return b"".join(raw.split(b'"')[::2]).count(b":")


def _parse_strictly(raw: bytes) -> Any:
    """As `parse`, in many times the time; says what is wrong and where."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("", f"byte {error.start} is not UTF-8; expected JSON in UTF-8") from None
    if text.startswith("\ufeff"):
        raise _malformed("", "starts with a byte order mark; leave it out")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _malformed("", f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise _malformed("", str(error)) from None
    if _depth(value) > DEPTH_LIMIT:
        raise _too_deep()
    if _SURROGATE.search(text):
        _refuse_lone_surrogates(value)
    if has_control_character(raw):
        raise Refused("malformed", _TITLE, list(_control_characters(value, "")))
    return value


def digest(value: object) -> bytes:
    """SHA-256 of the value whatever the order of its keys and its white space: whether two bodies say the same."""
    return sha256(msgspec.json.encode(value, order="sorted")).digest()


def pointer_token(name: object) -> str:
    """One reference token of a JSON pointer with its slash (RFC 6901 section 3)."""
    return "/" + str(name).replace("~", "~0").replace("/", "~1")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise _DoubleKeyError(f"the key {name!r} is twice in one object; each may be there once")
        members[name] = value
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _depth(value: object) -> int:
    """How deep the value is, as far as one level below the limit."""
    depth = 0
    layer: list[Any] = [value] if type(value) in _CONTAINERS else []
    while layer and depth <= DEPTH_LIMIT:
        depth += 1
        members = (each.values() if type(each) is dict else each for each in layer)
        layer = [member for inner in members for member in inner if type(member) in _CONTAINERS]
    return depth


def _refuse_lone_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise _malformed("", "a text has half of a surrogate pair; expected whole characters") from None


def _control_characters(value: object, pointer: str) -> Iterator[Violation]:
    if isinstance(value, str):
        if any(character < " " for character in value):
            yield Violation(pointer, "has a control character such as a line break or NUL; expected one line of text")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _control_characters(inner, pointer + pointer_token(index))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _control_characters(name, pointer)
            yield from _control_characters(inner, pointer + pointer_token(name))


def _malformed(pointer: str, detail: str) -> Refused:
    return refuse("malformed", _TITLE, pointer, detail)


def _too_deep() -> Refused:
    return _malformed("", f"nested deeper than {DEPTH_LIMIT} levels")
