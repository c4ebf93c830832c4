"""How much the tests of faults do, and what they write down: docs/reliability/results.json."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pytest

RESULTS: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability" / "results.json"
_SEED: Final = 20260309
_SLACK: Final = 3.0  # other people's machines are slow; what is promised is held in the long form


@dataclass(frozen=True, slots=True)
class Effort:
    """The short form, or the long one, and the seed of every random choice."""

    long: bool
    seed: int
    asked_rounds: int | None

    @classmethod
    def asked(cls) -> Effort:
        """By MENTORSTREAM_FAULTS=long, MENTORSTREAM_FAULTS_SEED and MENTORSTREAM_FAULTS_ROUNDS."""
        rounds = os.environ.get("MENTORSTREAM_FAULTS_ROUNDS")
        return cls(
            long=os.environ.get("MENTORSTREAM_FAULTS") == "long",
            seed=int(os.environ.get("MENTORSTREAM_FAULTS_SEED") or _SEED),
            asked_rounds=int(rounds) if rounds else None,
        )

    def rounds(self, short: int, long: int) -> int:
        """How often something is done."""
        return self.asked_rounds or (long if self.long else short)

    def size(self, short: int, long: int) -> int:
        """How much of something, whatever ROUNDS says."""
        return long if self.long else short

    def limit(self, seconds: float) -> float:
        """A promised limit: as it is in the long form, three times as much in the short one."""
        return seconds if self.long else seconds * _SLACK


@dataclass(slots=True)
class Record:
    """Figures of one test, by name; units in the names."""

    figures: dict[str, Any] = field(default_factory=dict)

    def __call__(self, **figures: Any) -> None:
        """Keep them. Seconds are rounded."""
        for name, value in figures.items():
            self.figures[name] = round(value, 2) if isinstance(value, float) else value


def write_result(
    fault: str, node: pytest.Item, effort: Effort, record: Record, *, passed: bool, seconds: float
) -> None:
    """Put one test's result into the file, in place of the one before it."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    stored: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    stored["machine"] = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
    tests = stored.setdefault("faults", {}).setdefault(fault, {})
    tests[node.name] = {
        "passed": passed,
        "seed": effort.seed,
        "at": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds, 1),
        "figures": record.figures,
    }
    stored["faults"] = dict(sorted(stored["faults"].items(), key=lambda fault: int(fault[0].removeprefix("F"))))
    RESULTS.write_text(json.dumps(stored, indent=2) + "\n")
