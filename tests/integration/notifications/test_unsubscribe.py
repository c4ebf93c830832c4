"""Stopping courtesy mails: by one click of a mail program, and on the page."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from tests.support.notifications_service import ORGANISATION, PROGRAM, NotificationsService, known, program
from tests.support.records import T0

from mentorstream_events import Value
from mentorstream_events.matches import MatchProposed, ParticipantWaitlisted
from mentorstream_events.people import PersonErased

if TYPE_CHECKING:
    from mentorstream_local.smtp_sink import SmtpSink

ANNA, BEN = UUID(int=11), UUID(int=12)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def waitlisted() -> ParticipantWaitlisted:
    return ParticipantWaitlisted(
        program_id=PROGRAM,
        participant_id=uuid4(),
        person_id=ANNA,
        organisation_id=ORGANISATION,
        role="mentee",
        waiting_since=T0,
        reasons=(),
    )


def proposed() -> MatchProposed:
    from tests.support.notifications_service import member

    return MatchProposed(
        program_id=PROGRAM,
        match_id=uuid4(),
        mentor=member(ANNA, "mentor"),
        mentees=(member(BEN, "mentee"),),
        score=0.5,
        facets={},
        policy_version=1,
        expires_at=T0 + timedelta(days=7),
    )


async def path_in_first_mail(service: NotificationsService, sink: SmtpSink) -> str:
    await service.send(program(), known(ANNA, "Anna"), known(BEN, "Ben"), waitlisted())
    await service.settle()
    header = "".join(str(sink.mails[0].message["List-Unsubscribe"]).split())
    return header.strip("<>").removeprefix("https://notifications.example")


def path(service: NotificationsService, *, organisation_id: UUID = ORGANISATION, days: int = 1) -> str:
    token = service.process.runtime.links.sign(
        "unsubscribe",
        organisation_id=organisation_id,
        subject_id=ANNA,
        person_id=ANNA,
        expires_at=T0 + timedelta(days=days),
    )
    return f"/unsubscribe/{token}"


async def test_one_click_stops_courtesy_mails_and_no_others(service: NotificationsService, smtp_sink: SmtpSink) -> None:
    unsubscribe = await path_in_first_mail(service, smtp_sink)
    response = await service.client.post(unsubscribe, data=ONE_CLICK)
    assert response.status_code == 200
    assert not response.history
    again = await service.client.post(unsubscribe, files={"List-Unsubscribe": (None, "One-Click")})
    assert again.status_code == 200, "mail programs may send it as multipart, and twice"

    await service.send(waitlisted(), proposed())
    await service.settle()
    assert sorted(await service.mails(), key=str) == [
        ("proposal", "sent", None),
        ("waitlisted", "sent", None),
        ("waitlisted", "superseded", "unsubscribed"),
    ]


async def test_opening_the_link_changes_nothing_and_the_page_can_undo(
    service: NotificationsService, smtp_sink: SmtpSink
) -> None:
    unsubscribe = await path_in_first_mail(service, smtp_sink)
    shown = await service.client.get(unsubscribe)
    assert shown.status_code == 200
    assert 'value="stop"' in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    assert not await service.rows("SELECT FROM preference")

    stopped = await service.client.post(unsubscribe, data={"choice": "stop"})
    assert 'value="resume"' in stopped.text
    assert len(await service.rows("SELECT FROM preference")) == 1
    resumed = await service.client.post(unsubscribe, data={"choice": "resume"})
    assert 'value="stop"' in resumed.text
    assert not await service.rows("SELECT FROM preference")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_links_that_are_over_forged_or_of_another_organisation_do_nothing(
    service: NotificationsService, method: str
) -> None:
    facts: list[Value] = [known(ANNA, "Anna")]
    await service.send(*facts)
    for address, status in (
        (path(service, days=0), 410),
        (path(service) + "x", 404),
        (path(service, organisation_id=uuid4()), 404),
    ):
        response = await service.client.request(method, address)
        assert response.status_code == status
        assert response.headers["Content-Type"].startswith("text/html")
    assert not await service.rows("SELECT FROM preference")


async def test_preferences_go_with_their_person(service: NotificationsService) -> None:
    await service.send(known(ANNA, "Anna"))
    assert (await service.client.post(path(service), data=ONE_CLICK)).status_code == 200
    await service.send(PersonErased(person_id=ANNA))

    assert not await service.rows("SELECT FROM preference")
    assert (await service.client.post(path(service), data=ONE_CLICK)).status_code == 404
