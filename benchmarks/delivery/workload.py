"""The events that are measured with: programs of several organisations and the people who join them.

Everything follows from the seed, so that each subject and each repetition reads the same records. A record's event
time is its own within the program: that is how a decision is traced back to the registration that caused it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from mentorstream_events import SequenceNumber, Value, contract_of, derived_id, encode_data, encode_headers
from mentorstream_events.registrations import ParticipantRegistered, ProgramConfigured
from mentorstream_events.values import Policy, Profile, Skill, Terms, WeeklyHours

START: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_STEP: Final = timedelta(milliseconds=7)
_ZONES: Final = ("Europe/Paris", "Europe/Copenhagen", "Europe/London", "America/New_York", "Asia/Kolkata", "UTC")
_LANGUAGES: Final = (("en",), ("en", "fr"), ("en", "de"), ("da", "en"), ("de", "en", "es"), ("fr",))
_FIELDS: Final = ("credit", "retail", "cloud", "clinical", "energy", "policy", "product", "people", "supply", "legal")
_CRAFTS: Final = ("analysis", "negotiation", "leadership", "architecture", "research", "planning", "writing", "audit")
_SKILLS: Final = tuple(f"{field} {craft}" for field in _FIELDS for craft in _CRAFTS)
_GOALS: Final = tuple(f"move into {field}" for field in _FIELDS) + tuple(f"lead a {craft} team" for craft in _CRAFTS)
_INTERESTS: Final = (
    "climbing", "chess", "cooking", "open source", "cycling", "choir", "photography", "gardening", "sailing",
    "history", "robotics", "theatre", "running", "astronomy", "painting", "volunteering",
)  # fmt: skip
_VALUES: Final = ("candour", "curiosity", "craft", "fairness", "independence", "service", "stability", "teamwork")
_STYLES: Final = (None, "direct", "socratic", "supportive", "structured")
_INDUSTRIES: Final = (None, "banking", "health", "energy", "public sector", "software", "logistics")


@dataclass(frozen=True, slots=True)
class Message:
    """One record for a topic (name without prefix), as bytes."""

    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much: `programs` of `organisations`, with `people` who join one each."""

    programs: int = 200
    organisations: int = 12
    people: int = 100_000


def message(
    data: Value, event_id: str, time: datetime, number: int, source: str = "intake", *, incarnation: int = 1
) -> Message:
    """An event as its producer's relay would send it."""
    contract = contract_of(data)
    headers = encode_headers(
        event_id=event_id,
        event_type=contract.name,
        source=source,
        time=time,
        sequence=SequenceNumber(incarnation, number),
    )
    return Message(contract.topic.name, contract.key_of(data).encode(), encode_data(data), headers)


def configurations(size: Size, seed: str, *, incarnation: int = 1) -> Iterator[Message]:
    """The programs. A quarter of them asks mentors for their consent. A higher incarnation says the same again."""
    organisations = [derived_id(seed, "organisation", each) for each in range(size.organisations)]
    for index in range(size.programs):
        first = index % size.organisations
        taking_part = [organisations[(first + step) % size.organisations] for step in range(min(3, size.organisations))]
        data = ProgramConfigured(
            program_id=program_id(seed, index),
            organisation_id=taking_part[0],
            organisations=tuple(taking_part),
            title=f"Program {index}",
            kind="formal",
            policy=Policy(mentor_consent=index % 4 == 3, boss_levels=2),
            terms=Terms(),
        )
        yield message(data, f"{seed}-configured-{index}-{incarnation}", START, 1, incarnation=incarnation)


def registrations(size: Size, seed: str) -> Iterator[Message]:
    """People joining, program after program in turns; a fifth of them mentors with one to five places."""
    draw = random.Random(seed)
    numbers = [1] * size.programs
    for index in range(size.people):
        program = draw.randrange(size.programs)
        numbers[program] += 1
        data = _registered(draw, size, seed, program, index)
        yield message(data, f"{seed}-registered-{index:07d}", START + (index + 1) * _STEP, numbers[program])


def _registered(draw: random.Random, size: Size, seed: str, program: int, index: int) -> ParticipantRegistered:
    mentors = draw.random() < 0.2
    organisation = (program % size.organisations + draw.randrange(3)) % size.organisations
    return ParticipantRegistered(
        program_id=program_id(seed, program),
        # Growing with time, as intake mints them.
        participant_id=UUID(int=(0x0190_0000_0000 + index << 80) | (7 << 76) | (2 << 62) | draw.getrandbits(60)),
        person_id=UUID(int=(0x0190_0000_0000 + index << 80) | (7 << 76) | (2 << 62) | draw.getrandbits(60)),
        organisation_id=derived_id(seed, "organisation", organisation),
        roles=("mentor",) if mentors else ("mentee",),
        capacity=draw.randint(1, 5) if mentors else 0,
        profile=Profile(
            zone=draw.choice(_ZONES),
            languages=draw.choice(_LANGUAGES),
            availability=_availability(draw),
            offers=_skills(draw, 3, 6) if mentors else (),
            wants=() if mentors else _skills(draw, 2, 4),
            goals=tuple(draw.sample(_GOALS, draw.randint(1, 3))),
            interests=tuple(draw.sample(_INTERESTS, draw.randint(1, 4))),
            values=tuple(draw.sample(_VALUES, draw.randint(0, 2))),
            style=draw.choice(_STYLES),
            industry=draw.choice(_INDUSTRIES),
            seniority=draw.randint(4, 10) if mentors else draw.randint(0, 5),
        ),
        managers=tuple(UUID(int=draw.getrandbits(128)) for _ in range(draw.randint(0, 2))),
    )


def _availability(draw: random.Random) -> tuple[WeeklyHours, ...]:
    hours = []
    for weekday in sorted(draw.sample(range(1, 6), draw.randint(2, 4))):
        start = draw.randrange(7 * 60, 17 * 60, 15)
        hours.append(
            WeeklyHours(weekday=weekday, start_minute=start, end_minute=start + draw.randrange(60, 5 * 60, 15))
        )
    return tuple(hours)


def _skills(draw: random.Random, least: int, most: int) -> tuple[Skill, ...]:
    names = draw.sample(_SKILLS, draw.randint(least, most))
    return tuple(Skill(skill=name, level=draw.randint(1, 5)) for name in names)


def program_id(seed: str, index: int) -> UUID:
    """A program's id."""
    return derived_id(seed, "program", index)


def mean_bytes(messages: Sequence[Message]) -> float:
    """Mean size of the values."""
    return sum(len(each.value or b"") for each in messages) / max(1, len(messages))
