"""Fault points: passed by the product, armed by tests alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from tests.faults import pointed, wrong_clock
from tests.faults.pointed import Armed, AskedTo, Wanted

from mentorstream_runtime import points

ROOT = Path(__file__).parents[3]
SOURCES = [
    path
    for part in ("libs", "services", "deploy")
    for path in sorted((ROOT / part).rglob("*.py"))
    if "src" in path.parts
]


@pytest.fixture
def _disarmed() -> Iterator[None]:
    yield
    points.arm(lambda _point: None)


@pytest.mark.usefixtures("_disarmed")
def test_a_point_does_what_it_was_armed_for_at_the_time_that_was_asked() -> None:
    points.reach("after_commit")
    points.arm(Armed([Wanted.parse("after_commit:raise:2"), Wanted.parse("before_commit:raise")]))
    points.reach("after_commit")
    with pytest.raises(AskedTo, match="before_commit"):
        points.reach("before_commit")
    with pytest.raises(AskedTo, match="after_commit"):
        points.reach("after_commit")
    points.reach("after_commit")


@pytest.mark.parametrize("text", ["", "nowhere:kill", "after_commit:explode", "after_commit:kill:x", "after_commit"])
def test_what_is_no_point_or_action_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no point|invalid literal"):
        Wanted.parse(text)


def test_every_point_is_passed_once_in_the_product_and_nothing_there_can_arm_one() -> None:
    passed = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for variable in (pointed.POINT_VARIABLE, pointed.RECORD_VARIABLE, wrong_clock.CLOCK_VARIABLE):
            assert variable not in text, path
        assert not re.search(r"\bpoints\.arm\b|\bimport .*\b(arm|reach)\b", text), path
        passed += re.findall(r"\bpoints\.reach\(\"(\w+)\"\)", text)
    assert sorted(passed) == sorted(get_args(points.Point))
