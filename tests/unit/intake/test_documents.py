"""Strict JSON: what is read equals what the standard library reads, what is ambiguous is refused."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.domain.refusals import Refused
from intake.handlers.documents import DEPTH_LIMIT, digest, parse

_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=20,
)


@given(_json, st.booleans())
def test_plain_json_is_read_as_it_is(value: Any, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse(raw) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(Refused):
        parse(raw)


@given(_json)
def test_the_digest_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    def turned(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {name: turned(inner[name]) for name in reversed(inner)}
        return [turned(each) for each in inner] if isinstance(inner, list) else inner

    assert digest(value) == digest(turned(value))


def test_the_digest_tells_values_apart() -> None:
    values: list[Any] = [None, False, 0, "", "0", [], {}, {"a": 1}, {"a": "1"}, [1, 2], [2, 1], {"a": None}]
    assert len({digest(value) for value in values}) == len(values)


@pytest.mark.parametrize(("depth", "fits"), [(DEPTH_LIMIT, True), (DEPTH_LIMIT + 1, False)])
def test_depth_has_a_limit(depth: int, fits: bool) -> None:
    raw = b'{"a":' * (depth - 1) + b"[]" + b"}" * (depth - 1)
    if fits:
        parse(raw)
    else:
        with pytest.raises(Refused):
            parse(raw)


def test_a_control_character_is_found_where_it_is() -> None:
    with pytest.raises(Refused) as caught:
        parse(b'{"a": [{"b/c~d": "x\\u0000"}], "e": "\\\\n"}')
    assert [fault.pointer for fault in caught.value.violations] == ["/a/0/b~1c~0d"]
