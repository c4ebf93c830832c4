"""Whatever happens, in whatever order: what must never be, and that nothing depends on what memory happens to hold."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import msgspec
import numpy as np
import pytest
from tests.unit.matching.builders import best_mentor
from tests.unit.matching.scenarios import Draw, MemoryPools, drawn

from matching.domain.pool import Pool
from matching.domain.rules import RULES
from matching.domain.values import Match
from matching.entrypoints.consumer import REGISTRATIONS
from mentorstream_events import encode_data
from mentorstream_events.matches import MatchConfirmed, MatchProposed
from mentorstream_events.registrations import ParticipantRegistered, ParticipantUpdated
from mentorstream_events.values import AuditGroup

SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_must_never_be(seed: int) -> None:
    draw = Draw(seed)
    for _ in draw.run(150):
        for program_id, pool in draw.history.pools.by_program.items():
            check(pool, draw.history.matches.get(program_id, {}))


def check(pool: Pool, matches: dict[UUID, Match]) -> None:
    live = list(pool.matches.values())
    assert pool.matches == {key: match for key, match in matches.items() if match.status != "ended"}
    assert all(match.slot < match.capacity for match in matches.values())
    assert len({(match.mentor.participant_id, match.slot) for match in live}) == len(live)
    mentored = Counter(match.mentee.participant_id for match in live if not (match.requested and is_open(match)))
    assert all(count == 1 for count in mentored.values())
    assert not mentored.keys() & {match.mentee.participant_id for match in live if match.requested and is_open(match)}
    asked = Counter((match.mentor.participant_id, match.mentee.participant_id) for match in live)
    assert all(count == 1 for count in asked.values())
    matched = [match for match in matches.values() if not match.requested or match.confirmed_at is not None]
    pairs = Counter(frozenset((each.mentor.person_id, each.mentee.person_id)) for each in matched if not each.again)
    assert all(count == 1 for count in pairs.values())
    running = Counter(
        frozenset((each.mentor.person_id, each.mentee.person_id)) for each in matched if each.status != "ended"
    )
    assert all(count == 1 for count in running.values())
    for match in live:
        assert pool.participants[match.mentor.participant_id].is_mentor
        assert pool.participants[match.mentee.participant_id].is_mentee
    assert not pool.waiting.keys() & {match.mentee.participant_id for match in live}
    for participant_id in pool.waiting:
        assert pool.participants[participant_id].is_mentee
    for choice in pool.choices.values():
        assert not choice.mentors or pool.matches_of_mentee(choice.participant_id)
    check_facts(pool)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_declared_for_audits_decides_nothing(seed: int) -> None:
    """Every event with the groups of whoever it is about, and without: what follows is the same to the last bit."""
    history = drawn(seed, 120)
    pools = MemoryPools()
    for number, (event, outgoing) in enumerate(zip(history.events, history.outgoing, strict=True)):
        data = event.data
        if isinstance(data, ParticipantRegistered | ParticipantUpdated):
            groups = (AuditGroup(attribute="age", group=("under 30", "30 and above")[number % 2]),)
            data = msgspec.structs.replace(data, audit_groups=groups)
        told = REGISTRATIONS[type(data)](pools, msgspec.structs.replace(event, data=data))
        assert [(each.id, each.data) for each in told] == [(each.id, each.data) for each in outgoing]


def is_open(match: Match) -> bool:
    return match.status == "proposed"


def check_facts(pool: Pool) -> None:
    """The arrays say what the values say."""
    facts = pool.facts
    assert set(facts.row_of) == set(pool.participants)
    for participant_id, row in facts.row_of.items():
        participant = pool.participants[participant_id]
        live = len(pool.matches_of_mentor(participant_id))
        capacity = participant.capacity if participant.is_mentor else 0
        assert (facts.live[row], facts.capacity[row]) == (live, capacity)
        assert facts.free[row] == max(0, capacity - live)
        assert facts.waiting[row] == (participant_id in pool.waiting)


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_waits_while_a_free_mentor_fits(seed: int) -> None:
    draw = Draw(seed, programs=1, matching="on_arrival")
    (program_id,) = draw._programs
    for _ in draw.run(150):
        pool = draw.history.pools.by_program[program_id]
        for participant_id in pool.waiting:
            assert best_mentor(pool, pool.facts.row_of[participant_id]) is None


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("every", [1, 7])
def test_a_pool_that_was_stored_in_between_decides_the_same(seed: int, every: int) -> None:
    history = drawn(seed, 150)
    pools = MemoryPools()
    matches: dict[UUID, dict[UUID, Match]] = {}
    for number, (event, expected) in enumerate(zip(history.events, history.outgoing, strict=True)):
        outgoing = list(REGISTRATIONS[type(event.data)](pools, event))
        assert [(each.id, each.time, encode_data(each.data)) for each in outgoing] == [
            (each.id, each.time, encode_data(each.data)) for each in expected
        ]
        for program_id, pool in pools.by_program.items():
            changes = pool.take_changes()
            matches.setdefault(program_id, {}).update(changes.new_matches | changes.matches)
        if number % every == 0:
            pools.by_program = {
                program_id: restored(pool, matches[program_id]) for program_id, pool in pools.by_program.items()
            }


def restored(pool: Pool, matches: dict[UUID, Match]) -> Pool:
    """The pool as a new owner would have it, with everything met in another order."""
    return Pool.restored(
        pool.program,
        pool.now,
        participants=reversed(list(pool.participants.values())),
        left=pool.left,
        matches=sorted(matches.values(), key=lambda match: match.match_id),
        waiting=reversed(list(pool.waiting.values())),
        own_vocabulary=pool.own_vocabulary,
        choices=reversed(list(pool.choices.values())),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_mentor_is_the_best_of_all_pairs_taken_one_by_one(seed: int) -> None:
    history = drawn(seed, 60, programs=1)
    (pool,) = history.pools.by_program.values()
    facts, policy = pool.facts, pool.program.policy
    for participant_id in pool.participants:
        row = facts.row_of[participant_id]
        feasible = [
            mentor
            for mentor in facts.row_of.values()
            if all(rule(facts, policy, np.array([mentor]), np.array([row]))[0] for _, rule in RULES)
        ]
        fit = best_mentor(pool, row)
        assert (fit is not None) == bool(feasible)
        assert fit is None or fit.mentor in feasible


def test_facets_sum_to_the_score_in_every_event() -> None:
    told = [each.data for outgoing in drawn(3, 300).outgoing for each in outgoing]
    matches = [each for each in told if isinstance(each, MatchProposed | MatchConfirmed)]
    assert matches
    for each in matches:
        assert sum(each.facets.values()) == each.score


def test_event_ids_are_never_used_twice() -> None:
    ids = Counter(each.id for seed in SEEDS for outgoing in drawn(seed, 150).outgoing for each in outgoing)
    assert ids.most_common(1)[0][1] == 1
