"""From events to mails in a mailbox: who gets what, in which order, and what is told of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec
from icalendar import Calendar
from tests.support.notifications_service import (
    ORGANISATION,
    PROGRAM,
    NotificationsService,
    attendee,
    confirmed,
    known,
    member,
    program,
    running_notifications,
    scheduled,
)
from tests.support.records import T0, event, eventually

from mentorstream_events.feedback import FeedbackSubmitted, MatchAtRisk
from mentorstream_events.matches import MatchChanged, MatchEnded, ParticipantWaitlisted
from mentorstream_events.meetings import MeetingAttendeesChanged, MeetingCancelled, MeetingRescheduled, MeetingScheduled
from mentorstream_events.notifications import NotificationFailed, NotificationSent
from mentorstream_events.people import PersonErased
from mentorstream_events.registrations import ParticipantWithdrawn

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.smtp_sink import SmtpSink
    from mentorstream_local.stack import Servers

ANNA, BEN = UUID(int=11), UUID(int=12)


def moved(meeting: MeetingScheduled, revision: int) -> MeetingRescheduled:
    return MeetingRescheduled(
        **{
            **msgspec.structs.asdict(meeting),
            "revision": revision,
            "starts_at": meeting.starts_at + timedelta(hours=revision),
            "ends_at": meeting.ends_at + timedelta(hours=revision),
            "previous_starts_at": meeting.starts_at,
        }
    )


def cancelled(meeting: MeetingScheduled, revision: int) -> MeetingCancelled:
    return MeetingCancelled(**{**msgspec.structs.asdict(meeting), "revision": revision, "reason": "attendee"})


def calendars(sink: SmtpSink, address: str) -> list[tuple[str, int]]:
    """(method, sequence) of the calendar mails to an address, in order of arrival."""
    found = []
    for mail in sink.mails:
        for part in mail.message.walk():
            if part.get_content_type() == "text/calendar" and mail.recipients == (address,):
                calendar = Calendar.from_ical(part.get_payload(decode=True).decode())  # type: ignore[union-attr]
                [item] = calendar.walk("VEVENT")
                found.append((str(calendar["METHOD"]), int(str(item["SEQUENCE"]))))
    return found


async def test_mails_wait_for_people_and_titles_in_whatever_order_these_come(
    service: NotificationsService, smtp_sink: SmtpSink
) -> None:
    await service.send(confirmed(ANNA, BEN))
    await service.send(known(ANNA, "Anna"))
    await service.send(program())
    # Anna's mail shows Ben's name, so it waits for him as well.
    await service.settle()
    assert not smtp_sink.mails
    await service.send(known(BEN, "Ben"))
    await service.settle()

    assert {mail.recipients for mail in smtp_sink.mails} == {("anna@example.org",), ("ben@example.org",)}
    text = next(mail for mail in smtp_sink.mails if mail.recipients == ("anna@example.org",)).message.as_string()
    assert "Ben, mentee, ben@example.org" in text
    sent = await service.events(NotificationSent)
    assert {(item.person_id, item.organisation_id, item.kind) for item in sent} == {
        (ANNA, ORGANISATION, "match"),
        (BEN, ORGANISATION, "match"),
    }
    assert b"@" not in msgspec.json.encode(sent)


async def test_each_revision_goes_in_its_order_and_the_cancellation_last(
    service: NotificationsService, smtp_sink: SmtpSink
) -> None:
    await service.send(program(), known(ANNA, "Anna"), known(BEN, "Ben"))
    meeting = scheduled([attendee(ANNA, "mentor"), attendee(BEN, "mentee")])
    for fact in (meeting, moved(meeting, 1), cancelled(meeting, 2)):
        await service.send(fact)
        await service.settle()

    for address in ("anna@example.org", "ben@example.org"):
        assert calendars(smtp_sink, address) == [("REQUEST", 0), ("REQUEST", 1), ("CANCEL", 2)]


async def test_a_word_about_waiting_that_is_read_after_the_withdrawal_goes_to_nobody(
    service: NotificationsService, smtp_sink: SmtpSink
) -> None:
    """`matches` may be read long after `registrations`."""
    participant_id = uuid4()
    waiting = ParticipantWaitlisted(
        program_id=PROGRAM,
        participant_id=participant_id,
        person_id=ANNA,
        organisation_id=ORGANISATION,
        role="mentee",
        waiting_since=T0,
        reasons=(),
    )
    gone = ParticipantWithdrawn(program_id=PROGRAM, participant_id=participant_id, person_id=ANNA)
    await service.send(program(), known(ANNA, "Anna"), known(BEN, "Ben"))
    await service.send(event(gone, time=T0 + timedelta(hours=1)))
    others = msgspec.structs.replace(waiting, participant_id=uuid4(), person_id=BEN)
    await service.send(waiting, others)
    await service.settle()
    assert {mail.recipients for mail in smtp_sink.mails} == {("ben@example.org",)}
    rows = await service.rows("SELECT status, status_reason FROM notification WHERE person_id = $1", ANNA)
    assert [tuple(row) for row in rows] == [("superseded", "withdrawn")]
    assert not await service.events(NotificationFailed)

    # Who comes back waits anew.
    back = event(msgspec.structs.replace(waiting, waiting_since=T0 + timedelta(hours=2)), time=T0 + timedelta(hours=2))
    await service.move_clock(T0 + timedelta(hours=2))
    await service.send(back)
    await service.settle()
    assert smtp_sink.mails[-1].recipients == ("anna@example.org",)


async def test_who_joins_or_leaves_a_circle_is_told_and_invited_or_uninvited(
    service: NotificationsService, smtp_sink: SmtpSink
) -> None:
    cyd, dan = UUID(int=13), UUID(int=14)
    people = {ANNA: "Anna", BEN: "Ben", cyd: "Cyd", dan: "Dan"}
    await service.send(program(), *(known(person_id, name) for person_id, name in people.items()))
    match = confirmed(ANNA, BEN)
    match = msgspec.structs.replace(match, mentees=(*match.mentees, member(cyd, "mentee")))
    everybody = [attendee(ANNA, "mentor"), *(attendee(each, "mentee") for each in (BEN, cyd, dan))]
    meeting = scheduled(everybody[:3])
    await service.send(match, meeting)
    await service.settle()
    # Which topic was read first decides which mail goes first.
    to_ben = [mail.message.as_string() for mail in smtp_sink.mails if mail.recipients == ("ben@example.org",)]
    [first] = [text for text in to_ben if "You are one of the mentees of a circle" in text]
    assert "Anna, mentor, anna@example.org" in first
    assert "Cyd, mentee, cyd@example.org" in first

    # Ben leaves, Dan joins.
    shared = {name: getattr(match, name) for name in ("program_id", "match_id", "mentor", "terms", "ends_at")}
    now = (match.mentees[1], member(dan, "mentee"))
    await service.send(MatchChanged(**shared, mentees=now, reason="members"))
    fields = {**msgspec.structs.asdict(meeting), "revision": 1}
    fields["attendees"] = (everybody[0], everybody[2], everybody[3])
    await service.send(MeetingAttendeesChanged(**fields, invited_person_ids=(dan,), uninvited=(everybody[1],)))
    await service.settle()
    sent = await service.events(NotificationSent)
    before = Counter((str(kind), each) for each in (ANNA, BEN, cyd) for kind in ("match", "invitation"))
    assert Counter((str(item.kind), item.person_id) for item in sent) - before == Counter(
        [
            ("cancellation", BEN),
            ("invitation", dan),
            ("match", dan),
            ("match_ended", BEN),
            ("members_changed", ANNA),
            ("members_changed", cyd),
        ]
    )
    assert calendars(smtp_sink, "dan@example.org") == [("REQUEST", 1)]
    assert calendars(smtp_sink, "ben@example.org") == [("REQUEST", 0), ("CANCEL", 1)]
    [uninvited] = [mail.message.as_string() for mail in smtp_sink.mails if "METHOD:CANCEL" in mail.message.as_string()]
    assert "STATUS:CANCELLED" not in uninvited
    assert "takes place without you" in uninvited


async def test_a_tried_invitation_is_finished_before_newer_ones_of_its_meeting(
    service: NotificationsService, smtp_sink: SmtpSink
) -> None:
    await service.send(program(), known(ANNA, "Anna", "defer-4xx-3@example.org"), known(BEN, "Ben"))
    meeting = scheduled([attendee(ANNA, "mentor"), attendee(BEN, "mentee")])
    await service.send(meeting)

    async def tried() -> bool:
        return bool(await service.rows("SELECT FROM notification WHERE person_id = $1 AND attempts > 0", ANNA))

    await eventually(tried, what="the invitation was tried")
    await service.send(moved(meeting, 1))
    await service.send(moved(meeting, 2))
    await service.settle()

    arrived = calendars(smtp_sink, "defer-4xx-3@example.org")
    assert arrived[0] == ("REQUEST", 0)
    assert arrived[-1] == ("REQUEST", 2)
    assert arrived == sorted(arrived, key=lambda item: item[1])


async def test_revisions_that_nobody_tried_are_superseded_and_a_cancel_without_a_request_too(
    service: NotificationsService, smtp_sink: SmtpSink
) -> None:
    await service.send(program(), known(BEN, "Ben"))
    meeting = scheduled([attendee(ANNA, "mentor"), attendee(BEN, "mentee")], meeting_id=UUID(int=31))
    other = scheduled([attendee(ANNA, "mentor"), attendee(BEN, "mentee")], meeting_id=UUID(int=32))
    await service.send(meeting, moved(meeting, 1), other)
    await service.send(cancelled(other, 1))
    await service.send(known(ANNA, "Anna"))
    await service.settle()

    assert await service.mails() == [
        ("invitation", "superseded", "newer_revision"),
        ("invitation", "superseded", "newer_revision"),
        ("invitation", "sent", None),
        ("invitation", "sent", None),
        ("invitation", "superseded", "newer_revision"),
        ("invitation", "superseded", "newer_revision"),
        ("cancellation", "superseded", "not_invited"),
        ("cancellation", "superseded", "not_invited"),
    ]
    assert calendars(smtp_sink, "anna@example.org") == [("REQUEST", 1)]


async def test_a_held_mail_is_replaced_by_what_overtakes_it(
    servers: Servers, database: Database, topic_prefix: str, smtp_sink: SmtpSink
) -> None:
    """With time to hold mails, what goes does not depend on how fast the sender is."""
    port = smtp_sink.port
    async with running_notifications(servers, database, topic_prefix, smtp_port=port, mail_hold_seconds=60) as service:
        meeting = scheduled([attendee(ANNA, "mentor"), attendee(BEN, "mentee")])
        await service.send(program(), known(ANNA, "Anna"), known(BEN, "Ben"))
        await service.send(meeting)
        await service.send(moved(meeting, 1))
        await service.settle()
        timers = service.process.timers
        assert timers is not None
        assert await timers.next_due() == T0 + timedelta(seconds=60)
        assert not smtp_sink.mails

        await service.move_clock(T0 + timedelta(seconds=60))
        await service.settle()
        assert calendars(smtp_sink, "anna@example.org") == [("REQUEST", 1)]


async def test_the_end_of_a_match_is_told_to_both_sides(service: NotificationsService, smtp_sink: SmtpSink) -> None:
    match = confirmed(ANNA, BEN)
    over = MatchEnded(
        program_id=PROGRAM,
        match_id=match.match_id,
        mentor_person_id=ANNA,
        mentee_person_ids=(BEN,),
        organisation_ids=(ORGANISATION,),
        was_confirmed=True,
        reason="rematch",
    )
    await service.send(program(), known(ANNA, "Anna"), known(BEN, "Ben"), match)
    await service.send(over)
    await service.settle()

    assert sorted(item.kind for item in await service.events(NotificationSent)) == [
        "match",
        "match",
        "match_ended",
        "match_ended",
    ]
    for address in ("anna@example.org", "ben@example.org"):
        subjects = [str(mail.message["Subject"]) for mail in smtp_sink.mails if mail.recipients == (address,)]
        assert [("match has ended" in subject) for subject in subjects] == [False, True]
        assert not any("rematch" in mail.message.as_string() for mail in smtp_sink.mails)


async def test_answers_and_signs_of_trouble_make_no_mail(service: NotificationsService) -> None:
    meeting_id, match_id = uuid4(), uuid4()
    await service.send(
        program(),
        known(ANNA, "Anna"),
        FeedbackSubmitted(
            program_id=PROGRAM,
            match_id=match_id,
            meeting_id=meeting_id,
            request_id=uuid4(),
            participant_id=uuid4(),
            organisation_id=ORGANISATION,
            role="mentee",
            rating=1,
            took_place=True,
        ),
        MatchAtRisk(
            program_id=PROGRAM,
            match_id=match_id,
            organisation_ids=(ORGANISATION,),
            signal="low_rating",
            meeting_id=meeting_id,
        ),
    )
    assert await service.mails() == []


async def test_a_mail_whose_person_never_comes_expires_when_its_time_is_over(service: NotificationsService) -> None:
    waiting = ParticipantWaitlisted(
        program_id=PROGRAM,
        participant_id=uuid4(),
        person_id=ANNA,
        organisation_id=ORGANISATION,
        role="mentee",
        waiting_since=T0,
        reasons=(),
    )
    await service.send(program(), waiting)
    timers = service.process.timers
    assert timers is not None
    assert await timers.next_due() == T0 + timedelta(days=14), "until then nothing can be done"

    await service.move_clock(T0 + timedelta(days=14))
    await service.settle()

    [failed] = await service.events(NotificationFailed)
    assert (failed.kind, failed.reason, failed.detail) == ("waitlisted", "expired", "")


async def test_erasure_fails_what_waits_forgets_the_person_and_nobody_brings_them_back(
    service: NotificationsService, smtp_sink: SmtpSink
) -> None:
    await service.send(known(ANNA, "Anna"), known(BEN, "Ben"), confirmed(ANNA, BEN))  # no title: nothing can go yet
    await service.send(PersonErased(person_id=ANNA))
    await service.send(known(ANNA, "Anna", version=2))
    await service.send(program())
    await service.settle()

    [failed] = await service.events(NotificationFailed)
    assert (failed.person_id, failed.reason) == (ANNA, "erased")
    assert [row["person_id"] for row in await service.rows("SELECT person_id FROM person")] == [BEN]
    [mail] = smtp_sink.mails
    assert mail.recipients == ("ben@example.org",), "the other side's mail goes, without the name"
    assert "Anna" not in mail.message.as_string()
    dumped = await service.rows("SELECT notification::text AS row FROM notification")
    assert not any("Anna" in row["row"] or "anna@" in row["row"] for row in dumped)


async def test_a_replay_of_everything_sends_nothing(
    servers: Servers, database: Database, topic_prefix: str, smtp_sink: SmtpSink
) -> None:
    meeting = scheduled([attendee(ANNA, "mentor"), attendee(BEN, "mentee")])
    port = smtp_sink.port
    async with running_notifications(servers, database, topic_prefix, smtp_port=port) as service:
        facts = [program(), known(ANNA, "Anna"), known(BEN, "Ben"), confirmed(ANNA, BEN), meeting, moved(meeting, 1)]
        await service.send(*(event(fact) for fact in facts))
        await service.settle()
        before = await service.rows("SELECT * FROM notification ORDER BY notification_id")
        arrived = len(smtp_sink.mails)
        await service.rows("UPDATE consumer_position SET next_offset = 0 RETURNING topic")
        await service.rows("DELETE FROM sequence_seen RETURNING topic")

    async with running_notifications(servers, database, topic_prefix, smtp_port=port) as service:
        await service.read()
        await service.settle()
        assert await service.rows("SELECT * FROM notification ORDER BY notification_id") == before
    assert len(smtp_sink.mails) == arrived
