"""Which fact makes which mail to whom. Pure: the same fact makes the same mails with the same keys at every replay.

Nothing here depends on what became of earlier mails; that is `book`. Feedback answers and signs of trouble have no
function here on purpose: they never cause a mail to the other side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from .mail import Mail, Occasion

# A mail whose person, title or server does not turn up within this time is old news.
KEPT_DAYS: Final = 14
# Choosing is for as long as somebody waits, and its link works as long as its mail is kept.
CHOICE_DAYS: Final = 90

# Order among the mails of one person about one participant or one match.
_REGISTERED, _WAITLISTED = 0, 1
# By the reason of a waiting, what the mail about it says.
_WHY_WAITING: Final = {
    "next_round": "next_round",
    "awaits_circle": "small_circle",
    "better_used_elsewhere": "places_gone",
}
_NOBODY_FITS: Final = "nobody_fits"
# What only a round that is over can have left somebody with.
_LEFT_OVER: Final = frozenset({"small_circle", "places_gone"})
_PROPOSAL, _MATCH, _NO_COMMON_TIME, _MEMBERS_CHANGED, _MATCH_ENDED = 0, 1, 2, 2, 3
_PROPOSAL_CLOSED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A person as an event names them. `zone` is for showing times, where the event has one."""

    person_id: UUID
    organisation_id: UUID
    role: str
    zone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What of a match's terms its people should read."""

    cadence_days: int
    meeting_minutes: int
    weeks: int
    ends_at: datetime
    meetings_total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """When a meeting is, or was to be; `previous_starts_at` where it moved."""

    meeting_id: UUID
    revision: int
    starts_at: datetime
    ends_at: datetime
    previous_starts_at: datetime | None = None


def welcome(occasion: Occasion, participant_id: UUID, recipient: Recipient) -> Mail:
    """To a new participant, once for each participant."""
    return Mail(
        key=f"participant:{participant_id}:registered",
        kind="registered",
        occasion=occasion,
        person_id=recipient.person_id,
        organisation_id=recipient.organisation_id,
        subject_id=participant_id,
        revision=_REGISTERED,
        due_at=occasion.time,
        expires_at=_kept(occasion),
        params={"role": recipient.role},
    )


def waiting(
    occasion: Occasion, participant_id: UUID, recipient: Recipient, waiting_since: datetime, rules: Collection[str]
) -> Mail | None:
    """To a mentee who has to wait: the first word of each waiting. A mentor without a mentee gets none.

    `rules` are the reasons: of those that say more than that nobody fits, the mail tells the first.
    """
    if recipient.role != "mentee":
        return None
    known = [why for rule, why in _WHY_WAITING.items() if rule in rules]
    return Mail(
        key=f"participant:{participant_id}:waitlisted:{waiting_since.isoformat()}",
        kind="waitlisted",
        occasion=occasion,
        person_id=recipient.person_id,
        organisation_id=recipient.organisation_id,
        subject_id=participant_id,
        revision=_WAITLISTED,
        due_at=occasion.time,
        expires_at=_kept(occasion),
        params={"why": known[0] if known else _NOBODY_FITS},
    )


def left_over(word: Mail, first: str | None) -> Mail | None:
    """To whom a round left over, once for each waiting, however many rounds do; None where `word` says nothing new.

    `first` is what the first word of this waiting said; None in one from before there was more than one thing to say.
    The first word keeps its key whatever it said, so that one that went out is known as such for ever.
    """
    why = word.params["why"]
    promised, over_before = first == "next_round", first in _LEFT_OVER
    if why != "next_round" and (promised or (why in _LEFT_OVER and not over_before)):
        return replace(word, key=f"{word.key}:left_over")
    return None


