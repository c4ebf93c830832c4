"""Results of the delivery benchmark have the shape that they are read by, and its page says what they say.

Nothing is measured here, and nothing is said about how large a number is: that is for a quiet machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.delivery.bed import Cpu, Timing
from benchmarks.delivery.findings import AIMS, Findings
from benchmarks.delivery.page import write_page

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks/results/delivery.json"
PAGE = ROOT / "docs/benchmarks/delivery.md"


def whole_run() -> dict[str, Any]:
    """As `__main__` puts it together."""
    findings = Findings(lambda _line: None)
    findings.rate("mentorstream", "registration to match", [Timing(1000, 2.0, Cpu(1.0, 0.5, 0.25), 100.0)])
    findings.latency("limit", "floor", [0.001 * number for number in range(1, 201)])
    findings.memory("mentorstream", "matching at 1000000 people", 512.0)
    findings.idle("matching", 0.011)
    for name in AIMS:
        findings.ratio(name, 1.0)
    assert findings.missing() == []
    return {"machine": {"cores": 2}, "cases": findings.cases, "ratios": findings.ratios}


def outcomes() -> list[dict[str, Any]]:
    """One made here, and the committed one as soon as there is one."""
    committed = [json.loads(RESULTS.read_text("utf-8"))] if RESULTS.exists() else []
    return [whole_run(), *committed]


@pytest.mark.parametrize("outcome", outcomes())
def test_results_hold_cases_and_every_ratio(outcome: dict[str, Any]) -> None:
    assert set(outcome) == {"machine", "cases", "ratios"}
    assert set(outcome["ratios"]) == set(AIMS)
    assert all(value > 0 for value in outcome["ratios"].values())
    for case in outcome["cases"]:
        assert {"subject", "stage"} <= set(case)
        assert {"events_per_second", "p99_ms", "memory_mebibytes", "percent_of_a_core"} & set(case), case
        if "events_per_second" in case:
            assert case["events_per_second"] > 0
            assert case["cpu_seconds_per_1000"] >= 0


@pytest.mark.parametrize("outcome", outcomes())
def test_the_page_shows_every_case_and_ratio(outcome: dict[str, Any]) -> None:
    page = write_page(outcome)
    for case in outcome["cases"]:
        assert f"| {case['subject']} | {case['stage']} |" in page
    for name, aim in AIMS.items():
        assert f"| {name} | {outcome['ratios'][name]:.3g} | {aim} |" in page


def test_the_committed_page_is_that_of_the_committed_results() -> None:
    assert PAGE.exists() == RESULTS.exists()
    if RESULTS.exists():
        assert PAGE.read_text("utf-8") == write_page(json.loads(RESULTS.read_text("utf-8")))


def test_what_was_not_measured_is_an_error() -> None:
    findings = Findings(lambda _line: None)
    with pytest.raises(ValueError, match="nothing was measured"):
        findings.rate("mentorstream", "stage", [])
    with pytest.raises(ValueError, match="nothing was measured"):
        findings.rate("mentorstream", "stage", [Timing(0, 1.0, Cpu(0.0, 0.0, 0.0), 0.0)])
    with pytest.raises(ValueError, match="too few"):
        findings.latency("mentorstream", "stage", [0.1] * 99)
    for value in (0.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="cannot be"):
            findings.ratio("latency_p99_over_floor", value)
    with pytest.raises(ValueError, match="cannot be"):
        findings.ratio("of_my_own", 1.0)
    assert findings.missing() == list(AIMS)
