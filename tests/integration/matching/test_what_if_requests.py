"""What coordinators may ask a what-if: what is no policy is refused, naming the field, and nothing breaks over it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.integration.matching.callers import caller
from tests.integration.matching.running import ALPHA, BETA, PROGRAM, MatchingService, configured, mentee, mentor

from mentorstream_events.values import AuditGroup

WHAT_IF = f"/v1/programs/{PROGRAM}/what-if"
NO_WEIGHTS = dict.fromkeys(
    ("skills", "goals", "interests", "values", "style", "industry", "seniority", "common_time", "zone_distance"), 0.0
)
REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"weights": None}, "/policy/weights"),
    ({"weights": 5}, "/policy/weights"),
    ({"weights": "ab"}, "/policy/weights"),
    ({"weights": [1]}, "/policy/weights"),
    ({"weights": [["skills", 1]]}, "/policy/weights"),
    ({"weights": {"charm": 1}}, "/policy/weights/charm"),
    ({"weights": {"skills": None}}, "/policy"),
    ({"weights": NO_WEIGHTS}, "/policy/weights"),
    ({"seniority_gap_minimum": 5, "seniority_gap_maximum": 1}, "/policy/seniority_gap_minimum"),
    ({"seniority_gap_maximum": -1}, "/policy/seniority_gap_maximum"),  # the program's minimum is 0
    ({"boss_levels": 11}, "/policy"),
    ({"matching": "rounds"}, "/policy/matching"),
)


@pytest.fixture
async def owned(service: MatchingService) -> MatchingService:
    """A program with a lower bound of the seniority gap."""
    await service.send(configured(seniority_gap_minimum=0), mentor("omar"), mentee("ines"))
    return service


async def test_what_is_no_policy_is_refused_by_field(owned: MatchingService) -> None:
    owner = await caller(owned, ALPHA, "viewer")
    for policy, pointer in REFUSED:
        answer = await owner.post(WHAT_IF, {"policy": policy})
        assert answer.status_code == 422, (policy, answer.text)
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer], policy


async def test_the_page_takes_only_numbers_for_weights(owned: MatchingService) -> None:
    owner = await caller(owned, ALPHA, "viewer")
    page = await owned.client.get("/coordinate")
    token = page.text.partition('name="token" value="')[2].partition('"')[0]
    await owned.client.post("/coordinate/login", data={"token": token, "key": owner.key})
    for weight in ("²", "x", "-1", "4000"):  # two raised is a digit and no number
        answer = await owned.client.get(f"/coordinate/programs/{PROGRAM}/what-if", params={"skills": weight})
        assert answer.status_code == 200, weight
        assert 'value="40"' in answer.text


async def test_the_page_offers_nothing_that_was_declared(owned: MatchingService) -> None:
    people = [mentee(f"mentee {number}") for number in range(12)]
    shift = (AuditGroup(attribute="shift", group="night"),)
    await owned.send(*(msgspec.structs.replace(each, audit_groups=shift) for each in people))
    path = f"/coordinate/programs/{PROGRAM}/what-if"
    for organisation, status in ((BETA, 403), (ALPHA, 200)):
        somebody = await caller(owned, organisation, "viewer")
        page = await owned.client.get("/coordinate")
        token = page.text.partition('name="token" value="')[2].partition('"')[0]
        await owned.client.post("/coordinate/login", data={"token": token, "key": somebody.key})
        form = await owned.client.get(path)
        assert form.status_code == status
        assert "shift" not in form.text
        if organisation == ALPHA:
            asked = await owned.client.get(path, params={"asked": "yes", "by": "audit:shift"})
            assert (asked.status_code, "serves the audits only" in asked.text) == (422, True)
        owned.client.cookies.clear()
