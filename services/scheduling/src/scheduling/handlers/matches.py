"""What matching decided, and what it means for series: one function for each event."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from mentorstream_events import Event
from mentorstream_events.matches import MatchChanged, MatchConfirmed, MatchEnded
from mentorstream_runtime.errors import Rejected
from mentorstream_runtime.outbox import Outgoing
from scheduling.domain.local_time import Hours
from scheduling.domain.values import Attendee

from .schedule import Match, Schedule
from .series import close, plan, replan


def on_match_confirmed(event: Event[MatchConfirmed], schedule: Schedule) -> list[Outgoing]:
    """Plan a series. A match that is known is told again, after a restore or to another broker: as it is now.

    Raises Rejected for a match that is another program's, or whose zones or hours make no sense.
    """
    known = schedule.match(event.data.match_id)
    if known is not None:
        return _told_again(event, known, schedule)
    match = _match(event.data)
    return plan(event, match, schedule, now=schedule.move_program(match.program_id, event.time))


def _told_again(event: Event[MatchConfirmed], known: Match, schedule: Schedule) -> list[Outgoing]:
    match = _match(event.data)
    if known.program_id != match.program_id:
        raise Rejected("wrong_program", f"match {match.match_id} belongs to program {known.program_id}")
    now_known = msgspec.structs.replace(_following(known, match), status=known.status)
    if known.awaits_details:
        # Its series and meetings were taken over from what was published; this is what those facts do not tell.
        schedule.keep_match(now_known)
        return []
    return [] if known.status == "ended" or now_known == known else _changed(event, known, match, schedule)


def on_match_changed(event: Event[MatchChanged], schedule: Schedule) -> list[Outgoing]:
    """Adjust the series, plan another one, or try again where there was none.

    The event carries all of the match, so one that is not known (its confirmation is a dead letter) is planned too.
    Raises Rejected for a match that is over or another program's, or whose zones or hours make no sense.
    """
    data = event.data
    known = schedule.match(data.match_id)
    if known is not None and known.program_id != data.program_id:
        raise Rejected("wrong_program", f"match {data.match_id} belongs to program {known.program_id}")
    if known is not None and known.status == "ended":
        if event.time < (schedule.time_of(data.program_id) or event.time):
            return []  # read again after a restore, which has taken over how it ended
        raise Rejected("match_ended", f"match {data.match_id} is over")
    match = _match(data)
    if known is None:
        return plan(event, match, schedule, now=schedule.move_program(data.program_id, event.time))
    return _changed(event, known, match, schedule)


def _changed(
    event: Event[MatchConfirmed] | Event[MatchChanged], known: Match, match: Match, schedule: Schedule
) -> list[Outgoing]:
    now = schedule.move_program(match.program_id, event.time)
    match = _following(known, match)
    series = schedule.series_of(match.match_id)
    if series is None:
        return plan(event, match, schedule, now=now)
    return replan(event, known, match, series, schedule, now=now)


def _following(known: Match, match: Match) -> Match:
    """The match as it is now, with what only the one before it knows."""
    gone = {each.person_id: replace(each, hours=()) for each in (*known.former, *known.attendees)}
    return msgspec.structs.replace(
        match,
        former=tuple(each for person_id, each in gone.items() if person_id not in match.persons),
        series_count=known.series_count,
        blocked=known.blocked,
    )


def on_match_decided(event: Event[MatchConfirmed] | Event[MatchChanged], schedule: Schedule) -> list[Outgoing]:
    """A state that was lost had decided this, and what it decided was taken over. Fill in what those facts do not tell.

    Plans nothing, moves nothing, tells nothing: other bookings were made since, and deciding now could differ. Raises
    Rejected as it did then, and for a match of which nothing was ever told: its event was a dead letter, and is again.
    """
    match = _match(event.data)
    known = schedule.match(match.match_id)
    if known is None:
        raise Rejected("never_planned", f"match {match.match_id} was read before, and nothing came of it")
    if known.program_id != match.program_id:
        raise Rejected("wrong_program", f"match {match.match_id} belongs to program {known.program_id}")
    schedule.move_program(match.program_id, event.time)
    schedule.keep_match(msgspec.structs.replace(_following(known, match), status=known.status))
    return []


def on_match_ended(event: Event[MatchEnded], schedule: Schedule) -> list[Outgoing]:
    """Cancel what has not begun. A proposal that came to nothing never had a series.

    Raises Rejected for a confirmed match that is not known: its confirmation is a dead letter, to be redriven first.
    """
    data = event.data
    if not data.was_confirmed:
        return []
    match = schedule.match(data.match_id)
    if match is None or match.program_id != data.program_id:
        raise Rejected("unknown_match", f"match {data.match_id} was never planned in this program")
    now = schedule.move_program(data.program_id, event.time)
    series = schedule.series_of(data.match_id)
    schedule.keep_match(msgspec.structs.replace(match, status="ended", blocked=None))
    return [] if series is None else close(event, match, series, schedule, "match_ended", now=now)


def _match(data: MatchConfirmed | MatchChanged) -> Match:
    members = (data.mentor, *data.mentees)
    if len({member.person_id for member in members}) < len(members):
        raise Rejected("same_person", f"a person is in match {data.match_id} twice")
    try:
        attendees = tuple(
            Attendee(
                participant_id=member.participant_id,
                person_id=member.person_id,
                organisation_id=member.organisation_id,
                role=member.role,
                zone=member.zone,
                hours=tuple(
                    Hours(hours.weekday, hours.start_minute, hours.end_minute) for hours in member.availability
                ),
            )
            for member in members
        )
    except ValueError as error:
        raise Rejected("bad_availability", str(error)) from None
    return Match(
        match_id=data.match_id,
        program_id=data.program_id,
        status="planned",
        ends_at=data.ends_at,
        terms=data.terms,
        attendees=attendees,
    )
