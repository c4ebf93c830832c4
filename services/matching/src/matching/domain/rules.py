"""The hard rules. Each says of a pair whether it may be, and has a name that people are told when it may not.

A rule takes rows of mentors and of mentees: equally many, or one on either side that is held against all of the other.
It returns True where the pair may be. Rules look at facts only; no rule reads what a law protects, because no such fact
is kept here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

import numpy as np

from .codes import NOBODY, Rows
from .facts import Facts, Mask
from .score import SCALE, total_points
from .values import Policy, RuleName

_WIDEST_GAP: Final = 10
Rule: TypeAlias = Callable[[Facts, Policy, Rows, Rows], Mask]


def _all(mentors: Rows, mentees: Rows) -> Mask:
    return np.ones(max(len(mentors), len(mentees)), np.bool_)


def role(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """Only who is a mentor mentors. That the other one is a mentee is for the caller: only mentees are looked after."""
    allowed: Mask = facts.mentor[mentors] & _all(mentors, mentees)
    return allowed


def same_person(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """Nobody mentors themselves."""
    allowed: Mask = facts.person[mentors] != facts.person[mentees]
    return allowed


def organisation(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """The policy may ask for two people of the same, or of different, organisations."""
    if policy.organisations == "any":
        return _all(mentors, mentees)
    same: Mask = facts.organisation[mentors] == facts.organisation[mentees]
    return same if policy.organisations == "same" else ~same


def credentials(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """The mentor holds all that the policy asks of mentors."""
    return _holding(facts, policy.mentor_credentials, mentors) & _all(mentors, mentees)


def mentee_credentials(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """The mentee holds all that the policy asks of mentees."""
    return _holding(facts, policy.mentee_credentials, mentees) & _all(mentors, mentees)


def language(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """They share a language, where the policy asks for it."""
    if not policy.share_language:
        return _all(mentors, mentees)
    words = facts.languages.words
    return np.asarray((words[mentors] & words[mentees]).any(axis=1))


def common_time(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """They share enough time in a week."""
    if policy.minimum_common_minutes == 0:
        return _all(mentors, mentees)
    return np.asarray(facts.common_minutes(mentors, mentees) >= policy.minimum_common_minutes)


def seniority_gap(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """The mentor is as far above the mentee as the policy asks. Holds where both seniorities are known."""
    least, most = gap_limits(policy)
    above, below = facts.seniority[mentors], facts.seniority[mentees]
    gap = above - below
    return np.asarray((above == 0) | (below == 0) | ((gap >= least) & (gap <= most)))


def reporting_line(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """Neither is the other's manager, within the policy's number of levels."""
    levels = policy.boss_levels
    up = (facts.managers[mentees, :levels] == facts.person[mentors][:, None]).any(axis=1)
    down = (facts.managers[mentors, :levels] == facts.person[mentees][:, None]).any(axis=1)
    allowed: Mask = ~(up | down)
    return allowed


def same_boss(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """They do not report to the same person, where the policy keeps such people apart."""
    if policy.same_boss_allowed:
        return _all(mentors, mentees)
    boss = facts.managers[mentors, 0]
    allowed: Mask = (boss == NOBODY) | (boss != facts.managers[mentees, 0])
    return allowed


def block(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """Neither has blocked the other."""
    return _not_among(facts, facts.blocked_with, mentors, mentees)


def former_match(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """They were never matched before, in whichever roles. Where the policy lets former pairs meet again, those
    are kept apart who are matched now, whose match never began, or of whom one asked to leave it.
    """
    return _not_among(facts, kept_apart(facts, policy), mentors, mentees)


def minimum_score(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """The score reaches the policy's minimum."""
    if policy.minimum_score <= 0:
        return _all(mentors, mentees)
    return total_points(facts, policy.weights, mentors, mentees) >= policy.minimum_score * SCALE


