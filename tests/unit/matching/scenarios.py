"""Made-up histories of programs, as the events of `registrations` that they consist of.

A history is drawn from a seed. While it is drawn, the handlers decide it over pools in memory, because answers have to
name matches that there are. So it comes with what was decided, to compare with what a service makes of it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from matching.domain.pool import Pool
from matching.domain.values import Match, Matching
from matching.entrypoints.consumer import REGISTRATIONS
from mentorstream_events import Event, SequenceNumber, Value, contract_of, derived_id
from mentorstream_events import registrations as events
from mentorstream_events import values as wire
from mentorstream_runtime.outbox import Outgoing

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata")
LANGUAGES = ("en", "fr", "de", "es")
SKILLS = ("python", "law", "sales", "design", "writing", "finance")
ROLES: tuple[tuple[wire.Role, ...], ...] = (("mentor",), ("mentee",), ("mentee",), ("mentor", "mentee"))
TAGS = ("lead", "speak", "grow", "chess", "music", "care")


@dataclass
class MemoryPools:
    """The handlers' port over a dictionary."""

    by_program: dict[UUID, Pool] = field(default_factory=dict)

    def find(self, program_id: UUID) -> Pool | None:
        return self.by_program.get(program_id)

    def add(self, pool: Pool) -> None:
        self.by_program[pool.program.program_id] = pool

    def put_audit_groups(self, program_id: UUID, participant_id: UUID, groups: Sequence[wire.AuditGroup]) -> None:
        """Nothing here audits."""


@dataclass
class History:
    """Events in their order and, for each, what followed from it. `matches` are as they were in the end."""

    events: list[Event[Value]] = field(default_factory=list)
    outgoing: list[list[Outgoing]] = field(default_factory=list)
    pools: MemoryPools = field(default_factory=MemoryPools)
    matches: dict[UUID, dict[UUID, Match]] = field(default_factory=dict)