def choose_mentors(
    occasion: Occasion, participant_id: UUID, recipient: Recipient, waiting_since: datetime, lists: int
) -> Mail:
    """To a mentee who is to choose mentors, once for each waiting and each list that they may hand in then.

    `lists`: the number of the list that was used up meanwhile; 0 where none was.
    """
    return Mail(
        key=f"participant:{participant_id}:choose_mentors:{waiting_since.isoformat()}:{lists}",
        kind="choose_mentors",
        occasion=occasion,
        person_id=recipient.person_id,
        organisation_id=recipient.organisation_id,
        subject_id=participant_id,
        revision=_WAITLISTED,
        due_at=occasion.time,
        expires_at=occasion.time + timedelta(days=CHOICE_DAYS),
        params={"again": lists > 0, "answer_by": occasion.time + timedelta(days=CHOICE_DAYS)},
    )


def proposal(
    occasion: Occasion, match_id: UUID, mentor: Recipient, mentees: Sequence[Recipient], answer_by: datetime
) -> Mail:
    """To the mentor, with the mentees' names and the link to answer. Useless once the proposal is over."""
    return Mail(
        key=f"match:{match_id}:proposed:{mentor.person_id}",
        kind="proposal",
        occasion=occasion,
        person_id=mentor.person_id,
        organisation_id=mentor.organisation_id,
        subject_id=match_id,
        revision=_PROPOSAL,
        mentions=tuple(mentee.person_id for mentee in mentees),
        due_at=occasion.time,
        expires_at=answer_by,
        params={"match_id": match_id, "answer_by": answer_by},
    )


def proposal_closed(occasion: Occasion, match_id: UUID, mentor: Recipient, mentees: Sequence[UUID]) -> Mail:
    """To a mentor who was asked and need not answer any more, because somebody else said yes first."""
    return Mail(
        key=f"match:{match_id}:closed:{mentor.person_id}",
        kind="proposal_closed",
        occasion=occasion,
        person_id=mentor.person_id,
        organisation_id=mentor.organisation_id,
        subject_id=match_id,
        revision=_PROPOSAL_CLOSED,
        mentions=tuple(mentees),
        due_at=occasion.time,
        expires_at=_kept(occasion),
    )


def match(
    occasion: Occasion,
    match_id: UUID,
    members: Sequence[Recipient],
    agreed: Agreed,
    *,
    to: Sequence[Recipient] | None = None,
) -> list[Mail]:
    """To every member of a match that began, or to those who joined it: who the others are and what was agreed."""
    return [
        Mail(
            key=f"match:{match_id}:confirmed:{member.person_id}",
            kind="match",
            occasion=occasion,
            person_id=member.person_id,
            organisation_id=member.organisation_id,
            subject_id=match_id,
            revision=_MATCH,
            mentions=_others(members, member),
            due_at=occasion.time,
            expires_at=_kept(occasion),
            params={
                "role": member.role,
                "roles": _roles(members),
                "cadence_days": agreed.cadence_days,
                "meeting_minutes": agreed.meeting_minutes,
                "weeks": agreed.weeks,
                "ends_at": agreed.ends_at,
                "meetings_total": agreed.meetings_total,
                "circle": len(members) > 2,
            },
        )
        for member in (members if to is None else to)
    ]


def members_changed(
    occasion: Occasion, match_id: UUID, members: Sequence[Recipient], to: Sequence[Recipient]
) -> list[Mail]:
    """To those who stay in a circle: who is in it now. Says nothing of who left or why."""
    return [
        Mail(
            key=f"match:{match_id}:members:{occasion.cause_id}:{member.person_id}",
            kind="members_changed",
            occasion=occasion,
            person_id=member.person_id,
            organisation_id=member.organisation_id,
            subject_id=match_id,
            revision=_MEMBERS_CHANGED,
            mentions=_others(members, member),
            due_at=occasion.time,
            expires_at=_kept(occasion),
            params={"roles": _roles(members)},
        )
        for member in to
    ]


def match_ended(occasion: Occasion, match_id: UUID, members: Iterable[Recipient], *, term_over: bool) -> list[Mail]:
    """To the members who were told of the match. Says that it is over, and never who asked or why."""
    return [
        Mail(
            key=f"match:{match_id}:ended:{member.person_id}",
            kind="match_ended",
            occasion=occasion,
            person_id=member.person_id,
            organisation_id=member.organisation_id,
            subject_id=match_id,
            revision=_MATCH_ENDED,
            due_at=occasion.time,
            expires_at=_kept(occasion),
            params={"term_over": term_over},
        )
        for member in members
    ]


