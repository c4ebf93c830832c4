"""Audits for owners of programs: what was declared for them is kept apart, shown of many only, and decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.integration.matching.callers import caller
from tests.integration.matching.running import (
    ALPHA,
    BETA,
    GAMMA,
    PROGRAM,
    MatchingService,
    configured,
    mentee,
    mentor,
    participant_id,
    person_id,
)

from mentorstream_events.registrations import ParticipantRegistered, ParticipantUpdated, ParticipantWithdrawn
from mentorstream_events.values import AuditGroup

if TYPE_CHECKING:
    from uuid import UUID

AUDITS = f"/v1/programs/{PROGRAM}/audits"
STORED = "SELECT participant_id, attribute, group_name FROM audit_group ORDER BY participant_id, attribute"


def of(data: ParticipantRegistered, **groups: str) -> ParticipantRegistered:
    """The same person, who counts to these groups in audits."""
    told = tuple(AuditGroup(attribute=attribute, group=group) for attribute, group in groups.items())
    return msgspec.structs.replace(data, audit_groups=told)


async def stored(service: MatchingService) -> list[tuple[UUID, str, str]]:
    return [tuple(row) for row in await service.rows(STORED)]


async def test_groups_are_kept_as_last_told_and_go_with_the_person(service: MatchingService) -> None:
    await service.send(configured(), of(mentee("ines"), age="under 30", shift="night"), mentee("jon"))
    ines = participant_id("ines")
    assert await stored(service) == [(ines, "age", "under 30"), (ines, "shift", "night")]
    (row,) = await service.rows("SELECT details::text AS details FROM participant WHERE participant_id = $1", ines)
    assert "under 30" not in row["details"]
    fields: dict[str, Any] = msgspec.structs.asdict(of(mentee("ines"), age="30 and above"))
    await service.send(ParticipantUpdated(**fields))
    assert await stored(service) == [(ines, "age", "30 and above")]
    await service.send(mentee("ines"))  # told again, without any
    assert await stored(service) == []
    await service.send(of(mentee("jon"), age="under 30"))
    await service.send(
        ParticipantWithdrawn(
            program_id=PROGRAM, participant_id=participant_id("jon"), person_id=person_id("jon"), reason="erased"
        )
    )
    assert await stored(service) == []


@pytest.fixture
async def two_shifts(service: MatchingService) -> MatchingService:
    """Forty mentees, of whom the fifteen who speak no language of the mentor's are of both shifts."""
    people = [
        of(
            mentee(f"mentee {number}", languages=("it",) if number % 8 < 3 else ("en",), industry="retail"),
            shift="night" if number % 2 else "day",
        )
        for number in range(40)
    ]
    await service.send(configured(), mentor("omar", capacity=50), *people)
    return service


async def test_groups_are_compared_by_what_is_known_and_what_was_declared(two_shifts: MatchingService) -> None:
    owner = await caller(two_shifts, ALPHA, "viewer")
    names = (await owner.get(AUDITS)).json()
    assert names == ["organisation", "seniority", "industry", "language", "zone", "audit:shift"]
    answer = (await owner.get(f"{AUDITS}/fairness", group_by="audit:shift")).json()
    assert (answer["mentees"], answer["match_rate"]) == (40, 0.625)
    day, night = answer["groups"]
    assert (day["group"], day["size"], day["match_rate"]) == ("day", 20, 0.5)
    assert (night["group"], night["size"], night["match_rate"]) == ("night", 20, 0.75)
    assert day["match_rate_low"] < 0.5 < day["match_rate_high"]
    assert day["score_gap"] == 0.0
    for outcome in ("running", "round"):
        known = (await owner.get(f"{AUDITS}/fairness", group_by="language", outcome=outcome)).json()
        assert [(each["group"], each["match_rate"]) for each in known["groups"]] == [("en", 1.0), ("it", 0.0)]


async def test_hidden_groups_that_were_declared_are_not_named_nor_counted(two_shifts: MatchingService) -> None:
    await two_shifts.send(*(of(mentee(f"late {n}"), shift=f"shift of {n}") for n in range(3)))
    owner = await caller(two_shifts, ALPHA, "viewer")
    answer = await owner.get(f"{AUDITS}/fairness", group_by="audit:shift")
    assert "shift of" not in answer.text
    shown, others = answer.json()["groups"]
    assert (shown["group"], shown["size"], shown["match_rate"]) == ("night", 20, 0.75)
    assert (others["group"], others["size"], others["match_rate"]) == ("others", 23, None)


async def test_too_few_who_declared_are_not_audited(service: MatchingService) -> None:
    people = [of(mentee(f"mentee {n}"), shift="night", age=f"{n % 2}") for n in range(9)]
    also = of(mentor("omar", capacity=9), shift="day", age="0")
    await service.send(configured(), also, *people)
    owner = await caller(service, ALPHA, "viewer")
    told = [await owner.get(f"{AUDITS}/fairness", group_by=f"audit:{name}") for name in ("shift", "age")]
    await service.send(of(mentee("mentee 9"), shift="night", age="1"))
    told.append(await owner.get(f"{AUDITS}/fairness", group_by="audit:shift"))
    assert [each.status_code for each in told] == [409, 409, 409]
    assert len({each.json()["detail"] for each in told}) == 1  # which of both it is remains untold
    assert (await owner.get(f"{AUDITS}/fairness", group_by="audit:age")).status_code == 200


async def test_what_was_declared_is_no_grouping_of_a_what_if(two_shifts: MatchingService) -> None:
    owner = await caller(two_shifts, ALPHA, "viewer")
    for name in ("audit:shift", "audit:faith", "shift"):  # whether there is such an attribute makes no difference
        answer = await owner.post(f"/v1/programs/{PROGRAM}/what-if", {"scope": "all", "group_by": name})
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/group_by"
        assert "what was declared for audits serves the audits only" in error["detail"]


async def test_misstating_is_simulated(two_shifts: MatchingService) -> None:
    owner = await caller(two_shifts, ALPHA, "viewer")
    for misstating in ("preferences", "availability"):
        answer = (await owner.get(f"{AUDITS}/strategy", misstating=misstating)).json()
        assert (answer["mentees"], answer["asked"], answer["better"], answer["worse"]) == (40, 25, 0.0, 0.0)
    before = len(await two_shifts.rows("SELECT FROM match"))
    fields = msgspec.structs.asdict(configured())
    await two_shifts.send(type(configured())(**{**fields, "kind": "peer"}))
    assert (await owner.get(f"{AUDITS}/strategy")).status_code == 409
    assert len(await two_shifts.rows("SELECT FROM match")) == before


async def test_audits_are_the_owners(two_shifts: MatchingService) -> None:
    other, stranger = await caller(two_shifts, BETA), await caller(two_shifts, GAMMA)
    for path in ("", "/fairness", "/strategy"):
        assert (await two_shifts.client.get(AUDITS + path)).status_code == 401
        assert (await other.get(AUDITS + path)).status_code == 403
        assert (await stranger.get(AUDITS + path)).status_code == 404
    owner = await caller(two_shifts, ALPHA, "viewer")
    answer = await owner.get(f"{AUDITS}/fairness", group_by="audit:faith")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/group_by"


async def test_a_role_of_the_database_sees_the_groups_of_its_own_programs_only(two_shifts: MatchingService) -> None:
    api_pool = two_shifts.process.runtime.api_pool
    for organisation_id, seen in ((ALPHA, 40), (BETA, 0), (GAMMA, 0)):
        async with api_pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT set_config('mentorstream.organisation', $1, true)", str(organisation_id))
            assert await connection.fetchval("SELECT count(*) FROM audit_group") == seen
