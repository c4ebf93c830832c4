"""The compiled search says the same as the rules and the score, for whatever people and policies there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.matching.builders import best_mentor
from tests.unit.matching.scenarios import drawn

from matching.domain import search
from matching.domain.availability import week_bits, words
from matching.domain.pool import Pool
from matching.domain.rules import RULE_BIT, RULES
from matching.domain.score import SCALE, facet_points
from matching.domain.values import Policy, Reason, Skill, Weights
from matching.domain.vocabulary import term

POLICIES = {
    "any": Policy(),
    "strict": Policy(
        minimum_common_minutes=240, minimum_score=0.4, organisations="other", boss_levels=3, mentor_consent=True
    ),
    "lax": Policy(minimum_common_minutes=0, share_language=False, organisations="same", boss_levels=0),
    "credentials": Policy(mentor_credentials=("trained", "no such thing"), minimum_score=0.01),
    "apart": Policy(
        minimum_common_minutes=0, share_language=False, same_boss_allowed=False, seniority_gap_minimum=-1,
        seniority_gap_maximum=4, rematch_former=True, weights=Weights(zone_distance=0.3),
    ),
    "mentees verified": Policy(mentee_credentials=("trained",), seniority_gap_minimum=1),
    "one facet": Policy(weights=Weights(skills=0, goals=0, values=0, style=0, industry=0, seniority=0, common_time=0)),
    "no weight": Policy(
        weights=Weights(
            skills=0, goals=0, interests=0, values=0, style=0, industry=0, seniority=0, common_time=0
        )
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=range(3))
def pool(request: pytest.FixtureRequest) -> Pool:
    (pool,) = drawn(request.param, 150, programs=1).pools.by_program.values()
    return pool


def with_policy(pool: Pool, name: str) -> Pool:
    pool.program = replace(pool.program, policy=POLICIES[name])
    return pool


@pytest.mark.parametrize("policy", POLICIES)
def test_the_best_mentor(pool: Pool, policy: str) -> None:
    with_policy(pool, policy)
    facts = pool.facts
    for mentee in facts.row_of.values():
        assert best_mentor(pool, mentee) == best_by_the_rules(pool, mentee)


@pytest.mark.parametrize("policy", POLICIES)
def test_why_nobody_fits(pool: Pool, policy: str) -> None:
    with_policy(pool, policy)
    facts = pool.facts
    for mentee in facts.row_of.values():
        mentors, reasons = facts.mentors(), []
        for name, rule in RULES:
            kept = mentors[rule(facts, pool.program.policy, mentors, np.array([mentee]))]
            if len(kept) < len(mentors):
                reasons.append(Reason(rule=name, removed=len(mentors) - len(kept)))
            mentors = kept
            if not len(mentors):
                break
        assert search.why_nobody(pool, mentee) == tuple(reasons)
        assert isinstance(found := search.look(pool, mentee), search.Fit) or found == tuple(reasons)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("places", [1, 3, 50])
def test_the_waiting_who_fit(pool: Pool, policy: str, places: int) -> None:
    with_policy(pool, policy)
    facts = pool.facts
    for mentor in facts.mentors().tolist():
        seen = search.prospects(pool, mentor, places)
        fitting = fitting_by_the_rules(pool, mentor)
        assert [fit.mentee for fit in seen.fits] == fitting[:places]
        assert all(fit == fit_by_the_score(pool, mentor, fit.mentee) for fit in seen.fits)
        full = {mentee for mentee in fitting[places:] if not facts.known[mentee] & RULE_BIT["capacity"]}
        assert full <= set(seen.untold)
        assert not set(seen.untold) & set(fitting[:places])


def best_by_the_rules(pool: Pool, mentee: int) -> search.Fit | None:
    facts, policy = pool.facts, pool.program.policy
    mentors = facts.free_mentors()
    for name, rule in RULES:
        if name != "minimum_score":
            mentors = mentors[rule(facts, policy, mentors, np.array([mentee]))] if len(mentors) else mentors
    fits = [fit_by_the_score(pool, int(mentor), mentee) for mentor in mentors]
    fits = [fit for fit in fits if fit.total >= policy.minimum_score * SCALE]

    def order(fit: search.Fit) -> tuple[float, ...]:
        row = fit.mentor
        load = facts.live[row] / facts.capacity[row]
        return (-fit.total, load, int(facts.free_since[row]), int(facts.id_high[row]), int(facts.id_low[row]))

    return min(fits, key=order, default=None)


def fitting_by_the_rules(pool: Pool, mentor: int) -> list[int]:
    facts, policy = pool.facts, pool.program.policy
    mentees = facts.waiting_rows()
    for name, rule in RULES:
        if name not in ("role", "capacity") and len(mentees):
            mentees = mentees[rule(facts, policy, np.array([mentor]), mentees)]

    def order(row: int) -> tuple[int, ...]:
        total = fit_by_the_score(pool, mentor, row).total
        return (int(facts.waiting_since[row]), -total, int(facts.id_high[row]), int(facts.id_low[row]))

    return sorted(mentees.tolist(), key=order)


def fit_by_the_score(pool: Pool, mentor: int, mentee: int) -> search.Fit:
    points = facet_points(pool.facts, pool.program.policy.weights, np.array([mentor]), np.array([mentee]))
    return search.Fit(mentor, mentee, tuple(points[:, 0].tolist()))


def test_a_profile_is_written_as_it_was_said(pool: Pool) -> None:
    facts = pool.facts
    for participant in pool.participants.values():
        row, said = facts.row_of[participant.participant_id], participant.profile
        bits = week_bits(said.availability, int(facts.offset[row]))
        assert facts.hours[row].tolist() == words(bits).tolist()
        for tags, each in ((facts.goals, said.goals), (facts.interests, said.interests), (facts.values, said.values)):
            assert tags.words[row].tolist() == tags.pack(each).tolist()
            assert tags.sizes[row] == len(set(map(term, each)))
        skills = facts.skills
        assert skills.wanted[row] == skills.wants[row].sum(dtype=int) == wanted_by(said.wants)
        assert skills.offered[row] == skills.offers[row].sum(dtype=int) >= wanted_by(said.offers)


def wanted_by(skills: Sequence[Skill]) -> int:
    """Levels added up; of a skill named twice the higher."""
    levels: dict[str, int] = {}
    for each in skills:
        levels[term(each.skill)] = max(each.level, levels.get(term(each.skill), 0))
    return sum(levels.values())