def no_common_time(
    occasion: Occasion, match_id: UUID, attendees: Sequence[Recipient], longest_common_minutes: int
) -> list[Mail]:
    """To everyone of a match for which no regular time was found, once for each time that one was looked for."""
    return [
        Mail(
            key=f"match:{match_id}:no_common_time:{occasion.cause_id}:{attendee.person_id}",
            kind="no_common_time",
            occasion=occasion,
            person_id=attendee.person_id,
            organisation_id=attendee.organisation_id,
            subject_id=match_id,
            revision=_NO_COMMON_TIME,
            mentions=_others(attendees, attendee),
            due_at=occasion.time,
            expires_at=_kept(occasion),
            params={"longest_common_minutes": longest_common_minutes},
        )
        for attendee in attendees
    ]


def invitation(
    occasion: Occasion, attendees: Sequence[Recipient], slot: Slot, *, to: Sequence[Recipient] | None = None
) -> list[Mail]:
    """A calendar REQUEST to each attendee, or to those who are new, for a new meeting or one that moved.

    Useless once the meeting is over.
    """
    return [
        _calendar_mail("invitation", occasion, attendees, attendee, slot)
        for attendee in (attendees if to is None else to)
    ]


def cancellation(occasion: Occasion, attendees: Sequence[Recipient], slot: Slot) -> list[Mail]:
    """A calendar CANCEL to each attendee."""
    return [_calendar_mail("cancellation", occasion, attendees, attendee, slot) for attendee in attendees]


def uninvitation(
    occasion: Occasion, attendees: Sequence[Recipient], slot: Slot, *, to: Sequence[Recipient]
) -> list[Mail]:
    """A calendar CANCEL to those who are no longer in a meeting that takes place with the `attendees`."""
    return [_calendar_mail("cancellation", occasion, (*attendees, one), one, slot, takes_place=True) for one in to]


def feedback_request(
    occasion: Occasion, request_id: UUID, recipient: Recipient, meeting_ended_at: datetime, answer_by: datetime
) -> Mail:
    """To one participant of a held meeting, with the link to their page."""
    return Mail(
        key=f"feedback:{request_id}:requested",
        kind="feedback_request",
        occasion=occasion,
        person_id=recipient.person_id,
        organisation_id=recipient.organisation_id,
        subject_id=request_id,
        due_at=occasion.time,
        expires_at=answer_by,
        params={"request_id": request_id, "meeting_ended_at": meeting_ended_at, "answer_by": answer_by},
    )


def _calendar_mail(
    kind: str,
    occasion: Occasion,
    attendees: Sequence[Recipient],
    attendee: Recipient,
    slot: Slot,
    *,
    takes_place: bool = False,
) -> Mail:
    return Mail(
        key=f"meeting:{slot.meeting_id}:{slot.revision}:{attendee.person_id}",
        kind="invitation" if kind == "invitation" else "cancellation",
        occasion=occasion,
        person_id=attendee.person_id,
        organisation_id=attendee.organisation_id,
        subject_id=slot.meeting_id,
        revision=slot.revision,
        mentions=_others(attendees, attendee),
        due_at=occasion.time,
        expires_at=slot.ends_at,
        params={
            "meeting_id": slot.meeting_id,
            "starts_at": slot.starts_at,
            "ends_at": slot.ends_at,
            "previous_starts_at": slot.previous_starts_at,
            "stamped_at": occasion.time,
            "zone": attendee.zone,
            "takes_place": takes_place,
            "roles": _roles(attendees),
        },
    )


def _kept(occasion: Occasion) -> datetime:
    return occasion.time + timedelta(days=KEPT_DAYS)


def _others(members: Iterable[Recipient], member: Recipient) -> tuple[UUID, ...]:
    return tuple(other.person_id for other in members if other.person_id != member.person_id)


def _roles(members: Iterable[Recipient]) -> dict[str, str]:
    return {str(member.person_id): member.role for member in members}
