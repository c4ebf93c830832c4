"""Rounds and drafts through the API: what is asked for and what is noted. What comes of it is the rounds' own test."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from tests.integration.matching.callers import Caller, caller
from tests.integration.matching.running import (
    ALPHA,
    BETA,
    PROGRAM,
    START,
    MatchingService,
    configured,
    mentee,
    mentor,
    participant_id,
)
from tests.support.records import eventually

from mentorstream_events.matches import MatchConfirmed, RoundCompleted
from mentorstream_events.registrations import DiscardRound, PublishRound, RequestMentors, RunRound
from mentorstream_events.values import Skill
from mentorstream_runtime.database import organisation_scope, transaction

ROUNDS = f"/v1/programs/{PROGRAM}/rounds"


async def drafted(service: MatchingService, *pairs: tuple[str, str]) -> UUID:
    """A drafted round as it is stored; everybody waits."""
    round_id = uuid4()
    figures = {"value": 1.5, "upper_bound": 1.6, "gap": 0.0625, "blocking_pairs": 0, "matched": 2, "dropped": 0}
    async with transaction(service.process.runtime.pool) as connection:
        await connection.execute("DELETE FROM match")
        await connection.execute(
            "INSERT INTO waiting SELECT program_id, participant_id, organisation_id, joined_at, '[]' FROM participant"
            " WHERE details -> 'roles' ? 'mentee' ON CONFLICT DO NOTHING"
        )
        await connection.execute(
            "INSERT INTO round (round_id, program_id, status, asked_by, objective, policy_version, seed, requested_at,"
            " completed_at, participants, input_digest, result_digest, figures)"
            " VALUES ($1, $2, 'drafted', 'clock', 'total', 1, 0, $3, $3, 3, 'a', 'b', $4)",
            round_id,
            PROGRAM,
            START,
            figures,
        )
        for mentor_name, mentee_name in pairs:
            await connection.execute(
                "INSERT INTO round_draft (round_id, program_id, mentor_id, mentee_id, score, facets, next_mentor_id,"
                " ahead_of_next) VALUES ($1, $2, $3, $4, 0.75, $5, $6, 0.25)",
                round_id,
                PROGRAM,
                participant_id(mentor_name),
                participant_id(mentee_name),
                {"skills": 0.5, "goals": 0.25},
                participant_id("nora"),
            )
    return round_id


def pair(mentor_name: str, mentee_name: str, **more: Any) -> dict[str, Any]:
    return {"mentor_id": str(participant_id(mentor_name)), "mentee_id": str(participant_id(mentee_name)), **more}


@pytest.fixture
async def owner(service: MatchingService) -> Caller:
    """The coordinator of a program with review."""
    await service.send(
        configured(matching="review"),
        mentor("omar"),
        mentor("nora"),
        mentor("rene", languages=("fr",)),
        mentee("ines"),
        mentee("jon"),
        mentee("kim"),
    )
    return await caller(service, ALPHA)


async def asked(service: MatchingService, kind: Any) -> list[Any]:
    await service.settle()
    return await service.events(kind, "registrations")


async def test_a_round_is_run_once_for_each_key(service: MatchingService, owner: Caller) -> None:
    first = await owner.post(ROUNDS, {"seed": 7}, **{"Idempotency-Key": "monday"})
    second = await owner.post(ROUNDS, {"seed": 7}, **{"Idempotency-Key": "monday"})
    assert [each.status_code for each in (first, second)] == [202, 202]
    assert (first.json()["repeated"], second.json()["repeated"]) == (False, True)
    (request,) = await asked(service, RunRound)
    assert (request.seed, request.asked_by, str(request.round_id)) == (7, "coordinator", first.json()["request_id"])


async def test_only_the_owner_of_a_program_with_rounds_runs_them(service: MatchingService, owner: Caller) -> None:
    for who, status in ((await caller(service, BETA), 403), (await caller(service, ALPHA, "viewer"), 403)):
        assert (await who.post(ROUNDS)).status_code == status
    assert (await (await caller(service, BETA)).get(f"{ROUNDS}/{uuid4()}")).status_code == 403
    assert (await owner.get(f"{ROUNDS}/{uuid4()}")).status_code == 404
    await service.send(configured(matching="on_arrival"))
    assert (await owner.post(ROUNDS)).status_code == 409
    assert await asked(service, RunRound) == []


async def test_rounds_are_shown_with_what_proves_them(service: MatchingService, owner: Caller) -> None:
    round_id = await drafted(service)
    (listed,) = (await owner.get(ROUNDS)).json()["items"]
    one = (await owner.get(f"{ROUNDS}/{round_id}")).json()
    assert listed == one
    assert (one["status"], one["figures"]["gap"], one["input_digest"]) == ("drafted", 0.0625, "a")
    under_way = await owner.post(ROUNDS)
    assert (under_way.status_code, under_way.json()["title"]) == (409, "A round is under way")


async def test_only_the_owners_role_reads_rounds_and_drafts(service: MatchingService, owner: Caller) -> None:
    """Drafts pair people of every organisation; a program being open to one of them is not enough."""
    await drafted(service, ("omar", "ines"))
    found = {}
    for organisation_id in (ALPHA, BETA):
        async with organisation_scope(service.process.runtime.api_pool, organisation_id) as connection:
            found[organisation_id] = [
                await connection.fetchval(f"SELECT count(*) FROM {table}") for table in ("round", "round_draft")
            ]
    assert found == {ALPHA: [1, 1], BETA: [0, 0]}


async def test_drafts_are_edited_and_edits_undone(service: MatchingService, owner: Caller) -> None:
    round_id = await drafted(service, ("omar", "ines"), ("nora", "jon"))
    path = f"{ROUNDS}/{round_id}/drafts"
    statuses = []
    for body in (
        pair("nora", "ines", action="remove"),  # no such draft
        pair("omar", "jon", action="add"),  # has a draft
        pair("nora", "kim", action="add"),  # her place is drafted
        pair("rene", "kim", action="add"),  # no language in common
        pair("omar", "ines", action="remove"),
        pair("omar", "ines", action="remove"),  # twice
        pair("omar", "kim", action="add"),
    ):
        answer = await owner.post(f"{path}/edits", body)
        statuses.append(answer.status_code)
    assert statuses == [404, 409, 422, 422, 201, 409, 201]
    drafts = (await owner.get(path)).json()
    assert {each["mentee_id"]: each["removed"] for each in drafts["items"]} == {
        str(participant_id("ines")): True,
        str(participant_id("jon")): False,
    }
    assert [each["action"] for each in drafts["edits"]] == ["remove", "add"]
    assert sum(drafts["items"][0]["facets"].values()) == drafts["items"][0]["score"]
    undone = [(await owner.post(f"{path}/undo")).status_code for _ in range(3)]
    assert undone == [200, 200, 409]
    assert (await owner.get(path)).json()["edits"] == []
    viewer = await caller(service, ALPHA, "viewer")
    assert (await viewer.get(path)).status_code == 200
    assert (await viewer.post(f"{path}/undo")).status_code == 403
    assert (await viewer.post(f"{path}/edits", pair("omar", "ines", action="remove"))).status_code == 403


async def test_publishing_tells_the_edits(service: MatchingService, owner: Caller) -> None:
    round_id = await drafted(service, ("omar", "ines"), ("nora", "jon"))
    await owner.post(f"{ROUNDS}/{round_id}/drafts/edits", pair("omar", "ines", action="remove"))
    await owner.post(f"{ROUNDS}/{round_id}/drafts/edits", pair("omar", "kim", action="add"))
    for repeated in (False, True):
        answer = await owner.post(f"{ROUNDS}/{round_id}/publish", {"approved": [pair("nora", "jon")]})
        assert (answer.status_code, answer.json()["repeated"]) == (202, repeated)
    (request,) = await asked(service, PublishRound)
    told = msgspec.to_builtins(request)
    assert list(told["removed"]) == [pair("omar", "ines")]
    assert list(told["added"]) == [pair("omar", "kim")]
    assert list(told["approved"]) == [pair("nora", "jon")]


async def test_discarding_is_asked_once(service: MatchingService, owner: Caller) -> None:
    round_id = await drafted(service)
    for repeated in (False, True):
        answer = await owner.post(f"{ROUNDS}/{round_id}/discard")
        assert answer.json()["repeated"] is repeated
    assert [each.round_id for each in await asked(service, DiscardRound)] == [round_id]


async def test_mentors_are_requested_for_a_mentee(service: MatchingService, owner: Caller) -> None:
    path = f"/v1/programs/{PROGRAM}/requests"
    wanted = {"participant_id": str(participant_id("ines")), "mentor_ids": [str(participant_id("omar"))]}
    assert (await owner.post(path, wanted)).status_code == 409
    await service.send(configured(matching="on_request", requests_limit=1), mentor("pat", offers=(Skill(skill="x"),)))
    too_many = {**wanted, "mentor_ids": [str(participant_id(name)) for name in ("omar", "nora")]}
    assert (await owner.post(path, too_many)).status_code == 422
    assert (await owner.post(path, {**wanted, "mentor_ids": [str(uuid4())]})).status_code == 404
    assert (
        await (await caller(service, BETA)).post(path, wanted)
    ).status_code == 404  # the mentor is not theirs to see
    assert (await owner.post(path, wanted)).status_code == 202
    (request,) = await asked(service, RequestMentors)
    assert request.mentor_ids == (participant_id("omar"),)


async def test_a_round_from_the_request_to_why_they_were_matched(service: MatchingService) -> None:
    await service.send(
        configured(matching="review"),
        mentor("omar", offers=(Skill(skill="SQL", level=3),)),
        mentor("nora", offers=(Skill(skill="SQL", level=2),)),
        mentee("ines", wants=(Skill(skill="SQL", level=3),)),
        mentee("jon", wants=(Skill(skill="SQL", level=3),)),
    )
    owner = await caller(service, ALPHA)
    round_id = (await owner.post(ROUNDS)).json()["request_id"]

    async def is_drafted() -> bool:
        return bool((await owner.get(f"{ROUNDS}/{round_id}")).json().get("status") == "drafted")

    await eventually(is_drafted, what="the round's drafts")
    drafts = (await owner.get(f"{ROUNDS}/{round_id}/drafts")).json()["items"]
    assert {each["mentor_id"] for each in drafts} == {str(participant_id(name)) for name in ("omar", "nora")}
    taken_out = next(each for each in drafts if each["mentor_id"] == str(participant_id("nora")))
    edit = {"action": "remove", "mentor_id": taken_out["mentor_id"], "mentee_id": taken_out["mentee_id"]}
    assert (await owner.post(f"{ROUNDS}/{round_id}/drafts/edits", edit)).status_code == 201
    assert (await owner.post(f"{ROUNDS}/{round_id}/publish")).status_code == 202
    await service.settle()
    (match,) = (await owner.get(f"/v1/programs/{PROGRAM}/matches")).json()["items"]
    assert (match["mentor"]["participant_id"], match["round_id"]) == (str(participant_id("omar")), round_id)
    path = f"/v1/programs/{PROGRAM}/matches/{match['match_id']}/explanation"
    told = (await owner.get(path, why_not=str(participant_id("nora")))).json()
    assert told["on_the_day"]["runner_up_mentor"] == str(participant_id("nora"))
    assert told["on_the_day"]["why_not"]["candidate"] is True
    assert told["on_the_day"]["why_not"]["verified"] is True
    assert told["why_not"]["verified"] is True
    (finished,) = (await owner.get(ROUNDS)).json()["items"]
    assert (finished["status"], finished["figures"]["matched"]) == ("published", 2)


async def test_a_comparison_becomes_nothing(service: MatchingService) -> None:
    await service.send(
        configured(matching="rounds"),
        mentor("omar"),
        *(mentee(f"m{number}") for number in range(6)),
    )
    owner = await caller(service, ALPHA, "viewer")
    path = f"/v1/programs/{PROGRAM}/what-if"
    same = (await owner.post(path, {})).json()
    assert (same["mentees"], same["before"]["matched"], same["kept"]) == (6, 1, 1)
    none = (await owner.post(path, {"policy": {"minimum_score": 1.0}})).json()
    assert [len(none[name]) for name in ("gained", "lost", "moved")] == [0, 1, 0]
    assert none["groups"] == [{"group": str(BETA), "size": 6, "gained": 0, "lost": 1, "moved": 0}]
    for wrong in ({"policy": {"version": 2}}, {"policy": {"minimum_score": 2}}, {"scope": "none"}, {"other": 1}):
        assert (await owner.post(path, wrong)).status_code == 422, wrong
    assert (await (await caller(service, BETA)).post(path, {})).status_code == 403
    await service.settle()
    assert [await service.events(kind) for kind in (MatchConfirmed, RoundCompleted)] == [[], []]
    assert len(await service.rows("SELECT FROM waiting")) == 6
