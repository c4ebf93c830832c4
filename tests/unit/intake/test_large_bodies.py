"""Bodies that are large and wrong are refused in time that grows with their size, not with its square."""

from __future__ import annotations

import json

import pytest

from intake.domain.refusals import Refused
from intake.handlers.documents import parse
from intake.handlers.rows import COLUMNS, read_csv


class CountingName(str):
    """A key that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        CountingName.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_key_that_is_twice_is_found_without_comparing_all_with_all() -> None:
    from intake.handlers.documents import _DoubleKeyError, _object

    names = [CountingName(f"k{number}") for number in range(2000)]
    with pytest.raises(_DoubleKeyError, match="k1999"):
        _object([*((name, 1) for name in names), (CountingName("k1999"), 2)])
    assert CountingName.compared < 10 * len(names)


def test_a_key_that_is_twice_is_named() -> None:
    body = json.dumps({f"k{number}": 1 for number in range(50_000)})[:-1] + ', "k49999": 2}'
    with pytest.raises(Refused) as refused:
        parse(body.encode())
    assert "'k49999'" in refused.value.violations[0].detail


def test_a_header_with_far_too_many_columns_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(Refused) as refused:
        list(read_csv(",".join(["programme"] * 10 * len(COLUMNS)).encode(), 100))
    assert str(10 * len(COLUMNS)) in refused.value.violations[0].detail
