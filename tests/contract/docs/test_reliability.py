"""The table of faults: each fault of the issue has a test and a row, and what a row names exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from tests.faults import reliability

ROOT: Final = Path(__file__).parents[3]
FAULTS: Final = reliability.read_faults()
# Numbered as they were agreed; F14 was never given.
AGREED: Final = [f"F{number}" for number in range(1, 20) if number != 14]
_MARK: Final = re.compile(r'pytest\.mark\.fault\(((?:"F\d+"(?:, )?)+)\)')
_OF_THE_PROCESS: Final = "process_start_time_seconds"


def _sources() -> str:
    packages = [*(ROOT / "libs").glob("*/src"), *(ROOT / "services").glob("*/src")]
    return "\n".join(path.read_text("utf-8") for package in packages for path in package.rglob("*.py"))


def test_each_fault_has_a_row() -> None:
    assert list(FAULTS) == AGREED


@pytest.mark.parametrize("name", AGREED)
def test_a_row_names_what_exists(name: str) -> None:
    row, sources = FAULTS[name], _sources()
    test = ROOT / "tests" / "faults" / row["test"]
    marked = {fault for found in _MARK.findall(test.read_text("utf-8")) for fault in re.findall(r"F\d+", found)}
    assert name in marked, f"{test.name} has no test with the mark of {name}"
    assert [metric for metric in row["metrics"] if metric != _OF_THE_PROCESS and f'"{metric}"' not in sources] == []
    assert [event for event in row["logs"] if f'"{event}"' not in sources] == []


def test_the_page_is_the_one_that_is_made() -> None:
    made = reliability.PAGE.read_text("utf-8") == reliability.page()
    assert made, "docs/reliability/index.md is stale: run `python -m tests.faults.reliability`"
