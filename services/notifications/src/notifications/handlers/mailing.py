"""Events to mails: each function translates one contract to the domain's planning and enters the result in the book.

`feedback.submitted` and `match.at_risk` have no function here: they never cause a mail to the other side.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from mentorstream_events import Event, Value
from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.matches import (
    MatchChanged,
    MatchConfirmed,
    MatchEnded,
    MatchProposed,
    ParticipantWaitlisted,
)
from mentorstream_events.meetings import (
    MeetingAttendeesChanged,
    MeetingCancelled,
    MeetingRescheduled,
    MeetingScheduled,
    SeriesBlocked,
)
from mentorstream_events.registrations import ParticipantRegistered, ParticipantWithdrawn
from mentorstream_events.values import Attendee, Member

from ..domain import planning
from ..domain.book import Book
from ..domain.mail import Occasion
from ..domain.planning import Agreed, Recipient, Slot


def on_participant_registered(event: Event[ParticipantRegistered], book: Book) -> None:
    """Welcome."""
    data = event.data
    role = "both" if len(set(data.roles)) > 1 else data.roles[0]
    recipient = Recipient(person_id=data.person_id, organisation_id=data.organisation_id, role=role)
    book.join(data.participant_id)
    book.post([planning.welcome(_occasion(event, data.program_id), data.participant_id, recipient)])


def on_participant_withdrawn(event: Event[ParticipantWithdrawn], book: Book) -> None:
    """No welcome, and no word about waiting or choosing, to who left before it went out."""
    book.leave(event.data.participant_id, event.time)


def on_participant_waitlisted(event: Event[ParticipantWaitlisted], book: Book) -> None:
    """A mentee has to wait, or is to choose. What is new takes the place of an earlier word that did not go out.

    Who was told that a round comes, or that nobody fits, is told once more when a round leaves them over.
    """
    data = event.data
    recipient = Recipient(person_id=data.person_id, organisation_id=data.organisation_id, role=data.role)
    occasion = _occasion(event, data.program_id)
    if any(reason.rule == "no_request" for reason in data.reasons):
        mail = planning.choose_mentors(occasion, data.participant_id, recipient, data.waiting_since, data.lists)
        book.supersede(mail, ("waitlisted", "choose_mentors"))
        return
    rules = {reason.rule for reason in data.reasons}
    waiting = planning.waiting(occasion, data.participant_id, recipient, data.waiting_since, rules)
    if waiting is None:
        return
    first = next((each for each in book.about(data.participant_id, "waitlisted") if each.key == waiting.key), None)
    again = None if first is None else planning.left_over(waiting, first.why)
    if again is None:
        book.supersede(waiting, ("choose_mentors",))
    else:
        book.supersede(again, ("waitlisted", "choose_mentors"))


def on_match_proposed(event: Event[MatchProposed], book: Book) -> None:
    """Ask the mentor."""
    data = event.data
    mentor, *mentees = _recipients((data.mentor, *data.mentees))
    occasion = _occasion(event, data.program_id)
    book.post([planning.proposal(occasion, data.match_id, mentor, mentees, data.expires_at)])


def on_match_confirmed(event: Event[MatchConfirmed], book: Book) -> None:
    """Tell all sides who the others are. A proposal that was not sent by now is answered."""
    data = event.data
    book.void(data.match_id, ("proposal",), "newer_revision")
    members = _recipients((data.mentor, *data.mentees))
    book.post(planning.match(_occasion(event, data.program_id), data.match_id, members, _agreed(data)))


def on_match_changed(event: Event[MatchChanged], book: Book) -> None:
    """Somebody joined or left a circle: each of them is told, and who stays. Other changes show in the meetings."""
    data = event.data
    members = _recipients((data.mentor, *data.mentees))
    persons = {member.person_id for member in members}
    told = _told_of(data.match_id, book)
    known = {each.person_id for each in told}
    joined = [member for member in members if member.person_id not in known]
    left = [each for each in told if each.person_id not in persons]
    occasion = _occasion(event, data.program_id)
    book.post(planning.match_ended(occasion, data.match_id, left, term_over=False))
    book.post(planning.match(occasion, data.match_id, members, _agreed(data), to=joined))
    if known and (joined or left):
        stayed = [member for member in members if member.person_id in known]
        book.post(planning.members_changed(occasion, data.match_id, members, to=stayed))


def on_match_ended(event: Event[MatchEnded], book: Book) -> None:
    """Tell those who were told that it began; of a mere proposal, nobody but the mentor ever heard.

    A mentor who was asked together with others hears when another one said yes: they need not think about it any more.
    """
    data = event.data
    book.void(data.match_id, ("proposal",), "match_over")
    if not data.was_confirmed:
        if data.reason == "other_accepted":
            _close_proposals(event, book)
        return
    term_over = data.reason == "term_over"
    told = _told_of(data.match_id, book)
    book.post(planning.match_ended(_occasion(event, data.program_id), data.match_id, told, term_over=term_over))


def _close_proposals(event: Event[MatchEnded], book: Book) -> None:
    """Take back what a mentor was asked; nothing goes where the question did not go out."""
    match_id = event.data.match_id
    for entry in book.about(match_id, "proposal"):
        mentor = Recipient(person_id=entry.person_id, organisation_id=entry.organisation_id, role="mentor")
        occasion = _occasion(event, event.data.program_id)
        book.post([planning.proposal_closed(occasion, match_id, mentor, event.data.mentee_person_ids)])
        if not entry.tried:
            book.void(match_id, ("proposal_closed",), "match_over")


def on_series_blocked(event: Event[SeriesBlocked], book: Book) -> None:
    """No common time: everybody is asked for other hours."""
    data = event.data
    attendees = _recipients(data.attendees)
    occasion = _occasion(event, data.program_id)
    book.post(planning.no_common_time(occasion, data.match_id, attendees, data.longest_common_minutes))


def on_meeting_scheduled(event: Event[MeetingScheduled], book: Book) -> None:
    """Invite."""
    book.post(planning.invitation(_occasion(event, event.data.program_id), *_meeting(event.data)))


def on_meeting_rescheduled(event: Event[MeetingRescheduled], book: Book) -> None:
    """Invite to the new time."""
    book.post(planning.invitation(_occasion(event, event.data.program_id), *_meeting(event.data)))


def on_meeting_attendees_changed(event: Event[MeetingAttendeesChanged], book: Book) -> None:
    """Invite who is new, take the invitation back from who is no longer in it. Nobody else hears of it."""
    occasion = _occasion(event, event.data.program_id)
    attendees, slot = _meeting(event.data)
    invited = [attendee for attendee in attendees if attendee.person_id in event.data.invited_person_ids]
    book.post(planning.invitation(occasion, attendees, slot, to=invited))
    book.post(planning.uninvitation(occasion, attendees, slot, to=_recipients(event.data.uninvited)))


def on_meeting_cancelled(event: Event[MeetingCancelled], book: Book) -> None:
    """Take the invitation back."""
    book.post(planning.cancellation(_occasion(event, event.data.program_id), *_meeting(event.data)))


def on_feedback_requested(event: Event[FeedbackRequested], book: Book) -> None:
    """Ask how it went."""
    data = event.data
    recipient = Recipient(person_id=data.person_id, organisation_id=data.organisation_id, role=data.role)
    occasion = _occasion(event, data.program_id)
    book.post([planning.feedback_request(occasion, data.request_id, recipient, data.meeting_ended_at, data.expires_at)])


def _occasion(event: Event[Value], program_id: UUID) -> Occasion:
    return Occasion(cause_id=event.id, program_id=program_id, time=event.time, traceparent=event.traceparent)


def _recipients(people: Iterable[Member] | Iterable[Attendee]) -> list[Recipient]:
    return [
        Recipient(
            person_id=person.person_id, organisation_id=person.organisation_id, role=person.role, zone=person.zone
        )
        for person in people
    ]


def _told_of(match_id: UUID, book: Book) -> list[Recipient]:
    """Whom the mails told that the match began, and none that it ended.

    An end names people without their organisations; the mails of the beginning have both.
    """
    over = {entry.person_id for entry in book.about(match_id, "match_ended")}
    return [
        Recipient(person_id=entry.person_id, organisation_id=entry.organisation_id, role="")
        for entry in book.about(match_id, "match")
        if entry.person_id not in over
    ]


def _agreed(data: MatchConfirmed | MatchChanged) -> Agreed:
    terms = data.terms
    return Agreed(
        cadence_days=terms.cadence_days,
        meeting_minutes=terms.meeting_minutes,
        weeks=terms.weeks,
        ends_at=data.ends_at,
        meetings_total=terms.meetings_total,
    )


def _meeting(
    data: MeetingScheduled | MeetingRescheduled | MeetingAttendeesChanged | MeetingCancelled,
) -> tuple[list[Recipient], Slot]:
    slot = Slot(
        meeting_id=data.meeting_id,
        revision=data.revision,
        starts_at=data.starts_at,
        ends_at=data.ends_at,
        previous_starts_at=data.previous_starts_at if isinstance(data, MeetingRescheduled) else None,
    )
    return _recipients(data.attendees), slot
