"""Random pools of facts and random markets, from a seed."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import numpy as np
from tests.unit.matching_engine.markets import from_dense

from matching.domain.availability import week_bits
from matching.domain.codes import Rows
from matching.domain.engine import market as markets
from matching.domain.facts import Facts
from matching.domain.values import Participant, Role
from mentorstream_events.values import Profile, Skill
from mentorstream_events.values import WeeklyHours as Hours

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_MENTOR: tuple[Role, ...] = ("mentor",)
_MENTEE: tuple[Role, ...] = ("mentee",)


def _some(random: np.random.Generator, prefix: str, of: int, most: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number}" for number in random.choice(of, random.integers(0, most + 1), replace=False))


def _skills(random: np.random.Generator) -> tuple[Skill, ...]:
    return tuple(Skill(skill=name, level=int(random.integers(1, 6))) for name in _some(random, "skill", 40, 6))


def pool(seed: int, mentors: int, mentees: int) -> tuple[Facts, Rows, Rows]:
    """Facts of people with gaps in their profiles, bosses, blocks and former matches; rows of each side."""
    random = np.random.default_rng(seed)
    facts, rows = Facts(), []
    persons = [UUID(int=(7 << 64) + number) for number in range(mentors + mentees)]
    for number, person in enumerate(persons):
        hours = tuple(
            Hours(
                weekday=int(random.integers(1, 6)),
                start_minute=start,
                end_minute=start + 30 * int(random.integers(1, 7)),
            )
            for start in (480, 720, 960)[: random.integers(0, 4)]
        )
        profile = Profile(
            zone="UTC",
            languages=_some(random, "l", 6, 3) or ("l0",),
            availability=hours,
            offers=_skills(random),
            wants=_skills(random),
            goals=_some(random, "goal", 12, 3),
            interests=_some(random, "interest", 90, 6),
            values=_some(random, "value", 8, 3),
            style=(None, "open", "structured")[random.integers(0, 3)],
            industry=(None, "energy", "health", "law")[random.integers(0, 4)],
            seniority=int(random.integers(0, 11)),
        )
        participant = Participant(
            participant_id=UUID(int=(int(random.integers(1 << 60)) << 64) + number),
            person_id=person,
            organisation_id=UUID(int=int(random.integers(1, 4))),
            roles=_MENTOR if number < mentors else _MENTEE,
            capacity=int(random.integers(0, 4)) if number < mentors else 0,
            profile=profile,
            managers=tuple(persons[boss] for boss in random.integers(0, len(persons), random.integers(0, 4))),
            blocks=tuple(persons[blocked] for blocked in random.integers(0, len(persons), random.integers(0, 3))),
            credentials=_some(random, "credential", 2, 2),
            joined_at=NOW,
        )
        offset = 30 * int(random.integers(-22, 27))
        rows.append(facts.put(participant, offset))
        facts.put_hours(rows[-1], week_bits(hours, 0), offset)
    for _ in range(len(persons) // 4):
        one, other = random.integers(0, len(persons), 2)
        if one != other:
            facts.pair(persons[one], persons[other], bond=int(random.integers(2)))
    return facts, np.array(rows[:mentors], np.intp), np.array(rows[mentors:], np.intp)


def random_market(
    seed: int, mentees: int, mentors: int, *, each: int = 8, most_places: int = 3, highest: int = 1 << 20
) -> markets.Market:
    """Every mentee with some `each` random candidates."""
    random = np.random.default_rng(seed)
    allowed = random.random((mentees, mentors)) < each / max(mentors, 1)
    points = random.integers(1, highest + 1, (mentees, mentors))
    return from_dense(points, random.integers(0, most_places + 1, mentors), allowed)
