"""The API for coordinators: who may see and do what, and what becomes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.integration.matching.callers import caller
from tests.integration.matching.running import (
    ALPHA,
    BETA,
    GAMMA,
    PROGRAM,
    START,
    MatchingService,
    configured,
    mentee,
    mentor,
    participant_id,
)

from mentorstream_events.matches import MatchConfirmed, MatchEnded
from mentorstream_events.registrations import EndMatch, RematchRequested
from mentorstream_events.values import Skill
from mentorstream_runtime.database import transaction

HERE = f"/v1/programs/{PROGRAM}"


@pytest.fixture
async def running(service: MatchingService) -> MatchConfirmed:
    """A match across organisations, somebody who waits, and a mentor whom nobody fits."""
    await service.send(
        configured(),
        mentor("omar", offers=(Skill(skill="SQL", level=3),)),
        mentor("nora", languages=("fr",), organisation_id=BETA),
        mentee("ines", wants=(Skill(skill="SQL", level=3),)),
        mentee("jon", languages=("de",)),
    )
    (match,) = await service.events(MatchConfirmed)
    return match


async def test_the_owner_sees_all_of_a_pool(service: MatchingService, running: MatchConfirmed) -> None:
    owner = await caller(service, ALPHA, "viewer")
    (program,) = (await owner.get("/v1/programs")).json()["items"]
    assert (program["program_id"], program["owned"], program["title"]) == (str(PROGRAM), True, "Spring program")
    glance = (await owner.get(HERE)).json()
    assert (glance["participants"], glance["mentors"], glance["mentees"]) == (4, 2, 2)
    assert (glance["capacity"], glance["free_places"], glance["open_mentors"]) == (2, 1, 1)
    assert (glance["running"], glance["match_rate"], glance["waiting"]) == (1, 0.5, 1)
    assert glance["waiting_weeks"] == [1] + 8 * [0]
    (waiting,) = (await owner.get(f"{HERE}/waitlist")).json()["items"]
    assert waiting["participant_id"] == str(participant_id("jon"))
    assert [(each["rule"], each["removed"]) for each in waiting["reasons"]] == [("language", 2)]
    (match,) = (await owner.get(f"{HERE}/matches", status="confirmed")).json()["items"]
    assert match["match_id"] == str(running.match_id)
    assert sum(match["facets"].values()) == match["score"]


async def test_waiting_times_are_by_the_programs_time(service: MatchingService, running: MatchConfirmed) -> None:
    owner = await caller(service, ALPHA, "viewer")
    service.time = START + timedelta(days=22)
    await service.send(mentee("kim", languages=("it",)))
    assert (await owner.get(HERE)).json()["waiting_weeks"] == [1, 0, 0, 1, 0, 0, 0, 0, 0]
    first, second = (await owner.get(f"{HERE}/waitlist")).json()["items"]
    assert (first["days"], second["days"]) == (22, 0)


async def test_others_see_their_own_people(service: MatchingService, running: MatchConfirmed) -> None:
    other = await caller(service, BETA)
    glance = (await other.get(HERE)).json()
    assert glance["program"]["owned"] is False
    assert (glance["participants"], glance["mentors"], glance["running"]) == (3, 1, 1)
    await service.send(mentee("of_alpha", organisation_id=ALPHA, languages=("it",)))
    assert len((await other.get(f"{HERE}/waitlist")).json()["items"]) == 1


async def test_strangers_see_nothing(service: MatchingService, running: MatchConfirmed) -> None:
    stranger = await caller(service, GAMMA)
    assert (await stranger.get("/v1/programs")).json() == {"items": [], "next": None}
    match = f"{HERE}/matches/{running.match_id}"
    for path in (HERE, f"{HERE}/waitlist", f"{HERE}/matches", f"{match}/explanation"):
        answer = await stranger.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await stranger.post(f"{match}/end")).status_code == 404
    owner = await caller(service, ALPHA)
    assert (await owner.get(f"{HERE}/matches/{PROGRAM}/explanation")).status_code == 404


async def test_lists_come_in_pages(service: MatchingService) -> None:
    await service.send(configured(), *(mentee(f"m{number}") for number in range(5)))
    owner = await caller(service, ALPHA, "viewer")
    seen, after = [], None
    while True:
        page = (await owner.get(f"{HERE}/waitlist", limit=2, **({"after": after} if after else {}))).json()
        assert len(page["items"]) <= 2
        seen += [each["participant_id"] for each in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(str(participant_id(f"m{number}")) for number in range(5))
    assert len(set(seen)) == 5
    for wrong in ({"limit": 0}, {"limit": 201}, {"after": "x"}, {"after": "9" * 30 + "." + str(PROGRAM)}):
        assert (await owner.get(f"{HERE}/waitlist", **wrong)).status_code == 422, wrong
    assert (await owner.get("/v1/programs/x")).status_code == 422


async def test_a_match_is_explained(service: MatchingService, running: MatchConfirmed) -> None:
    await service.send(
        mentor("pia", offers=(Skill(skill="SQL", level=2),)),
        mentee("late", wants=(Skill(skill="SQL", level=1),)),
    )
    owner = await caller(service, ALPHA, "viewer")
    path = f"{HERE}/matches/{running.match_id}/explanation"
    told = (await owner.get(path)).json()
    assert told["match"]["score"] == told["now"]["score"] == sum(told["now"]["facets"].values())
    assert told["now"]["broken"] == []
    assert told["now"]["others"] == [
        {"rule": "language", "removed": 1, "words": "No language in common"},
        {"rule": "capacity", "removed": 1, "words": "Has no place left"},
    ]
    assert told["why_not"] is None
    no_language = (await owner.get(path, why_not=str(participant_id("nora")))).json()["why_not"]
    assert no_language["rules"][0] == "language"
    assert no_language["change"] is None
    assert (await owner.get(path, why_not=str(PROGRAM))).status_code == 404


async def test_who_would_have_been_next(service: MatchingService) -> None:
    await service.send(
        configured(minimum_score=0.1),
        mentor("omar", offers=(Skill(skill="SQL", level=3),)),
        mentor("pia", offers=(Skill(skill="SQL", level=2),)),
        mentee("ines", wants=(Skill(skill="SQL", level=3),)),
    )
    (running,) = await service.events(MatchConfirmed)
    owner = await caller(service, ALPHA, "viewer")
    path = f"{HERE}/matches/{running.match_id}/explanation"
    told = (await owner.get(path, why_not=str(participant_id("pia")))).json()
    runner_up, why_not = told["now"]["runner_up_mentor"], told["why_not"]
    assert runner_up["participant_id"] == str(participant_id("pia"))
    assert runner_up["short"] == told["match"]["score"] - runner_up["score"] > 0
    assert why_not["rules"] == []
    assert why_not["change"] == runner_up["short"] + 1 / 2**20
    assert why_not["verified"] is True
    other = await caller(service, BETA, "viewer")
    hidden = (await other.get(path)).json()["now"]["runner_up_mentor"]
    assert hidden == {**runner_up, "participant_id": None}
    assert (await other.get(path, why_not=str(participant_id("pia")))).status_code == 404


async def test_ending_a_match_is_asked_once(service: MatchingService, running: MatchConfirmed) -> None:
    path = f"{HERE}/matches/{running.match_id}/end"
    viewer = await caller(service, BETA, "viewer")
    refused = await viewer.post(path)
    assert (refused.status_code, refused.json()["title"]) == (403, "This key may only look")
    concerned = await caller(service, BETA)
    first, second = await concerned.post(path), await concerned.post(path)
    assert (first.status_code, first.json()["repeated"]) == (202, False)
    assert second.status_code in (202, 409)  # asked before, or ended by now
    await service.settle()
    assert [each.reason for each in await service.events(EndMatch, "registrations")] == ["coordinator"]
    (ended,) = await service.events(MatchEnded)
    assert (ended.reason, ended.was_confirmed) == ("coordinator", True)
    assert (await concerned.post(path)).status_code == 409
    (note,) = await service.rows("SELECT kind, subject_id, key_lookup FROM coordinator_request")
    assert tuple(note) == ("end", running.match_id, concerned.lookup)


async def test_a_pair_that_does_not_fit_is_parted_and_both_look_again(
    service: MatchingService, running: MatchConfirmed
) -> None:
    await service.send(mentor("pia"), mentee("kim", wants=(Skill(skill="law", level=3),)))
    second = (await service.events(MatchConfirmed))[-1]
    assert second.mentees[0].participant_id == participant_id("kim")
    await service.send(mentee("lea", wants=(Skill(skill="SQL", level=3),)))  # waits for a place
    path = f"{HERE}/matches/{running.match_id}/rematch"
    viewer, concerned = await caller(service, BETA, "viewer"), await caller(service, BETA)
    assert (await viewer.post(path)).status_code == 403
    assert (await (await caller(service, GAMMA)).post(path)).status_code == 404
    first, again = await concerned.post(path), await concerned.post(path)
    assert (first.status_code, first.json()["repeated"]) == (202, False)
    assert again.status_code in (202, 409)  # asked before, or ended by now
    await service.settle()
    (wish,) = await service.events(RematchRequested, "registrations")
    assert (wish.participant_id, wish.match_id) == (participant_id("ines"), running.match_id)
    (ended,) = await service.events(MatchEnded)
    assert (ended.match_id, ended.reason) == (running.match_id, "rematch")
    newest = (await service.events(MatchConfirmed))[-1]
    assert (newest.mentor.participant_id, newest.mentees[0].participant_id) == (
        participant_id("omar"),
        participant_id("lea"),
    )
    assert {row["participant_id"] for row in await service.rows("SELECT participant_id FROM waiting")} == {
        participant_id("ines"),
        participant_id("jon"),
    }
    assert (await concerned.post(path)).status_code == 409


async def test_the_page_asks_for_a_rematch_of_whoever_is_sure(
    service: MatchingService, running: MatchConfirmed
) -> None:
    owner = await caller(service, ALPHA)
    client, match = service.client, f"/coordinate/programs/{PROGRAM}/matches/{running.match_id}"

    async def token_of(path: str) -> str:
        return (await client.get(path)).text.partition('name="token" value="')[2].partition('"')[0]

    await client.post("/coordinate/login", data={"token": await token_of("/coordinate"), "key": owner.key})
    token = await token_of(match)
    unsure = await client.post(f"{match}/rematch", data={"token": token})
    assert (unsure.status_code, "Nothing was ended" in unsure.text) == (422, True)
    forged = await client.post(f"{match}/rematch", data={"token": "x", "sure": "yes"})
    assert forged.status_code == 403
    sent_on = await client.post(f"{match}/rematch", data={"token": token, "sure": "yes"})
    assert (sent_on.status_code, sent_on.headers["location"]) == (303, f"{match}?done=rematch")
    await service.settle()
    assert len(await service.events(RematchRequested, "registrations")) == 1
    assert "rematch" in (await client.get(match)).text


async def test_a_key_that_is_none_opens_nothing(service: MatchingService, running: MatchConfirmed) -> None:
    known = await caller(service, ALPHA)
    wrong = [
        {},
        {"Authorization": "Basic x"},
        {"Authorization": f"Bearer msk_{known.lookup}_x"},
        {"Authorization": f"Bearer {known.key}x"},
        {"Authorization": "Bearer msc_0000000000000000_x"},
    ]
    for headers in wrong:
        answer = await service.client.get(HERE, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (await known.get(HERE)).status_code == 200
    (used,) = await service.rows("SELECT last_used_at IS NOT NULL AS used FROM coordinator_key")
    assert used["used"]
    await known.revoke()
    assert (await known.get(HERE)).status_code == 401


async def test_who_fails_too_often_is_not_listened_to(service: MatchingService) -> None:
    statuses = []
    for _ in range(25):
        answer = await service.client.get(HERE, headers={"Authorization": "Bearer msc_0000000000000000_x"})
        statuses.append(answer.status_code)
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert int(answer.headers["retry-after"]) >= 1
    # Others come from the same address, behind a proxy: a key that works is heard.
    assert (await (await caller(service, ALPHA)).get("/v1/programs")).status_code == 200


async def test_the_api_role_sees_nothing_without_an_organisation(
    service: MatchingService, running: MatchConfirmed
) -> None:
    await caller(service, ALPHA)
    api = service.process.runtime.api_pool
    for table in ("program", "participant", "match", "waiting", "coordinator_request"):
        assert await api.fetch(f"SELECT * FROM {table}") == [], table
    for statement in ("SELECT * FROM coordinator_key", "DELETE FROM match", "DELETE FROM coordinator_request"):
        with pytest.raises(Exception, match="permission denied"):
            await api.execute(statement)


async def test_the_description_names_every_route(service: MatchingService) -> None:
    document = (await service.client.get("/openapi.json")).json()
    for path in (HERE, f"{HERE}/waitlist", f"{HERE}/matches"):
        assert path.replace(str(PROGRAM), "{program_id}") in document["paths"]
    operation = document["paths"]["/v1/programs"]["get"]
    assert operation["security"] == [{"HTTPBearer": []}]
    assert set(operation["responses"]) >= {"200", "401", "404", "429"}


async def test_how_much_longer_is_told_where_the_past_tells_it(service: MatchingService) -> None:
    await service.send(configured(), mentee("jon", languages=("de",)))
    owner, other = await caller(service, ALPHA, "viewer"), await caller(service, BETA, "viewer")
    (alone,) = (await owner.get(f"{HERE}/waitlist")).json()["items"]
    assert alone["estimate"] is None
    async with transaction(service.process.runtime.pool) as connection:
        for number in range(120):  # a wait of 1 to 12 days each, over and over
            since = START - timedelta(days=130 - number)
            await connection.execute(
                "INSERT INTO match (match_id, program_id, mentor_id, mentor_person_id, mentor_organisation_id,"
                " mentee_id, mentee_person_id, mentee_organisation_id, status, slot, capacity, score, facets, shared,"
                " policy_version, waiting_since, proposed_at, confirmed_at, ends_at, ended_at, end_reason)"
                " SELECT gen_random_uuid(), $1, gen_random_uuid(), gen_random_uuid(), $2, gen_random_uuid(),"
                " gen_random_uuid(), $2, 'ended', 0, 1, 0, '{}', '{}', 1, $3, $4, $4, $4, $4, 'withdrawn'",
                PROGRAM,
                ALPHA,
                since,
                since + timedelta(days=1 + number * 7 % 12),
            )
    (told,) = (await owner.get(f"{HERE}/waitlist")).json()["items"]
    found = told["estimate"]
    assert 0 < found["low"] <= found["median"] <= found["high"] <= 12
    assert found["tested"] >= 20
    (hidden,) = (await other.get(f"{HERE}/waitlist")).json()["items"]
    assert hidden["estimate"] is None
