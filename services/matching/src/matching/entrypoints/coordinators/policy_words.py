"""How comparisons of policies and audits are told on the page: figures with their uncertainty, and no causes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from .audits import DECLARED
from .references import hundredths, short

if TYPE_CHECKING:
    from matching.domain.auditing import FairnessAudit, GroupFigures, StrategyAudit
    from matching.domain.what_if import Change, Comparison

_LISTED_CHANGES: Final = 100
_GROUPINGS: Final = {
    "organisation": "Organisation",
    "seniority": "Seniority",
    "industry": "Industry",
    "language": "First language",
    "zone": "Time zone",
}
_LEFT, _WIDTH, _LINE = 90, 260, 26


def grouping_words(grouping: str) -> str:
    """What a grouping is called; what was declared is called as it was."""
    return _GROUPINGS.get(grouping, grouping.removeprefix(DECLARED))


def groupings(names: Sequence[str]) -> list[tuple[str, str]]:
    """Each grouping with what it is called."""
    return [(name, grouping_words(name)) for name in names]


def compared(result: Comparison, name: Callable[[str], str]) -> dict[str, Any]:
    """What would be otherwise. `name`: what a group is called."""
    before, after = result.before, result.after
    counts = {"gained": result.gained, "lost": result.lost, "moved": result.moved}
    return {
        "result": {
            "mentees": result.mentees,
            "kept": result.kept,
            "before": before,
            "after": after,
            **{f"{name}_count": len(changes) for name, changes in counts.items()},
        },
        "rows": [
            ("Matched", before.matched, after.matched),
            ("Mean points of a pair", _mean(before.mean_score), _mean(after.mean_score)),
            ("Sum of scores", f"{before.value:.2f}", f"{after.value:.2f}"),
            ("No choice is worth more than", f"{before.bound:.2f}", f"{after.bound:.2f}"),
            ("Pairs who would rather have each other", before.blocking, after.blocking),
        ],
        "widths": [round(260 * each.matched / max(1, result.mentees)) for each in (before, after)],
        "groups": [
            {
                "name": name(each.group),
                "size": each.size,
                "counts": ["hidden" if count is None else count for count in (each.gained, each.lost, each.moved)],
            }
            for each in result.groups
        ],
        "lists": [
            ("Who would gain a mentor", _changes(result.gained)),
            ("Who would lose theirs", _changes(result.lost)),
            ("Who would have another", _changes(result.moved)),
        ],
    }


def fairness(found: FairnessAudit, name: Callable[[str], str]) -> dict[str, Any]:
    """How groups fare, as a table and a plot of match rates with their intervals."""
    shown = [each for each in found.groups if each.match_rate is not None]
    return {
        "fairness": {
            "mentees": found.mentees,
            "rate": "nobody" if found.match_rate is None else f"{_percent(found.match_rate)} of 100",
            "hidden": len(shown) < len(found.groups),
        },
        "groups": [
            {"name": name(each.group), "size": each.size, "rate": _rate(each), "gap": _gap(each)}
            for each in found.groups
        ],
        "lines": [
            {
                "name": name(each.group)[:14],
                "y": 20 + _LINE * place,
                "low": _across(each.match_rate_low),
                "high": _across(each.match_rate_high),
                "rate": _across(each.match_rate),
            }
            for place, each in enumerate(shown)
        ],
        "height": 40 + _LINE * len(shown),
        "told": " ".join(f"{name(each.group)}: {_rate(each)}." for each in shown),
    }


def strategy(found: StrategyAudit) -> dict[str, Any]:
    """What misstating brings, in sentences."""
    if not found.asked:
        return {"strategy": ["No mentee has a mentor who fits, so there is nothing to misstate."]}
    certain = (
        "The interval holds zero: on average it cannot be told from no gain."
        if found.mean_gain_low <= 0 <= found.mean_gain_high
        else "The interval does not hold zero."
    )
    return {
        "strategy": [
            f"Simulated for {found.asked} of {found.mentees} mentees, one at a time.",
            f"{_percent(found.better)} of 100 would do better than with the truth, {_percent(found.worse)} worse.",
            f"On average they would gain {hundredths(found.mean_gain)} points of 100"
            f" ({hundredths(found.mean_gain_low)} to {hundredths(found.mean_gain_high)}). {certain}",
            f"The most that anyone would gain is {hundredths(max(0.0, found.largest_gain))} points.",
        ]
    }


def _rate(each: GroupFigures) -> str:
    if each.match_rate is None or each.match_rate_low is None or each.match_rate_high is None:
        return "hidden"
    return f"{_percent(each.match_rate)} of 100 ({_percent(each.match_rate_low)} to {_percent(each.match_rate_high)})"


def _gap(each: GroupFigures) -> str:
    if each.match_rate is None:
        return "hidden"
    if each.score_gap is None or each.score_gap_low is None or each.score_gap_high is None:
        return "too few pairs"
    sure = "" if each.score_gap_low > 0 or each.score_gap_high < 0 else ", so perhaps none"
    low, high = hundredths(each.score_gap_low), hundredths(each.score_gap_high)
    return f"{100 * each.score_gap:+.1f} points ({low} to {high}{sure})"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _across(share: float | None) -> int:
    return _LEFT + round(_WIDTH * (share or 0.0))


def _mean(score: float | None) -> str:
    return "none" if score is None else hundredths(score)


def _changes(changes: Sequence[Change]) -> list[str]:
    told = []
    for each in changes[:_LISTED_CHANGES]:
        before = "nobody" if each.before is None else short(each.before)
        after = "nobody" if each.after is None else short(each.after)
        told.append(f"{short(each.mentee_id)}: {before} now, {after} then")
    if len(changes) > _LISTED_CHANGES:
        told.append(f"and {len(changes) - _LISTED_CHANGES} more")
    return told