class Draw:
    """Draws a history, event by event. A program's way of matching changes now and then, unless one is given."""

    def __init__(self, seed: int, *, programs: int = 2, matching: Matching | None = None) -> None:
        self._ways: tuple[Matching, ...] = ("on_arrival", "on_request") if matching is None else (matching,)
        self._random = random.Random(seed)
        self._seed = seed
        self._number = 0
        self._numbers: Counter[str] = Counter()
        self._time = START
        self.history = History()
        self._programs = [self._id("program", number) for number in range(programs)]
        self._organisations = [self._id("organisation", number) for number in range(3)]
        self._people: dict[UUID, list[events.ParticipantRegistered]] = {each: [] for each in self._programs}

    def run(self, steps: int) -> Iterator[Event[Value]]:
        """Configure every program, then draw so many events."""
        for program_id in self._programs:
            yield self._happen(self._configuration(program_id, 1))
        for _ in range(steps):
            yield self._happen(self._next(self._random.choice(self._programs)))

    def _happen(self, data: Value) -> Event[Value]:
        self._number += 1
        self._time += timedelta(minutes=self._random.choice((0, 1, 17, 600)))
        contract = contract_of(data)
        self._numbers[contract.key_of(data)] += 1
        event: Event[Value] = Event(
            id=str(self._id("event", self._number)),
            type=contract.name,
            source="intake",  # of requests, too: a history is read from one topic, whoever wrote there
            time=self._time,
            key=contract.key_of(data),
            data=data,
            sequence=SequenceNumber(1, self._numbers[contract.key_of(data)]),
        )
        history = self.history
        history.outgoing.append(list(REGISTRATIONS[type(data)](history.pools, event)))
        history.events.append(event)
        for program_id, pool in history.pools.by_program.items():
            changes = pool.take_changes()
            history.matches.setdefault(program_id, {}).update(changes.new_matches | changes.matches)
        return event

    def _next(self, program_id: UUID) -> Value:
        people, rng = self._people[program_id], self._random
        kind = rng.choices(
            (
                "register",
                "update",
                "withdraw",
                "rematch",
                "lines",
                "configure",
                "vocabulary",
                "answer",
                "end",
                "choose",
            ),
            (30, 12, 6, 8, 6, 2, 1, 28, 8, 24),
        )[0]
        live = sorted(self.history.pools.by_program[program_id].matches)
        if kind == "configure":
            return self._configuration(program_id, self._number)
        if kind == "vocabulary":
            return self._vocabulary(program_id, self._number)
        if kind in ("answer", "end") and live:
            return self._about_match(program_id, rng.choice(live), kind)
        if kind == "choose" and people:
            chosen_by, listed = rng.choice(people), rng.sample(people, min(len(people), rng.choice((1, 3, 5))))
            return events.RequestMentors(
                program_id=program_id,
                participant_id=chosen_by.participant_id,
                mentor_ids=tuple(each.participant_id for each in listed),
            )
        if kind in ("update", "withdraw", "rematch", "lines") and people:
            chosen = rng.choice(people)
            if kind == "update":
                return self._updated(chosen)
            if kind == "withdraw":
                people.remove(chosen)
                return events.ParticipantWithdrawn(
                    program_id=program_id, participant_id=chosen.participant_id, person_id=chosen.person_id
                )
            if kind == "rematch":
                match_id = rng.choice((None, *live))
                return events.RematchRequested(
                    program_id=program_id, participant_id=chosen.participant_id, match_id=match_id
                )
            return self._lines(program_id, people)
        registered = self._registered(program_id)
        people.append(registered)
        return registered

    def _about_match(self, program_id: UUID, match_id: UUID, kind: str) -> Value:
        if kind == "end":
            if self._random.random() < 0.5:
                return events.EndMatch(program_id=program_id, match_id=match_id, reason="coordinator")
            return events.EndMatch(program_id=program_id, match_id=match_id, reason="term_over")
        model = self._random.choice(
            (events.ProposalAccepted, events.ProposalAccepted, events.ProposalDeclined, events.ExpireProposal)
        )
        return model(program_id=program_id, match_id=match_id)

    def _configuration(self, program_id: UUID, version: int) -> events.ProgramConfigured:
        rng = self._random
        return events.ProgramConfigured(
            program_id=program_id,
            organisation_id=self._organisations[0],
            organisations=tuple(self._organisations),
            title="A program",
            kind="formal",
            policy=wire.Policy(
                version=version,
                matching=rng.choice(self._ways),
                requests_limit=rng.choice((2, 3, 10)),
                requests_at_once=rng.choice((1, 2, 3)),
                mentor_consent=rng.random() < 0.6,
                proposal_days=rng.choice((1, 7)),
                minimum_common_minutes=rng.choice((0, 60, 240)),
                minimum_score=rng.choice((0.0, 0.0, 0.3)),
                share_language=rng.random() < 0.8,
                organisations=rng.choice(("any", "any", "same", "other")),
                boss_levels=rng.choice((0, 1, 2)),
                mentor_credentials=rng.choice(((), (), ("trained",))),
                mentee_credentials=rng.choice(((), (), (), ("trained",))),
                rematch_former=rng.random() < 0.3,
                same_boss_allowed=rng.random() < 0.7,
                seniority_gap_minimum=rng.choice((None, None, -3)),
                seniority_gap_maximum=rng.choice((None, None, 6)),
                vocabulary=rng.choice(("exact", "starter", "own")),
                weights=wire.Weights(zone_distance=rng.choice((0.0, 0.1))),
            ),
            terms=wire.Terms(weeks=rng.choice((4, 12))),
        )

    def _vocabulary(self, program_id: UUID, version: int) -> events.VocabularyConfigured:
        kinds: tuple[Literal["parent", "related"], ...] = ("parent", "related")
        pairs = [self._random.sample(SKILLS, 2) for _ in range(self._random.choice((0, 2, 5)))]
        links = tuple(wire.SkillLink(skill=a, kind=self._random.choice(kinds), to_skill=b) for a, b in pairs)
        return events.VocabularyConfigured(program_id=program_id, version=version, links=links)

    def _registered(self, program_id: UUID) -> events.ParticipantRegistered:
        number = len(self.history.events)
        return self._details(program_id, self._id("participant", number), self._id("person", number))

    def _updated(self, before: events.ParticipantRegistered) -> events.ParticipantUpdated:
        details = self._details(before.program_id, before.participant_id, before.person_id)
        return events.ParticipantUpdated(**msgspec.structs.asdict(details))

    def _details(self, program_id: UUID, participant_id: UUID, person_id: UUID) -> events.ParticipantRegistered:
        rng = self._random
        roles = rng.choice(ROLES)
        others = [each.person_id for each in self._people[program_id] if each.person_id != person_id]
        return events.ParticipantRegistered(
            program_id=program_id,
            participant_id=participant_id,
            person_id=person_id,
            organisation_id=rng.choice(self._organisations),
            roles=roles,
            capacity=rng.choice((0, 1, 1, 2, 3)) if "mentor" in roles else 0,
            profile=self._profile(),
            managers=tuple(rng.sample(others, min(len(others), rng.choice((0, 0, 1, 2))))),
            blocks=tuple(rng.sample(others, min(len(others), rng.choice((0, 0, 0, 1, 3))))),
            credentials=rng.choice(((), ("trained",))),
        )

    def _profile(self) -> wire.Profile:
        rng = self._random

        def some(things: Sequence[str]) -> tuple[str, ...]:
            return tuple(rng.sample(things, rng.choice((0, 1, 2, 3))))

        def levels() -> tuple[wire.Skill, ...]:
            return tuple(wire.Skill(skill=each, level=rng.randint(1, 5)) for each in some(SKILLS))

        return wire.Profile(
            zone=rng.choice(ZONES),
            languages=tuple(rng.sample(LANGUAGES, rng.choice((1, 2)))),
            availability=tuple(
                wire.WeeklyHours(weekday=day, start_minute=start, end_minute=start + rng.choice((60, 240, 480)))
                for day in sorted(rng.sample(range(1, 8), rng.choice((1, 3, 5))))
                for start in (rng.choice((420, 540, 615)),)
            ),
            offers=levels(),
            wants=levels(),
            goals=some(TAGS),
            interests=some(TAGS),
            values=some(TAGS),
            style=rng.choice((None, "direct", "calm")),
            industry=rng.choice((None, "energy", "health")),
            seniority=rng.randint(0, 10),
        )

    def _lines(self, program_id: UUID, people: Sequence[events.ParticipantRegistered]) -> events.ReportingLineChanged:
        persons = sorted({each.person_id for each in people})
        changed = self._random.sample(persons, min(len(persons), self._random.choice((1, 2, 4))))
        return events.ReportingLineChanged(
            program_id=program_id,
            lines=tuple(
                wire.ReportingLine(
                    person_id=each,
                    managers=tuple(boss for boss in self._random.sample(persons, min(2, len(persons))) if boss != each),
                )
                for each in changed
            ),
        )

    def _id(self, *parts: object) -> UUID:
        return derived_id("scenario", self._seed, *parts)


def drawn(seed: int, steps: int, *, programs: int = 2) -> History:
    """A whole history."""
    draw = Draw(seed, programs=programs)
    for _ in draw.run(steps):
        pass
    return draw.history
