"""Runs the cases, checks the answers against each other, prints the table and writes benchmarks/results/matching.json.

make bench-matching every case make bench-matching CASES=10k_two_sided some of them; what is in the file of the others
stays

Each subject runs alone in a process of its own, peers in virtual environments with pinned versions. An answer that is
not allowed, or not as good as it claims, ends the run. A peer that takes longer than PATIENCE_SECONDS is stopped;
ratios to it then state what is certain: at least so much.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.matching import instances
from matching.domain.engine import certificate
from matching.domain.engine.market import Market, market

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
CACHE: Final = ROOT / ".cache" / "bench-matching"
RESULTS: Final = ROOT / "benchmarks" / "results" / "matching.json"
PATIENCE_SECONDS: Final = 1800
# Where a peer's program and its requirements have different names.
_PEERS: Final = {
    "ortools": "ortools_flow",
    "scipy": "scipy_bipartite",
    "matching": "matching_library",
    "algmatch": "algmatch_library",
    "munkres": "mentor_match",
}


@dataclass(frozen=True, slots=True)
class Case:
    """How to make its input, and who is measured on it: ours by their names in `subjects`, peers by theirs."""

    make: Callable[[Path], None]
    ours: str
    peers: tuple[str, ...] = ()


def _counts(mentees: int, mentors: int) -> Callable[[Path], None]:
    return lambda path: instances.save(path, mentees=np.array([mentees]), mentors=np.array([mentors]))


CASES: Final[dict[str, Case]] = {
    "100k_x_64": Case(
        lambda path: instances.sparse(path, 100_000, 64, places=3, mentors=33_400), "auction", ("ortools",)
    ),
    "100k_x_64_ties": Case(
        lambda path: instances.sparse(path, 100_000, 64, places=3, mentors=33_400, rounded=True),
        "auction",
        ("ortools",),
    ),
    "100k_x_32_one_place": Case(
        lambda path: instances.sparse(path, 100_000, 32, places=1, mentors=100_000), "auction", ("scipy",)
    ),
    "10k_two_sided": Case(
        lambda path: instances.two_sided(path, 10_000, 32, places=3, mentors=3_400), "stable", ("matching", "algmatch")
    ),
    "500_survey": Case(lambda path: instances.survey(path, 500), "exact", ("munkres",)),
    "round_10k": Case(_counts(10_000, 3_400), "round"),
    "round_100k": Case(_counts(100_000, 33_400), "round"),
    "1m_x_32": Case(lambda path: instances.sparse(path, 1_000_000, 32, places=3, mentors=340_000), "auction"),
    "arrivals_33k": Case(_counts(20_000, 33_000), "arrivals"),
    "arrivals_100k": Case(_counts(20_000, 100_000), "arrivals"),
    "withdrawals_100k": Case(lambda path: instances.sparse(path, 100_000, 32, places=3, mentors=36_000), "withdrawals"),
}


def peer_python(peer: str) -> Path:
    """The peer's interpreter; makes its environment on first use, with exactly the files that are pinned."""
    home = CACHE / "venvs" / peer
    python = home / "bin" / "python"
    done = home / "installed"
    pinned = (HERE / "peers" / f"{peer}.txt").read_text(encoding="utf-8")
    if not done.exists() or done.read_text(encoding="utf-8") != pinned:
        venv.create(home, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", f"{HERE}/peers/{peer}.txt"]
        subprocess.run(command, check=True)  # noqa: S603 - names of this file
        done.write_text(pinned, encoding="utf-8")
    return python


def measure(command: list[str], case: Path, name: str) -> tuple[dict[str, Any], npt.NDArray[np.int64] | None]:
    """Run one subject; its figures and whom each mentee got."""
    out = case / "answers" / f"{name}.json"
    out.parent.mkdir(exist_ok=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    quiet = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    if command[0] != sys.executable:
        quiet.pop("PYTHONPATH", None)  # a peer sees its own packages only; one of them is named `matching` as ours is
    try:
        subprocess.run([*command, str(case), str(out)], check=True, timeout=PATIENCE_SECONDS, env=quiet, cwd=ROOT)  # noqa: S603
    except subprocess.TimeoutExpired:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        return {"seconds": float(PATIENCE_SECONDS), "cpu_seconds": spent, "stopped": True}, None
    figures: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return figures, np.load(out.with_suffix(".npy"))


def completed(case: Path, figures: dict[str, Any], mentor_of: npt.NDArray[np.int64] | None) -> dict[str, Any]:
    """Add what the answer is worth, by this process and not by the subject. Ends the run if it is not allowed."""
    figures.setdefault("bound", None)
    if "peak_mib" in figures:
        figures["used_mib"] = figures["peak_mib"] - figures.pop("base_mib")
    if mentor_of is None:
        return {**figures, "value": None, "matched": None}
    figures["matched"] = int(np.count_nonzero(mentor_of >= 0))
    if not (case / "points.npy").exists():
        figures.setdefault("value", None)
        return figures
    pool = _market(case)
    if figures.get("value") is None:
        answer = mentor_of.astype(np.int32)
        if faults := certificate.infeasible(pool, answer):
            raise SystemExit(f"{case.name}: {faults}")
        figures["value"] = certificate.value_of(pool, answer)
    if figures["bound"] is not None and figures["value"] > figures["bound"]:
        raise SystemExit(f"{case.name}: worth {figures['value']}, above its own bound {figures['bound']}")
    return figures


def _market(case: Path) -> Market:
    return market(*(np.load(case / f"{name}.npy") for name in ("start", "mentor", "points", "capacity")))


def run_case(name: str) -> list[dict[str, Any]]:
    path, case = CACHE / "cases" / name, CASES[name]
    if not (path / "made").exists():
        case.make(path)
        (path / "made").touch()
    rows, answers = [], []
    ours = [sys.executable, "-m", "benchmarks.matching.subjects", case.ours]
    for subject, command in (
        ("mentorstream", ours),
        *((peer, [str(peer_python(peer)), str(HERE / "peers" / f"{_PEERS[peer]}.py")]) for peer in case.peers),
    ):
        print(f"{name}: {subject} ...", file=sys.stderr, flush=True)
        figures, mentor_of = measure(command, path, subject)
        rows.append({"case": name, "subject": subject, **completed(path, figures, mentor_of)})
        answers.append(mentor_of)
    for row, answer in zip(rows[1:], answers[1:], strict=True):
        compare(name, rows[0], row, answers[0], answer)
    return rows


def compare(name: str, mine: dict[str, Any], theirs: dict[str, Any], my_answer: Any, their_answer: Any) -> None:
    """Ends the run if two subjects contradict each other."""
    if their_answer is None:
        return
    if name == "10k_two_sided" and not np.array_equal(my_answer, their_answer):
        raise SystemExit(f"{name}: {theirs['subject']} found another stable matching")
    if name == "500_survey" and mine["value"] != theirs["value"]:
        raise SystemExit(f"{name}: {theirs['subject']} found {theirs['value']}, not {mine['value']}")
    if mine["bound"] is not None and theirs["value"] > mine["bound"]:
        raise SystemExit(f"{name}: {theirs['subject']} is worth more than our bound")


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures by name, of those cases that were measured."""
    of = {(row["case"], row["subject"]): row for row in rows}
    found: dict[str, float] = {}

    def compared(ratio: str, case: str, peer: str, figure: str, *, ours_over_theirs: bool) -> None:
        mine, theirs = of.get((case, "mentorstream")), of.get((case, peer))
        if mine and theirs and mine.get(figure) is not None and theirs.get(figure) is not None:
            one, other = (mine, theirs) if ours_over_theirs else (theirs, mine)
            found[ratio] = one[figure] / other[figure]

    compared("value_over_mcf", "100k_x_64", "ortools", "value", ours_over_theirs=True)
    compared("speed_over_mcf", "100k_x_64", "ortools", "cpu_seconds", ours_over_theirs=False)
    compared("memory_of_mcf", "100k_x_64", "ortools", "used_mib", ours_over_theirs=True)
    compared("memory_of_mcf_whole_process", "100k_x_64", "ortools", "peak_mib", ours_over_theirs=True)
    compared("value_over_mcf_ties", "100k_x_64_ties", "ortools", "value", ours_over_theirs=True)
    compared("speed_over_mcf_ties", "100k_x_64_ties", "ortools", "cpu_seconds", ours_over_theirs=False)
    compared("value_over_scipy", "100k_x_32_one_place", "scipy", "value", ours_over_theirs=True)
    compared("speed_over_scipy", "100k_x_32_one_place", "scipy", "cpu_seconds", ours_over_theirs=False)
    compared("speed_over_matching", "10k_two_sided", "matching", "cpu_seconds", ours_over_theirs=False)
    compared("speed_over_algmatch", "10k_two_sided", "algmatch", "cpu_seconds", ours_over_theirs=False)
    compared("speed_over_munkres", "500_survey", "munkres", "cpu_seconds", ours_over_theirs=False)
    for (case, subject), row in of.items():
        if subject != "mentorstream":
            continue
        size = case.rsplit("_", 1)[-1]
        if case.startswith("round_"):
            found[f"value_over_greedy_{size}"] = row["value"] / row["greedy_value"]
            found["value_over_greedy"] = row["value"] / row["greedy_value"]
        elif case.startswith("arrivals_"):
            found[f"arrival_tentative_{size}"] = row["value"] / row["bound"]
            found[f"arrival_final_{size}"] = row["final_value"] / row["whole_pool_bound"]
            found[f"arrival_p99_ms_{size}"] = max(row["p99_ms"], row["final_p99_ms"])
        elif case.startswith("withdrawals_"):
            found["rematch_moved"] = row["moved"] / row["stood"]
            found["rematch_value_lost"] = 1 - row["value"] / row["cold_value"]
        elif case == "1m_x_32":
            found["gap_1m"] = 1 - row["value"] / row["bound"]
    for name in ("arrival_tentative", "arrival_final"):
        if values := [value for ratio, value in found.items() if ratio.startswith(f"{name}_")]:
            found[name] = min(values)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"{'case':<22}{'subject':<14}{'seconds':>10}{'of CPU':>10}"
        f"{'peak MiB':>10}{'matched':>10}{'value':>16}{'gap':>9}"
    ]
    for row in rows:
        value, bound = row.get("value"), row.get("bound")
        gap = f"{1 - value / bound:.3%}" if value and bound else ""
        peak = f"{row['peak_mib']:.0f}" if row.get("peak_mib") else ""
        worth = f"{value:,}" if value else ""
        times = f"{row['seconds']:>10.3f}{row['cpu_seconds']:>10.3f}"
        lines.append(
            f"{row['case']:<22}{row['subject']:<14}{times}{peak:>10}{row['matched'] or '':>10}{worth:>18}{gap:>9}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench-matching", description="Measure the matching engine beside its peers.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all if none is named")
    chosen = parser.parse_args().cases or list(CASES)
    if unknown := set(chosen) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    for name in chosen:
        fresh = run_case(name)
        known: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"cases": []}
        others = [row for row in known["cases"] if row["case"] != name]
        order = list(CASES)
        known["cases"] = sorted(others + fresh, key=lambda row: order.index(row["case"]))
        known["ratios"] = ratios(known["cases"])
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    print(table([row for row in known["cases"] if row["case"] in chosen]))
    for ratio, value in sorted(known["ratios"].items()):
        print(f"{ratio:<28}{value:>14.4f}")


if __name__ == "__main__":
    main()
