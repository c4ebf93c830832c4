"""Checks a round from what was written down of it, without a line of the engine that solved it.

Numbers in, findings out. It repeats, by itself, what a round promises: everybody matched is a candidate of their
mentor's, no mentor has more than their places, the pairs are worth what is claimed, no other answer could be worth more
than the bound, and so many pairs would both rather have each other. Whoever doubts a round need not trust the solver,
and not the solver's own checker either; this page and a calculator will do.

It knows the candidates and their points as they were written down. Whether those are right is for who has the profiles.

The bound: take any prices that are not negative. A mentee gets at most the best of (points - price) or nothing, a place
at most (price - what the place costs) or nothing; whoever is with whom, the price is paid by one and had by the other.
So nothing can be worth more than all of these together (weak duality of the assignment problem; A. Schrijver,
"Combinatorial Optimization", Springer 2003, chapter 17).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]

ONE: Final = 1 << 20  # points of a full score
NOBODY: Final = -1
_TINY: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a round was solved on and what came out, by place of mentors and mentees.

    Mentee i has the candidates `mentor[start[i]:start[i+1]]` with those `points`; mentor j has `capacity[j]` places,
    whose costs stand one mentor after the other in `place_cost`. `mentor_of` is NOBODY or a mentor; `price` is by
    mentor, and `bonus` what each further pair was counted as worth beside its points. `floor`: under fairness the least
    points that anybody matched has; the bound is then about those matched, and candidates from there on.
    """

    mentors: tuple[str, ...]
    mentees: tuple[str, ...]
    start: Ints
    mentor: Ints
    points: Ints
    capacity: Ints
    place_cost: Ints | None
    mentor_of: Ints
    price: Ints
    bonus: int
    floor: int | None
    pairs: tuple[tuple[str, str, float, tuple[float, ...]], ...]  # mentor, mentee, score, facets


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a round says of itself. Worth is in scores."""

    kind: str
    objective: str
    value: float
    upper_bound: float
    gap: float
    blocking_pairs: int
    matched: int


@dataclass(slots=True)
class Findings:
    """What was found, beside what is wrong with it. No faults: the round is as it says."""

    matched: int = 0
    value: float = 0.0
    upper_bound: float = 0.0
    gap: float = 0.0
    blocking_pairs: int = 0
    faults: list[str] = field(default_factory=list)


def check(answer: Answer, claims: Claims) -> Findings:
    """Check everything that can be checked. What makes no sense at all ends the check early."""
    findings = Findings()
    findings.faults += misshapen(answer)
    if findings.faults:
        return findings
    owner = np.repeat(np.arange(len(answer.mentees)), np.diff(answer.start))
    chosen = np.flatnonzero(answer.mentor == answer.mentor_of[owner])
    findings.faults += _not_allowed(answer, owner, chosen)
    findings.faults += _told_otherwise(answer, claims.kind)
    if findings.faults:
        return findings
    held = np.bincount(answer.mentor[chosen], minlength=len(answer.mentors))
    value = int(answer.points[chosen].sum()) - _cost_of(answer, held)
    bound = _bound(answer, owner) - answer.bonus * len(chosen)
    findings.matched = len(chosen)
    findings.value, findings.upper_bound = max(0, value) / ONE, max(0, bound) / ONE
    findings.gap = min(1.0, max(0.0, (bound - value) / bound)) if bound > 0 else 0.0
    findings.blocking_pairs = _blocking(answer, owner, chosen, held)
    if value > bound:
        findings.faults.append("worth more than the bound: the prices belong to another answer")
    findings.faults += _claimed_otherwise(findings, claims)
    return findings


def misshapen(answer: Answer) -> list[str]:
    """What keeps the numbers from being a market and an answer to it."""
    mentees, mentors = len(answer.mentees), len(answer.mentors)
    faults = []
    if len(answer.start) != mentees + 1 or answer.start[0] != 0 or np.any(np.diff(answer.start) < 0):
        return ["start: not one more entry than mentees, from 0 and never falling"]
    if not len(answer.mentor) == len(answer.points) == answer.start[-1]:
        faults.append("mentor, points: not as many entries as candidates")
    for name, array, count in (("capacity", answer.capacity, mentors), ("price", answer.price, mentors),
                               ("mentor_of", answer.mentor_of, mentees)):  # fmt: skip
        if len(array) != count:
            faults.append(f"{name}: {len(array)} entries instead of {count}")
    if faults:
        return faults
    if np.any(answer.capacity < 0) or np.any(answer.price < 0):
        faults.append("capacity, price: negative")
    if answer.place_cost is not None and len(answer.place_cost) != answer.capacity.sum():
        faults.append("place_cost: not one for each place")
    for name, array, least in (("mentor", answer.mentor, 0), ("mentor_of", answer.mentor_of, NOBODY)):
        if len(array) and (array.min() < least or array.max() >= mentors):
            faults.append(f"{name}: names a mentor that is not there")
    if len(set(answer.mentees)) != mentees or len(set(answer.mentors)) != mentors:
        faults.append("somebody is there twice")
    return faults


def _not_allowed(answer: Answer, owner: Ints, chosen: Ints) -> list[str]:
    """Pairs that are no candidates or stand there twice, mentors with too many, points below the floor."""
    faults = []
    times = np.bincount(owner[chosen], minlength=len(answer.mentees))
    for fault, wrong in (
        ("with a mentor who is no candidate of theirs", (answer.mentor_of != NOBODY) & (times == 0)),
        ("a candidate of whom stands there twice", times > 1),
    ):
        if np.any(wrong):
            first = answer.mentees[int(np.flatnonzero(wrong)[0])]
            faults.append(f"{int(wrong.sum())} mentees are {fault}, such as {first}")
    held = np.bincount(answer.mentor[chosen], minlength=len(answer.mentors))
    over = np.flatnonzero(held > answer.capacity)
    if len(over):
        one = int(over[0])
        faults.append(
            f"{len(over)} mentors have more than their places,"
            f" such as {answer.mentors[one]}: {held[one]} of {answer.capacity[one]}"
        )
    if answer.floor is not None and np.any(answer.points[chosen] < answer.floor):
        faults.append(f"somebody is matched for less than the floor of {answer.floor} points")
    return faults


def _told_otherwise(answer: Answer, kind: str) -> list[str]:
    """Where the pairs that are told are not those of the answer, or a score is not the sum of its facets."""
    faults = []
    given = {
        (answer.mentors[mentor], answer.mentees[mentee])
        for mentee, mentor in enumerate(answer.mentor_of.tolist())
        if mentor != NOBODY
    }
    told = {(mentor, mentee) for mentor, mentee, _, _ in answer.pairs}
    if kind == "peer":  # a pair stands at both of them and is told once
        if any((mentee, mentor) not in given for mentor, mentee in given):
            faults.append("somebody's partner has another partner")
        told |= {(mentee, mentor) for mentor, mentee in told}
    if told != given:
        faults.append(f"{len(told ^ given)} pairs are told and not made, or made and not told")
    unsummed = [mentee for _, mentee, score, facets in answer.pairs if sum(facets) != score]
    if unsummed:
        faults.append(f"{len(unsummed)} scores are not the sum of their facets, such as that of {unsummed[0]}")
    return faults


def _cost_of(answer: Answer, held: Ints) -> int:
    """What the places cost that are taken: each mentor's first ones."""
    if answer.place_cost is None:
        return 0
    first = np.cumsum(answer.capacity) - answer.capacity
    within = np.arange(len(answer.place_cost)) - np.repeat(first, answer.capacity)
    return int(answer.place_cost[within < np.repeat(held, answer.capacity)].sum())


