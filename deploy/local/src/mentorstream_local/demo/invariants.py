"""The invariants I1 to I7, checked over topics and databases by code that is none of the services' own.

Each check returns what it found wrong, in words; an empty list means that it holds. The larger ones have modules of
their own: `accepted` (I1), `held_meetings` (I4), `expected_mails` (I5) and, because it needs replays, `replaying` (I8).
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from mentorstream_events import TOPIC
from mentorstream_events import registrations as asked
from mentorstream_events.matches import MatchChanged, MatchConfirmed, MatchEnded, MatchProposed
from mentorstream_events.meetings import MeetingAttendeesChanged, MeetingCancelled, MeetingRescheduled, MeetingScheduled
from mentorstream_local.demo.accepted import missing_effects, picture_of, read_stored
from mentorstream_local.demo.data import PoisonRecord
from mentorstream_local.demo.expected_mails import read_notifications, wrongly_told
from mentorstream_local.demo.facts import Facts
from mentorstream_local.demo.held_meetings import wrongly_asked
from mentorstream_local.demo.partners import Ledger

DATABASES: Final = ("intake", "matching", "scheduling", "feedback", "notifications")
_SHOWN: Final = 5
_BUSINESS_TIME: Final = "SELECT coalesce((SELECT now FROM clock.business_time), now())"


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant: what it says, and what was found against it."""

    name: str
    meaning: str
    violations: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing was found against it."""
        return not self.violations


async def check_all(
    facts: Facts,
    ledger: Ledger,
    connection: asyncpg.Connection[asyncpg.Record],
    poison: Sequence[PoisonRecord],
    mails: Mapping[str, int],
    *,
    resends_allowed: int,
) -> list[Check]:
    """I1 to I7, after the drain. `connection` may read every schema; `mails` counts mails by Message-ID.

    Of the ledger's requests, where it holds them, the effects are derived; of the others only that they are known.
    """
    notifications, strays = await read_notifications(connection, mails)
    now = await connection.fetchval(_BUSINESS_TIME)
    return [
        Check(
            "I1", "every 202 is in state or in dead letters", _few(await _accepted_is_stored(facts, ledger, connection))
        ),
        Check("I2", "no match created above the capacity in force", _few(_within_capacity(facts))),
        Check("I3", "nobody in two meetings at once", _few(_no_overlaps(facts))),
        Check("I4", "one feedback request per held meeting and person", _few(wrongly_asked(facts, now))),
        Check(
            "I5",
            "each notification sent, superseded or failed with a reason",
            _few(
                [
                    *wrongly_told(facts, notifications, resends_allowed=resends_allowed),
                    *(f"a mail with the unknown Message-ID {message_id}" for message_id in strays),
                ]
            ),
        ),
        Check("I6", "outboxes empty, no lag", _few(await _drained(facts, connection))),
        Check("I7", "dead letters are exactly the poison", _few(await _dead_is_poison(connection, poison))),
    ]


async def _accepted_is_stored(
    facts: Facts, ledger: Ledger, connection: asyncpg.Connection[asyncpg.Record]
) -> list[str]:
    found = []
    erased = {(organisation, reference) for organisation, reference, _ in ledger.erased}
    rows = await connection.fetch(
        "SELECT o.name, p.reference, m.participant_id, g.owner, g.reference AS program FROM intake.participant m"
        " JOIN intake.person p USING (person_id) JOIN intake.organisation o ON o.organisation_id = p.organisation_id"
        " JOIN intake.program g USING (program_id)"
    )
    stored = {
        (row["name"], f"{row['owner']}/{row['program']}", row["reference"]): row["participant_id"] for row in rows
    }
    decided = {
        row["participant_id"] for row in await connection.fetch("SELECT participant_id FROM matching.participant")
    }
    published = {event.data.participant_id for event in facts.of("registrations", asked.ParticipantRegistered)}
    for organisation, program, reference in ledger.registered:
        if (organisation, reference) in erased:
            continue
        full = program if "/" in program else f"{organisation}/{program}"
        participant = stored.get((organisation, full, reference))
        if participant is None:
            found.append(f"{organisation} registered {reference} in {full}: intake does not know it")
        elif participant not in published:
            found.append(f"participant {participant} was never published")
        elif participant not in decided:
            found.append(f"participant {participant} is not in matching")
    known = {
        (row["name"], row["id"])
        for row in await connection.fetch(
            "SELECT o.name, a.id FROM intake.accepted_request a JOIN intake.organisation o USING (organisation_id)"
        )
    }
    found += [
        f"event {event_id} of {name} is not known"
        for name, event_id, _ in ledger.events
        if (name, event_id) not in known
    ]
    for _, reference, person_id in ledger.erased:
        count = await connection.fetchval(
            "SELECT (SELECT count(*) FROM intake.person WHERE person_id = $1)"
            " + (SELECT count(*) FROM notifications.person WHERE person_id = $1)",
            UUID(person_id),
        )
        if count:
            found.append(f"{reference} was erased and is still known as {person_id}")
    if ledger.requests:
        found += missing_effects(picture_of(ledger.requests), facts, await read_stored(connection))
    return found


def _within_capacity(facts: Facts) -> list[str]:
    """Matches counted in their program's own order; a capacity is in force from the time of its event on.

    What happened at the very same business time may be in either order between topics, so the larger of the capacities
    of that moment counts.
    """
    capacities: defaultdict[UUID, list[tuple[datetime, int]]] = defaultdict(list)
    for event in facts.events["registrations"]:
        if isinstance(event.data, asked.ParticipantRegistered | asked.ParticipantUpdated):
            capacities[event.data.participant_id].append((event.time, event.data.capacity))
    live: defaultdict[UUID, dict[UUID, int]] = defaultdict(dict)  # places taken, by participant and match
    sides_of: dict[UUID, tuple[UUID, ...]] = {}
    found = []
    for event in facts.events["matches"]:
        data = event.data
        if isinstance(data, MatchProposed | MatchConfirmed | MatchChanged):
            # Each mentee of a circle takes a place; of partners each takes the only one of the other.
            partners = data.mentor.role == "partner"
            sides = (data.mentor, *data.mentees) if partners else (data.mentor,)
            sides_of[data.match_id] = tuple(side.participant_id for side in sides)
            for side in sides_of[data.match_id]:
                before = live[side].get(data.match_id, 0)
                live[side][data.match_id] = len(data.mentees)
                allowed = 1 if partners else _capacity_at(capacities[side], event.time)
                if (taken := sum(live[side].values())) > allowed and len(data.mentees) > before:
                    found.append(f"match {data.match_id}: {taken} places taken of somebody with room for {allowed}")
        elif isinstance(data, MatchEnded):
            for side in sides_of.get(data.match_id, ()):
                live[side].pop(data.match_id, None)
    return found


def _capacity_at(capacities: Sequence[tuple[datetime, int]], time: datetime) -> int:
    before = [capacity for when, capacity in capacities if when < time][-1:]
    return max([*before, *(capacity for when, capacity in capacities if when == time)], default=0)


def _no_overlaps(facts: Facts) -> list[str]:
    meetings: dict[UUID, tuple[datetime, datetime, list[UUID]] | None] = {}
    for event in facts.events["meetings"]:
        data = event.data
        if isinstance(data, MeetingScheduled | MeetingRescheduled | MeetingAttendeesChanged):
            people = [attendee.person_id for attendee in data.attendees]
            meetings[data.meeting_id] = (data.starts_at, data.ends_at, people)
        elif isinstance(data, MeetingCancelled):
            meetings[data.meeting_id] = None
    busy: defaultdict[UUID, list[tuple[datetime, datetime, UUID]]] = defaultdict(list)
    for meeting_id, meeting in meetings.items():
        for person in meeting[2] if meeting else ():
            busy[person].append((meeting[0], meeting[1], meeting_id))  # type: ignore[index] # not None here
    found = []
    for person, times in busy.items():
        times.sort()
        for (_, end, first), (start, _, second) in itertools.pairwise(times):
            if start < end:
                found.append(f"person {person} is in meetings {first} and {second} at once")
    return found


async def _drained(facts: Facts, connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
    found = []
    ends: dict[tuple[str, int], int] = {}
    for topic, records in facts.records.items():
        for record in records:
            ends[topic, record.partition] = max(ends.get((topic, record.partition), 0), record.offset + 1)
    for service in DATABASES:
        waiting = await connection.fetchval(f"SELECT count(*) FROM {service}.outbox")  # noqa: S608 - a constant
        if waiting:
            found.append(f"{service}: {waiting} events in the outbox")
        rows = await connection.fetch(f"SELECT topic, partition, next_offset FROM {service}.consumer_position")  # noqa: S608
        stands = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        for (topic, partition), end in ends.items():
            if service in TOPIC[topic].readers and stands.get((topic, partition), 0) != end:
                found.append(f"{service}: {topic} {partition} is at {stands.get((topic, partition))} of {end}")
    return found


async def _dead_is_poison(connection: asyncpg.Connection[asyncpg.Record], poison: Sequence[PoisonRecord]) -> list[str]:
    found = []
    for service in DATABASES:
        expected = Counter(
            (record.topic, record.reason, record.value) for record in poison if service in TOPIC[record.topic].readers
        )
        rows = await connection.fetch(f"SELECT topic, reason, detail, value FROM {service}.dead_letter")  # noqa: S608
        dead = Counter((row["topic"], row["reason"], row["value"]) for row in rows)
        found += [f"{service}: missing dead letter {key[:2]}" for key in (expected - dead).elements()]
        found += [f"{service}: unexpected dead letter {key[:2]}" for key in (dead - expected).elements()]
    return found


def _few(violations: Sequence[str]) -> tuple[str, ...]:
    more = len(violations) - _SHOWN
    return (*violations[:_SHOWN], *((f"and {more} more",) if more > 0 else ()))
