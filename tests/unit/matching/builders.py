"""Short ways to make the domain's values, with ids that say what they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from matching.domain import arrivals, search
from matching.domain.pool import Pool
from matching.domain.values import (
    Decision,
    OwnVocabulary,
    Participant,
    Policy,
    Program,
    Role,
    Terms,
)
from mentorstream_events.values import Profile, Skill
from mentorstream_events.values import WeeklyHours as Hours

# A Monday in winter: Paris is an hour ahead of UTC until 29 March.
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
PROGRAM = UUID(int=1 << 120)
OFFICE = tuple(Hours(weekday=day, start_minute=9 * 60, end_minute=17 * 60) for day in range(1, 6))
ALPHA, BETA = UUID(int=0xA << 100), UUID(int=0xB << 100)
MENTOR: tuple[Role, ...] = ("mentor",)
MENTEE: tuple[Role, ...] = ("mentee",)


def person(number: int) -> UUID:
    """The person behind participant `number`."""
    return UUID(int=(2 << 120) + number)


def ident(number: int) -> UUID:
    """The id of participant `number`."""
    return UUID(int=number)


def match_id(mentor: UUID, mentee: UUID) -> UUID:
    """An id for a pair; good for one match of each pair, which is all there can be."""
    return UUID(int=(3 << 120) + (mentor.int << 60) + mentee.int)


def skills(**levels: int) -> tuple[Skill, ...]:
    return tuple(Skill(skill=name, level=level) for name, level in levels.items())


def profile(**changes: Any) -> Profile:
    return msgspec.structs.replace(Profile(zone="UTC", languages=("en",), availability=OFFICE), **changes)


def mentor(number: int, *, capacity: int = 1, **changes: Any) -> Participant:
    return participant(number, roles=MENTOR, capacity=capacity, **changes)


def mentee(number: int, **changes: Any) -> Participant:
    return participant(number, roles=MENTEE, capacity=0, **changes)


def participant(number: int, *, roles: Sequence[Role], capacity: int, **changes: Any) -> Participant:
    """Participant `number`; `changes` may be of the participant or of the profile."""
    own = {name: value for name, value in changes.items() if name in Participant.__struct_fields__}
    rest = {name: value for name, value in changes.items() if name not in own}
    return replace(
        Participant(
            participant_id=ident(number),
            person_id=person(number),
            organisation_id=ALPHA,
            roles=tuple(roles),
            capacity=capacity,
            profile=profile(**rest),
            joined_at=NOW,
        ),
        **own,
    )


def program(*, terms: Terms | None = None, **policy: Any) -> Program:
    return Program(
        program_id=PROGRAM,
        organisation_id=ALPHA,
        organisations=(ALPHA, BETA),
        title="Spring",
        kind="formal",
        policy=Policy(**policy),
        terms=terms or Terms(),
    )


def pool_of(*participants: Participant, **policy: Any) -> Pool:
    """A pool whose people are just there: nobody was matched when they came."""
    pool = Pool(program(**policy), NOW)
    for each in participants:
        pool.put_participant(each)
    return pool


class Story:
    """A program as it goes on: each call is an event, a minute after the one before, and returns its decisions."""

    def __init__(self, **policy: Any) -> None:
        terms = policy.pop("terms", None)
        self.pool = Pool(program(terms=terms, **policy), NOW)
        self.time = NOW

    def join(self, participant: Participant) -> list[Decision]:
        return arrivals.register(self.pool, self._tick(), match_id, participant)

    def update(self, participant: Participant) -> list[Decision]:
        return arrivals.update(self.pool, self._tick(), match_id, participant)

    def withdraw(self, number: int) -> list[Decision]:
        return arrivals.withdraw(self.pool, self._tick(), match_id, ident(number))

    def rematch(self, number: int, match: UUID | None = None) -> list[Decision]:
        return arrivals.rematch(self.pool, self._tick(), match_id, ident(number), match)

    def lines(self, **managers: Sequence[int]) -> list[Decision]:
        """`lines(p3=[1, 2])`: person 3 now reports to 1, who reports to 2."""
        lines = [(person(int(name[1:])), tuple(map(person, above))) for name, above in managers.items()]
        return arrivals.change_lines(self.pool, self._tick(), match_id, lines)

    def configure(self, *, terms: Terms | None = None, **policy: Any) -> list[Decision]:
        return arrivals.configure(self.pool, self._tick(), match_id, program(terms=terms, **policy))

    def vocabulary(self, own: OwnVocabulary) -> list[Decision]:
        return arrivals.configure_vocabulary(self.pool, self._tick(), match_id, own)

    def accept(self, mentor: int, mentee: int) -> list[Decision]:
        return arrivals.accept(self.pool, self._tick(), match_id, match_id(ident(mentor), ident(mentee)))

    def decline(self, mentor: int, mentee: int) -> list[Decision]:
        return arrivals.decline(self.pool, self._tick(), match_id, match_id(ident(mentor), ident(mentee)))

    def expire(self, mentor: int, mentee: int) -> list[Decision]:
        return arrivals.expire(self.pool, self._tick(), match_id, match_id(ident(mentor), ident(mentee)))

    def end(self, mentor: int, mentee: int, reason: Any = "coordinator") -> list[Decision]:
        return arrivals.end(self.pool, self._tick(), match_id, match_id(ident(mentor), ident(mentee)), reason)

    def later(self, **delta: float) -> None:
        self.time += timedelta(**delta)

    def _tick(self) -> datetime:
        self.time += timedelta(minutes=1)
        return self.time


def best_mentor(pool: Pool, mentee: int) -> search.Fit | None:
    """Whom the search finds for a row; None for nobody."""
    found = search.look(pool, mentee)
    return found if isinstance(found, search.Fit) else None
