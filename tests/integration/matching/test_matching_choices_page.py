"""Where mentees choose: the page behind the link, and what becomes of a list that is handed in there."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.integration.matching.running import (
    ALPHA,
    BETA,
    GAMMA,
    OFFICE,
    PROGRAM,
    START,
    MatchingService,
    configured,
    mentee,
    mentor,
    participant_id,
    person_id,
)

from mentorstream_events import derived_id
from mentorstream_events.matches import MatchProposed, ParticipantWaitlisted
from mentorstream_events.registrations import (
    ParticipantWithdrawn,
    ProposalAccepted,
    ProposalDeclined,
    RematchRequested,
    RequestMentors,
)
from mentorstream_events.values import Skill
from mentorstream_runtime.database import transaction

PATH = "/choices/"


def choice_path(service: MatchingService, **other: Any) -> str:
    """The path of the link that ines gets by mail, or of one that says something else."""
    claims: dict[str, Any] = {
        "organisation_id": BETA,
        "subject_id": participant_id("ines"),
        "person_id": person_id("ines"),
        "expires_at": START + timedelta(days=90),
        **other,
    }
    return PATH + service.process.runtime.links.sign("choice", **claims)


async def begin(service: MatchingService, **policy: Any) -> str:
    await service.send(
        configured(matching="on_request", **policy),
        mentor("omar", offers=(Skill(skill="Law", level=4),), goals=("Lead",), industry="energy", seniority=7),
        mentor("uma", offers=(Skill(skill="SQL <b>", level=5), Skill(skill="Go")), languages=("en", "fr")),
        mentor("vera", capacity=0),
        mentor("wei", languages=("de",)),
        mentee("ines", wants=(Skill(skill="sql <B>"),)),
    )
    return choice_path(service)


def ranking(*names: str) -> dict[str, str]:
    return {f"choice-{place}": str(participant_id(name)) for place, name in enumerate(names, 1)}


async def test_the_page_shows_who_fits_best_first_and_changes_nothing(service: MatchingService) -> None:
    path = await begin(service, requests_at_once=2)
    page = await service.client.get(path)
    assert page.status_code == 200
    for text in (
        "Spring program",
        "SQL &lt;b&gt; (5)",
        "Law (4)",
        "Go (3)",
        "energy",
        "7 of 10",
        "en, fr",
        "40 h a week",
        "We ask 2 at a time, in your order. Each has 7\ndays to answer.",
        "Second choice (optional)",
    ):
        assert text in page.text
    shown = re.findall(r'<option value="([^"]+)">Mentor (\d+): (\d+) points', page.text)
    assert [UUID(value) for value, _, _ in shown[:2]] == [participant_id("uma"), participant_id("omar")]
    assert [number for _, number, _ in shown[:2]] == ["1", "2"]
    assert int(shown[0][2]) > int(shown[1][2])
    assert str(participant_id("vera")) not in page.text  # no place
    assert str(participant_id("wei")) not in page.text  # no common language
    assert "Third choice" not in page.text  # there are two
    assert page.headers["cache-control"] == "no-store"
    await service.settle()
    assert await service.events(MatchProposed) == []


async def test_a_list_is_taken_once_and_decided_on(service: MatchingService) -> None:
    path = await begin(service)
    first = await service.client.post(path, data=ranking("omar", "uma"))
    second = await service.client.post(path, data=ranking("omar", "uma"))
    other = await service.client.post(path, data=ranking("uma"))
    assert [each.status_code for each in (first, second, other)] == [200, 200, 409]
    assert "Thank you, we ask them now" in first.text
    await service.settle()
    (proposal,) = await service.events(MatchProposed)
    assert proposal.mentor.participant_id == participant_id("omar")
    assert len(await service.events(RequestMentors, "registrations")) == 1
    page = await service.client.get(path)
    assert (page.status_code, "Your mentors are being asked" in page.text) == (200, True)
    assert (await service.client.post(path, data=ranking("uma"))).status_code == 409


async def test_who_finds_nobody_may_choose_again_with_the_same_link(service: MatchingService) -> None:
    path = await begin(service)
    await service.client.post(path, data=ranking("omar"))
    await service.settle()
    (proposal,) = await service.events(MatchProposed)
    await service.send(ProposalDeclined(program_id=PROGRAM, match_id=proposal.match_id))
    assert [each.lists for each in await service.events(ParticipantWaitlisted)] == [0, 1]
    page = await service.client.get(path)
    assert "You can choose again" in page.text
    assert str(participant_id("omar")) not in page.text  # he said no
    assert (await service.client.post(path, data=ranking("uma"))).status_code == 200
    await service.settle()
    assert [each.mentor.participant_id for each in await service.events(MatchProposed)][1:] == [participant_id("uma")]


@pytest.mark.parametrize(
    ("entered", "errors"),
    [
        ({}, ["First choice: Choose at least one mentor."]),
        ({"choice-1": ""}, ["First choice: Choose at least one mentor."]),
        (ranking("omar", "omar"), ["Second choice: This mentor is your first choice already."]),
        (ranking("vera", "omar"), ["First choice: This mentor cannot be asked any more."]),
        ({"choice-1": "nobody"}, ["First choice: This mentor cannot be asked any more."]),
    ],
)
async def test_mistakes_are_told_on_the_page(
    service: MatchingService, entered: dict[str, str], errors: list[str]
) -> None:
    path = await begin(service)
    page = await service.client.post(path, data=entered)
    assert page.status_code == 422
    assert "Nobody was asked yet" in page.text
    for error in errors:
        assert error in page.text
    kept = entered.get("choice-2")
    assert kept is None or f'<option value="{kept}" selected>' in page.text
    assert await service.rows("SELECT FROM choice_asked") == []


async def test_places_left_empty_are_closed_up_and_fields_beyond_the_limit_are_not_read(
    service: MatchingService,
) -> None:
    path = await begin(service, requests_limit=2)
    entered = {"choice-1": "", "choice-2": str(participant_id("uma")), "choice-3": str(participant_id("omar"))}
    assert (await service.client.post(path, data=entered)).status_code == 200
    await service.settle()
    (request,) = await service.events(RequestMentors, "registrations")
    assert request.mentor_ids == (participant_id("uma"),)


async def test_nobody_who_fits_is_said_and_the_link_stays_good(service: MatchingService) -> None:
    await service.send(configured(matching="on_request"), mentor("wei", languages=("de",)), mentee("ines"))
    page = await service.client.get(choice_path(service))
    assert (page.status_code, "Nobody to choose at the moment" in page.text) == (200, True)
    await service.send(mentor("omar"))
    assert str(participant_id("omar")) in (await service.client.get(choice_path(service))).text


async def test_there_is_nothing_to_choose_with_a_match_or_after_leaving_or_in_other_programs(
    service: MatchingService,
) -> None:
    path = await begin(service)
    await service.client.post(path, data=ranking("omar"))
    await service.settle()
    (proposal,) = await service.events(MatchProposed)
    await service.send(ProposalAccepted(program_id=PROGRAM, match_id=proposal.match_id))
    assert (await service.client.get(path)).status_code == 410
    assert (await service.client.post(path, data=ranking("uma"))).status_code == 410
    await service.send(
        ParticipantWithdrawn(program_id=PROGRAM, participant_id=participant_id("ines"), person_id=person_id("ines"))
    )
    assert (await service.client.get(path)).status_code == 410
    await service.send(mentee("zoe", languages=("fi",)), configured(matching="on_arrival", version=2))
    zoe = choice_path(service, subject_id=participant_id("zoe"), person_id=person_id("zoe"))
    assert (await service.client.get(zoe)).status_code == 410


async def test_who_wants_another_match_is_not_told_that_a_list_was_in_vain(service: MatchingService) -> None:
    path = await begin(service)
    await service.send(
        RequestMentors(program_id=PROGRAM, participant_id=participant_id("ines"), mentor_ids=(participant_id("omar"),))
    )
    (proposal,) = await service.events(MatchProposed)
    await service.move_clock(START + timedelta(days=1))
    await service.send(
        ProposalAccepted(program_id=PROGRAM, match_id=proposal.match_id),
        RematchRequested(program_id=PROGRAM, participant_id=participant_id("ines"), match_id=proposal.match_id),
    )
    page = await service.client.get(path)
    assert (page.status_code, "You can choose again" in page.text) == (200, False)


async def test_a_list_of_who_was_leaving_closes_nothing_when_they_come_back(service: MatchingService) -> None:
    path = await begin(service)
    async with transaction(service.process.runtime.pool) as connection:  # handed in; its request comes after they left
        await connection.execute(
            "INSERT INTO choice_asked (program_id, participant_id, organisation_id, number, mentors, asked_at)"
            " VALUES ($1, $2, $3, 1, $4, $5)",
            PROGRAM,
            participant_id("ines"),
            BETA,
            [participant_id("omar")],
            START,
        )
    await service.send(
        ParticipantWithdrawn(program_id=PROGRAM, participant_id=participant_id("ines"), person_id=person_id("ines")),
        RequestMentors(program_id=PROGRAM, participant_id=participant_id("ines"), mentor_ids=(participant_id("omar"),)),
        mentee("ines"),
    )
    assert str(participant_id("omar")) in (await service.client.get(path)).text
    assert (await service.client.post(path, data=ranking("omar"))).status_code == 200
    await service.settle()
    assert len(await service.events(MatchProposed)) == 1


async def test_links_of_others_open_nothing(service: MatchingService) -> None:
    path = await begin(service)
    wrong = [
        choice_path(service, person_id=person_id("omar")),
        choice_path(service, organisation_id=ALPHA),
        choice_path(service, organisation_id=GAMMA),
        choice_path(service, subject_id=derived_id("stranger")),
        path[:-2],
        PATH + "x",
    ]
    for each in wrong:
        for response in (await service.client.get(each), await service.client.post(each, data=ranking("omar"))):
            assert response.status_code == 404
    late = choice_path(service, expires_at=START)
    assert (await service.client.get(late)).status_code == 410


async def test_mentors_of_other_organisations_and_former_ones(service: MatchingService) -> None:
    """The API's role sees one organisation; who can be chosen does not stop there."""
    await begin(service)
    await service.send(mentor("far", organisation_id=ALPHA), mentor("near", organisation_id=BETA))
    page = (await service.client.get(choice_path(service))).text
    assert str(participant_id("far")) in page
    assert str(participant_id("near")) in page
    await service.send(mentor("busy", availability=OFFICE[:1]))
    assert "8 h a week" in (await service.client.get(choice_path(service))).text
