"""Where mentees choose: the mail with the link, once for each list, and the word to mentors who need not answer."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from tests.support.notifications_service import ORGANISATION, PROGRAM, NotificationsService, known, member, program
from tests.support.records import T0

from mentorstream_events.matches import MatchEnded, MatchProposed, ParticipantWaitlisted
from mentorstream_events.notifications import NotificationSent
from mentorstream_events.values import Reason

if TYPE_CHECKING:
    from mentorstream_local.smtp_sink import SmtpSink

ANNA, BEN, MATCH = UUID(int=11), UUID(int=12), UUID(int=31)


def to_choose(lists: int) -> ParticipantWaitlisted:
    return ParticipantWaitlisted(
        program_id=PROGRAM,
        participant_id=UUID(int=41),
        person_id=BEN,
        organisation_id=ORGANISATION,
        role="mentee",
        waiting_since=T0,
        reasons=(Reason(rule="no_request", removed=0),),
        lists=lists,
    )


async def test_a_mentee_gets_one_link_for_each_list(service: NotificationsService, smtp_sink: SmtpSink) -> None:
    await service.send(program(), known(BEN, "Ben"), to_choose(0))
    await service.settle()
    await service.send(to_choose(0), to_choose(1))
    await service.settle()

    first, again = (str(mail.message.get_payload(0).get_payload(decode=True), "utf-8") for mail in smtp_sink.mails)  # type: ignore[union-attr,arg-type]
    assert "you choose who is asked to mentor you" in first
    assert "You can choose again" in again
    link = re.search(r"/choices/(\S+)", first)
    assert link is not None
    claims = service.process.runtime.links.read("choice", link[1], now=T0 + timedelta(days=89))
    assert (claims.subject_id, claims.person_id, claims.organisation_id) == (UUID(int=41), BEN, ORGANISATION)


async def test_a_mentor_hears_that_somebody_else_said_yes(service: NotificationsService, smtp_sink: SmtpSink) -> None:
    mentor, mentee = member(ANNA, "mentor"), member(BEN, "mentee")
    proposed = MatchProposed(
        program_id=PROGRAM,
        match_id=MATCH,
        mentor=mentor,
        mentees=(mentee,),
        score=0.5,
        facets={},
        policy_version=1,
        expires_at=T0 + timedelta(days=7),
    )
    ended = MatchEnded(
        program_id=PROGRAM,
        match_id=MATCH,
        mentor_person_id=ANNA,
        mentee_person_ids=(BEN,),
        organisation_ids=(ORGANISATION,),
        was_confirmed=False,
        reason="other_accepted",
    )
    await service.send(program(), known(ANNA, "Anna"), known(BEN, "Ben"), proposed)
    await service.settle()
    await service.send(ended)
    await service.settle()
    assert [mail.recipients for mail in smtp_sink.mails] == [("anna@example.org",)] * 2
    assert "We had asked you to mentor Ben" in smtp_sink.mails[1].message.as_string()
    assert [each.kind for each in await service.events(NotificationSent)] == ["proposal", "proposal_closed"]
