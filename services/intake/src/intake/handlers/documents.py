"""JSON as intake takes it: strict, bounded, and the same to every reader.

Two readers may understand one text differently when it names a key twice, holds NaN, or half of a surrogate pair; such
texts are refused, not repaired. Depth is bounded because whoever reads on may recurse.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final, NoReturn

import msgspec

from mentorstream_events import has_control_character

from ..domain.refusals import Refused, Violation, refuse

DEPTH_LIMIT: Final = 16
_TITLE: Final = "This is not JSON that can be accepted"
_CONTAINERS: Final = frozenset({dict, list})
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class _DoubleKeyError(ValueError):
    """A key is twice in one object."""


def parse(raw: bytes) -> Any:
    """The value of a JSON text. Raises Refused("malformed")."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _parse_strictly(raw)
    depth, names = _extent(value)
    if depth > DEPTH_LIMIT or names != _names_in(raw) or has_control_character(raw):
        return _parse_strictly(raw)
    return value


def _names_in(raw: bytes) -> int:
    """How many keys a JSON text has: the colons outside of its strings. More than its value has: one is there twice."""
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
    if _extent(value)[0] > DEPTH_LIMIT:
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


def _extent(value: object) -> tuple[int, int]:
    """How deep the value is, as far as one level below the limit, and how many keys it has so far."""
    depth = names = 0
    layer: list[Any] = [value] if type(value) in _CONTAINERS else []
    while layer and depth <= DEPTH_LIMIT:
        depth += 1
        inner: list[Any] = []
        for each in layer:
            members = each
            if type(each) is dict:
                names += len(each)
                members = each.values()
            inner += [member for member in members if type(member) in _CONTAINERS]
        layer = inner
    return depth, names


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
