"""What the parts of a score and the reasons to wait are called where people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FACET_WORDS: Final[Mapping[str, str]] = {
    "skills": "Skills wanted and offered",
    "goals": "Goals",
    "interests": "Interests",
    "values": "Values",
    "style": "Way of working",
    "industry": "Industry",
    "seniority": "Seniority",
    "common_time": "Time in common",
    "zone_distance": "Near time zones",
}
RULE_WORDS: Final[Mapping[str, str]] = {
    "no_candidates": "The program has no mentors",
    "role": "Is no mentor in this program",
    "same_person": "Is the same person",
    "organisation": "Organisation: the policy asks for the same, or for another one",
    "credentials": "The mentor lacks a credential that the policy asks for",
    "mentee_credentials": "The mentee lacks a credential that the policy asks for",
    "language": "No language in common",
    "common_time": "Too little time in common",
    "reporting_line": "One is above the other in the reporting line",
    "same_boss": "Both report to the same manager",
    "seniority_gap": "The gap in seniority is too small or too large",
    "block": "One has ruled out the other",
    "former_match": "Were matched before",
    "minimum_score": "The score is below the policy's minimum",
    "capacity": "Has no place left",
    "next_round": "Waits for the next round",
    "no_request": "Has not chosen mentors yet",
    "better_used_elsewhere": "The places went to pairs that are worth as much or more to the whole",
    "awaits_circle": "Waits until a circle has enough people",
}


def rule_words(rule: str) -> str:
    """What a rule is called."""
    return RULE_WORDS.get(rule, rule.replace("_", " "))


def facet_words(facet: str) -> str:
    """What a part of the score is called."""
    return FACET_WORDS.get(facet, facet.replace("_", " "))