def _bound(answer: Answer, owner: Ints) -> int:
    """The most that any answer is worth if each pair counts the bonus more."""
    price = answer.price
    cost = np.zeros(int(answer.capacity.sum()), np.int64) if answer.place_cost is None else answer.place_cost
    of_places = int(np.maximum(0, np.repeat(price, answer.capacity) - cost).sum())
    counted = answer.capacity[answer.mentor] > 0
    if answer.floor is not None:
        counted &= (answer.mentor_of != NOBODY)[owner] & (answer.points >= answer.floor)
    best = np.zeros(len(answer.mentees), np.int64)
    np.maximum.at(best, owner[counted], (answer.points + answer.bonus - price[answer.mentor])[counted])
    return of_places + int(best.sum())


def _blocking(answer: Answer, owner: Ints, chosen: Ints, held: Ints) -> int:
    """How many pairs there are of a mentee who gains by it and a mentor who has a place, or somebody worth less."""
    has = np.full(len(answer.mentees), np.iinfo(np.int64).min)
    has[owner[chosen]] = answer.points[chosen]
    least = np.full(len(answer.mentors), np.iinfo(np.int64).max)
    np.minimum.at(least, answer.mentor[chosen], answer.points[chosen])
    counted = answer.capacity[answer.mentor] > 0
    if answer.floor is not None:
        counted &= (answer.mentor_of != NOBODY)[owner] & (answer.points >= answer.floor)
    would = (answer.points > has[owner]) & (
        (held < answer.capacity)[answer.mentor] | (answer.points > least[answer.mentor])
    )
    return int(np.count_nonzero(would & counted))


def _claimed_otherwise(found: Findings, claims: Claims) -> list[str]:
    faults = [
        f"{name}: {claimed} is claimed, {actual} found"
        for name, claimed, actual in (
            ("matched", claims.matched, found.matched),
            ("blocking_pairs", claims.blocking_pairs, found.blocking_pairs),
        )
        if claimed != actual
    ]
    faults += [
        f"{name}: {claimed!r} is claimed, {actual!r} found"
        for name, claimed, actual in (
            ("value", claims.value, found.value),
            ("upper_bound", claims.upper_bound, found.upper_bound),
            ("gap", claims.gap, found.gap),
        )
        if abs(claimed - actual) > _TINY * max(1.0, abs(actual))
    ]
    if claims.objective == "stability" and claims.kind not in ("group", "peer") and found.blocking_pairs:
        faults.append(f"{found.blocking_pairs} pairs would both rather have each other, in a round for stability")
    return faults