def capacity(facts: Facts, policy: Policy, mentors: Rows, mentees: Rows) -> Mask:
    """The mentor has a place left."""
    return (facts.free[mentors] > 0) & _all(mentors, mentees)


def kept_apart(facts: Facts, policy: Policy) -> Callable[[int], AbstractSet[int]]:
    """By row, the codes of the persons from whom former matches keep its person: what `former_match` asks."""
    return facts.apart_from if policy.rematch_former else facts.paired_with


def gap_limits(policy: Policy) -> tuple[int, int]:
    """The least and the most steps that a mentor is above a mentee; seniorities are 1 to 10, so 10 is no limit.

    In a reverse program facts count seniority from the top, and with it the limits turn round.
    """
    least, most = policy.seniority_gap_minimum, policy.seniority_gap_maximum
    low, high = -_WIDEST_GAP if least is None else least, _WIDEST_GAP if most is None else most
    return (-high, -low) if policy.reverse else (low, high)


def _holding(facts: Facts, wanted: tuple[str, ...], rows: Rows) -> Mask:
    if not wanted:
        return np.ones(len(rows), np.bool_)
    needed = facts.credentials.pack(wanted)
    held: Mask = ((facts.credentials.words[rows] & needed) == needed).all(axis=1)
    return held


def _not_among(facts: Facts, partners: Callable[[int], Collection[int]], mentors: Rows, mentees: Rows) -> Mask:
    """Pairs that a relation between persons does not join; the relation is asked once, for the side of one row."""
    anchor, others = (mentees[0], mentors) if len(mentees) == 1 else (mentors[0], mentees)
    if len(mentors) > 1 < len(mentees):
        raise ValueError("one side must be a single row")
    joined = partners(int(anchor))
    if not joined:
        return np.ones(len(others), np.bool_)
    persons = facts.person[others]
    if len(joined) > 8:
        return ~np.isin(persons, list(joined))
    allowed = np.ones(len(others), np.bool_)
    for person in joined:
        allowed &= persons != person
    return allowed


# In this order they are tried and counted: who falls to an early one is not held against a later one. Capacity comes
# last, so that "capacity 12" means twelve mentors who would fit if they had a place.
RULES: Final[Sequence[tuple[RuleName, Rule]]] = (
    ("role", role),
    ("same_person", same_person),
    ("organisation", organisation),
    ("credentials", credentials),
    ("mentee_credentials", mentee_credentials),
    ("language", language),
    ("common_time", common_time),
    ("seniority_gap", seniority_gap),
    ("reporting_line", reporting_line),
    ("same_boss", same_boss),
    ("block", block),
    ("former_match", former_match),
    ("minimum_score", minimum_score),
    ("capacity", capacity),
)
# What a pair must still meet when its proposal is answered: it holds its place, and was matched before by itself.
STANDING: Final[Sequence[tuple[RuleName, Rule]]] = tuple(
    (name, rule) for name, rule in RULES if name not in ("former_match", "capacity")
)
# The bit of each rule in `Facts.known`.
# What is told of somebody who waits and is no rule about pairs.
_OF_NO_PAIR: Final[Sequence[RuleName]] = (
    "no_candidates",
    "next_round",
    "no_request",
    "better_used_elsewhere",
    "awaits_circle",
)
RULE_BIT: Final[dict[RuleName, int]] = {
    name: 1 << bit for bit, name in enumerate((*(name for name, _ in RULES), *_OF_NO_PAIR))
}


def broken_rule(facts: Facts, policy: Policy, mentor: int, mentee: int, *, met: bool = False) -> RuleName | None:
    """The first standing rule that the pair breaks now.

    `met`: that they may not have been matched before is to be asked, too; the proposal itself does not count as that.
    """
    mentors, mentees = np.array([mentor]), np.array([mentee])
    asked = (*STANDING, ("former_match", former_match)) if met else STANDING
    return next((name for name, rule in asked if not rule(facts, policy, mentors, mentees)[0]), None)
