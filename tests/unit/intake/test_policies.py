"""What a policy or a vocabulary may get wrong beyond its schema: the field that is to be changed is named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from intake.domain.policies import link_faults, policy_faults
from mentorstream_events.partner import PolicyRequest

FAULTY: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "a round where none is run": ({"round_every_days": 7}, "formal", ["round_every_days"]),
    "an objective without rounds": ({"matching": "on_request", "objective": "total"}, "formal", ["objective"]),
    "a gate without rounds": ({"round_minimum_matched": 0.5}, "formal", ["round_minimum_matched"]),
    "requests in rounds": ({"matching": "rounds", "requests_limit": 2}, "formal", ["requests_limit"]),
    "more at once than in all": (
        {"matching": "on_request", "requests_limit": 2, "requests_at_once": 3},
        "formal",
        ["requests_at_once"],
    ),
    "circles outside of groups": ({"matching": "rounds", "circle_maximum": 4}, "formal", ["circle_maximum"]),
    "circles upside down": (
        {"matching": "rounds", "circle_minimum": 9, "circle_maximum": 4},
        "group",
        ["circle_minimum"],
    ),
    "a least size above the usual most": ({"matching": "review", "circle_minimum": 9}, "group", ["circle_minimum"]),
    "a most below the usual least": ({"matching": "review", "circle_maximum": 2}, "group", ["circle_maximum"]),
    "groups on arrival": ({}, "group", ["matching"]),
    "peers on request": ({"matching": "on_request"}, "peer", ["matching"]),
    "one peer asked": ({"mentor_consent": True}, "peer", ["mentor_consent"]),
    "stable circles": ({"matching": "rounds", "objective": "stability"}, "group", ["objective"]),
    "gaps upside down": (
        {"seniority_gap_minimum": 3, "seniority_gap_maximum": -1},
        "formal",
        ["seniority_gap_minimum"],
    ),
}
SOUND: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "formal"),
    "rounds": ({"matching": "rounds", "round_every_days": 14, "objective": "fairness"}, "formal"),
    "no clock, said aloud": ({"matching": "on_arrival", "round_every_days": None}, "formal"),
    "a group": ({"matching": "review", "circle_minimum": 4, "circle_maximum": 4}, "group"),
    "peers": ({}, "peer"),
    "peers in rounds": ({"matching": "rounds", "objective": "total"}, "peer"),
    "on request": ({"matching": "on_request", "requests_limit": 5, "requests_at_once": 2}, "formal"),
    "one gap": ({"seniority_gap_minimum": 2}, "formal"),
}


def faults(given: dict[str, Any], kind: str) -> list[str]:
    policy = msgspec.structs.asdict(msgspec.convert(given, PolicyRequest))
    return [each.pointer for each in policy_faults(policy, kind, given, "/policy")]


@pytest.mark.parametrize(("given", "kind", "names"), FAULTY.values(), ids=FAULTY.keys())
def test_what_contradicts_itself_or_has_no_effect_is_named(given: dict[str, Any], kind: str, names: list[str]) -> None:
    assert faults(given, kind) == [f"/policy/{name}" for name in names]


@pytest.mark.parametrize(("given", "kind"), SOUND.values(), ids=SOUND.keys())
def test_what_goes_together_is_taken(given: dict[str, Any], kind: str) -> None:
    assert faults(given, kind) == []


def test_links_of_a_vocabulary() -> None:
    links = [
        ("public speaking", "parent", "communication"),
        ("Communication", "related", "public speaking"),
        ("writing", "related", "Writing"),
        (" writing", "parent", "communication"),
    ]
    assert [each.pointer for each in link_faults(links, "/links")] == [
        "/links/1",
        "/links/2/to_skill",
        "/links/3/skill",
    ]
    assert list(link_faults(links[:1], "/links")) == []


def test_a_vocabulary_fits_into_an_event() -> None:
    links = [(f"{index} {'s' * 110}", "related", f"{index} {'t' * 110}") for index in range(5000)]
    assert [each.pointer for each in link_faults(links, "/links")] == ["/links"]
    assert list(link_faults(links[:2500], "/links")) == []


def test_a_skill_has_few_links() -> None:
    links = [(f"skill {index}", "parent" if index % 2 else "related", "Leadership") for index in range(40)]
    assert [each.pointer for each in link_faults(links, "/links")] == ["/links/32/to_skill"]
    assert list(link_faults(links[:32], "/links")) == []
