"""Checks of a program's policy and vocabulary that a schema cannot express: what goes with what.

A field that would have no effect is refused, too: whoever sends it believes that it has one. Each function returns its
faults, with the field that is to be changed, instead of raising.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from .checks import text_faults
from .refusals import Violation

_IN_ROUNDS: Final = ("rounds", "review")
# What has an effect only with one of these ways of matching.
_ONLY_WITH: Final[Mapping[str, Sequence[str]]] = {
    "objective": _IN_ROUNDS,
    "round_every_days": _IN_ROUNDS,
    "round_minimum_matched": _IN_ROUNDS,
    "incumbent_bonus": _IN_ROUNDS,
    "requests_limit": ("on_request",),
    "requests_at_once": ("on_request",),
}
_ONLY_IN_GROUPS: Final = ("circle_minimum", "circle_maximum")
_AT_MOST: Final = (
    ("circle_minimum", "circle_maximum"),
    ("seniority_gap_minimum", "seniority_gap_maximum"),
    ("requests_at_once", "requests_limit"),
)
# What an event may weigh, less what surrounds the links in it.
LINKS_LIMIT_BYTES: Final = 900_000
# Of one skill. Matching keeps a level for each neighbour of what somebody offers: a hub of thousands would cost memory.
LINKS_OF_A_SKILL: Final = 32


def policy_faults(policy: Mapping[str, Any], kind: str, given: Mapping[str, Any], pointer: str) -> Iterator[Violation]:
    """Fields that contradict each other, or have no effect. `given`: what the partner sent of the policy."""
    matching = policy["matching"]
    for name, ways in _ONLY_WITH.items():
        if given.get(name) is not None and matching not in ways:
            yield Violation(
                f"{pointer}/{name}", f"has an effect only with matching {' or '.join(ways)}, not {matching}"
            )
    for name in _ONLY_IN_GROUPS:
        if name in given and kind != "group":
            yield Violation(f"{pointer}/{name}", f"has an effect only in programs of kind group, not {kind}")
    if kind == "group" and matching not in _IN_ROUNDS:
        yield Violation(
            f"{pointer}/matching", f"{matching} makes pairs of two; a program of kind group needs rounds or review"
        )
    if kind == "peer" and matching == "on_request":
        yield Violation(f"{pointer}/matching", "peers are not chosen; a program of kind peer needs another way")
    if kind == "peer" and policy["mentor_consent"]:
        yield Violation(f"{pointer}/mentor_consent", "asks one of two; in a program of kind peer nobody mentors alone")
    if kind in ("group", "peer") and matching in _IN_ROUNDS and policy["objective"] != "total":
        yield Violation(f"{pointer}/objective", f"rounds of a program of kind {kind} are for the total only")
    for low, high in _AT_MOST:
        least, most = policy[low], policy[high]
        if least is not None and most is not None and least > most:
            name = low if low in given else high
            yield Violation(f"{pointer}/{name}", f"{low} {least} is above {high} {most}; expected at most as much")


def link_faults(links: Sequence[tuple[str, str, str]], pointer: str) -> Iterator[Violation]:
    """Links (skill, kind, to_skill) of a skill with itself, links that are there twice, blank skills, and too many."""
    seen: dict[frozenset[str], int] = {}
    linked: Counter[str] = Counter()
    for index, (skill, _, to_skill) in enumerate(links):
        for name, text in (("skill", skill), ("to_skill", to_skill)):
            yield from text_faults(text, f"{pointer}/{index}/{name}")
        ends = frozenset((skill.casefold(), to_skill.casefold()))
        if len(ends) == 1:
            yield Violation(f"{pointer}/{index}/to_skill", f"{to_skill!r} is the skill itself")
            continue
        first = seen.setdefault(ends, index)
        if first != index:
            yield Violation(f"{pointer}/{index}", f"these two skills are linked already (see entry {first})")
            continue
        for name, text in (("skill", skill), ("to_skill", to_skill)):
            linked[text.strip().casefold()] += 1
            if linked[text.strip().casefold()] == LINKS_OF_A_SKILL + 1:  # once for each skill
                yield Violation(
                    f"{pointer}/{index}/{name}",
                    f"{text!r} has more links than {LINKS_OF_A_SKILL}; expected at most that",
                )
    size = sum(len(text.encode()) + 24 for link in links for text in link)
    if size > LINKS_LIMIT_BYTES:
        yield Violation(pointer, f"together about {size:,} bytes long; expected at most {LINKS_LIMIT_BYTES:,}")
