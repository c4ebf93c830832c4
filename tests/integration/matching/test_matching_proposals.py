"""Where mentors are asked: the page behind the link, the answers, and the clock."""

from __future__ import annotations

from datetime import timedelta

from tests.integration.matching.running import (
    BETA,
    GAMMA,
    PROGRAM,
    START,
    MatchingService,
    configured,
    mentee,
    mentor,
    person_id,
)

from mentorstream_events.matches import MatchConfirmed, MatchEnded, MatchProposed, ParticipantWaitlisted
from mentorstream_events.registrations import EndMatch, ExpireProposal, ProposalAccepted, ProposalDeclined
from mentorstream_events.values import Skill, Terms


async def proposed(service: MatchingService) -> MatchProposed:
    await service.send(
        configured(mentor_consent=True, proposal_days=3, terms=Terms(weeks=2)),
        mentor("omar", offers=(Skill(skill="SQL <b>"),), goals=("Lead",)),
        mentee("ines", wants=(Skill(skill="sql <B>"),), goals=("lead",)),
    )
    (proposal,) = await service.events(MatchProposed)
    return proposal


async def test_the_page_says_what_is_proposed_and_changes_nothing(service: MatchingService) -> None:
    proposal = await proposed(service)
    page = await service.client.get(service.path(proposal))
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for text in ("Spring program", "SQL &lt;b&gt;", "Lead", "40 h", "Thursday 5 March 2026, 08:00 UTC", "2 weeks"):
        assert text in page.text
    assert str(proposal.match_id) not in page.text
    await service.settle()
    assert await service.events(MatchConfirmed) == []
    assert await service.rows("SELECT FROM request_asked") == []


async def test_accepting_twice_is_one_answer(service: MatchingService) -> None:
    proposal = await proposed(service)
    path = service.path(proposal)
    first = await service.client.post(path, data={"answer": "accept"})
    second = await service.client.post(path, data={"answer": "accept"})
    other = await service.client.post(path, data={"answer": "decline"})
    assert [each.status_code for each in (first, second, other)] == [200, 200, 409]
    assert "the match begins" in first.text
    assert "already answered" in second.text
    assert "You accepted" in other.text
    await service.settle()
    (confirmed,) = await service.events(MatchConfirmed)
    assert confirmed.match_id == proposal.match_id
    assert len(await service.events(ProposalAccepted, "registrations")) == 1
    assert await service.events(ProposalDeclined, "registrations") == []
    assert "already answered" in (await service.client.get(path)).text


async def test_declining_makes_the_mentee_look_again(service: MatchingService) -> None:
    proposal = await proposed(service)
    await service.client.post(service.path(proposal), data={"answer": "decline"})
    await service.settle()
    (ended,) = await service.events(MatchEnded)
    assert (ended.reason, ended.was_confirmed) == ("declined", False)
    (waiting,) = await service.events(ParticipantWaitlisted)
    assert [each.rule for each in waiting.reasons] == ["former_match"]


async def test_no_answer_in_time_is_asked_about_once(service: MatchingService) -> None:
    proposal = await proposed(service)
    path = service.path(proposal, expires_at=proposal.expires_at + timedelta(days=30))
    await service.move_clock(proposal.expires_at - timedelta(seconds=1))
    assert await service.events(ExpireProposal, "registrations") == []
    await service.move_clock(proposal.expires_at)
    await service.move_clock(proposal.expires_at + timedelta(hours=1))
    (ended,) = await service.events(MatchEnded)
    assert ended.reason == "expired"
    assert len(await service.events(ExpireProposal, "registrations")) == 1
    for page in (await service.client.get(path), await service.client.post(path, data={"answer": "accept"})):
        assert page.status_code == 410
    own_link = await service.client.get(service.path(proposal))
    assert own_link.status_code == 410
    assert "This link is no longer valid" in own_link.text


async def test_a_match_ends_when_its_weeks_are_over_even_if_they_changed(service: MatchingService) -> None:
    proposal = await proposed(service)
    await service.client.post(service.path(proposal), data={"answer": "accept"})
    await service.settle()
    await service.send(configured(mentor_consent=True, terms=Terms(weeks=3)))
    await service.move_clock(START + timedelta(weeks=2))
    assert await service.events(EndMatch, "registrations") == []
    await service.move_clock(START + timedelta(weeks=3))
    (asked,) = await service.events(EndMatch, "registrations")
    assert asked.reason == "term_over"
    (ended,) = await service.events(MatchEnded)
    assert (ended.reason, ended.was_confirmed) == ("term_over", True)
    page = await service.client.get(service.path(proposal, expires_at=START + timedelta(weeks=9)))
    assert "already answered" in page.text


async def test_a_proposal_that_was_withdrawn(service: MatchingService) -> None:
    proposal = await proposed(service)
    await service.send(EndMatch(program_id=PROGRAM, match_id=proposal.match_id, reason="coordinator"))
    page = await service.client.get(service.path(proposal))
    assert page.status_code == 410
    assert "no longer open" in page.text


async def test_links_of_others_open_nothing(service: MatchingService) -> None:
    proposal = await proposed(service)
    wrong = [
        service.path(proposal, person_id=person_id("ines")),
        service.path(proposal, organisation_id=GAMMA),
        service.path(proposal, subject_id=PROGRAM),
        service.path(proposal)[:-2],
        "/proposals/x",
    ]
    for path in wrong:
        for response in (await service.client.get(path), await service.client.post(path, data={"answer": "accept"})):
            assert response.status_code == 404
            assert "is not valid" in response.text
    mentees = service.path(proposal, person_id=person_id("ines"), organisation_id=BETA)
    assert (await service.client.post(mentees, data={"answer": "accept"})).status_code == 404


async def test_neither_yes_nor_no_is_asked_again(service: MatchingService) -> None:
    proposal = await proposed(service)
    for sent in ({}, {"answer": "perhaps"}, {"other": "accept"}):
        response = await service.client.post(service.path(proposal), data=sent)
        assert response.status_code == 422
        assert "Please choose" in response.text
    assert await service.rows("SELECT FROM request_asked") == []
