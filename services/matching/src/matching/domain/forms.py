"""Rounds that make something else than pairs of two: circles with a least size, and partners who mentor each other.

What they give is what a round gives, certified by the same checker: a market, an assignment in it and prices that bound
it. Of circles the prices are those without least sizes, so the bound holds for them all the more. Of partners each pair
stands in the market twice, once for each of them, with half of its points.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from msgspec import structs

from . import peers
from .codes import Rows
from .engine import columns, groups, retrieval, rounds
from .engine.market import NOBODY, Assignment, Ints, Market, Places
from .facts import Facts
from .pool import Pool
from .score import SCALE
from .values import Policy


def circle_places(facts: Facts, policy: Policy, mentors: Rows) -> tuple[Places, Places]:
    """By mentor: how many mentees a round may give them, and how few. Who leads a circle may get a single one more."""
    live = facts.live[mentors]
    places = np.minimum(facts.free[mentors], policy.circle_maximum - live)
    return np.maximum(places, 0).astype(np.int32), np.where(live > 0, 1, policy.circle_minimum).astype(np.int32)


def circles(market: Market, least: Places, *, epsilon: int) -> rounds.Round:
    """Match so that every mentor has nobody or at least `least[j]` mentees more. Raises Faulty."""
    answer = groups.circles(market, least, epsilon=epsilon)
    assignment = Assignment(answer.assignment.mentor_of, answer.price, epsilon=answer.assignment.epsilon)
    return rounds.certified(market, assignment, market)


def partners(market: Market, *, epsilon: int) -> rounds.Round:
    """Pair the people of a market in which each pair stands twice (see `peer_market`). Raises Faulty."""
    answer = groups.peers(market.start, market.mentor, market.points, epsilon=epsilon)
    return rounds.certified(market, Assignment(answer.partner, answer.price, epsilon=epsilon), market)


def peer_market(pool: Pool, people: Rows, tie: np.uint64, most: int) -> Market:
    """Everybody with those who fit them best, either way round: at most `most` of each, and whoever has them.

    `tie` is mixed into how people of equal points are ordered.
    """
    # The minimum is of both ways together.
    facts, policy = pool.facts, structs.replace(pool.program.policy, minimum_score=0.0)
    shown = columns.columns_of(facts, policy, people, people)
    shown = replace(shown, mentors=shown.mentors._replace(tie=shown.mentors.tie ^ tie))
    start, other, _ = retrieval.candidates(shown, columns.terms_of(policy, scale=SCALE), most)
    one = np.repeat(np.arange(len(people)), np.diff(start))
    pairs = np.unique(np.stack((np.minimum(one, other), np.maximum(one, other)), axis=1), axis=0)
    firsts, seconds, points = [], [], []
    for first in np.unique(pairs[:, 0]).tolist():
        among = pairs[pairs[:, 0] == first, 1]
        fits, worth = peers.points_of(pool, int(people[first]), people[among])
        firsts += [first] * len(fits)
        seconds += among[fits].tolist()
        points += (worth // 2).tolist()
    left, right, half = (np.array(each, np.int64) for each in (firsts, seconds, points))
    rows, others, worths = np.concatenate((left, right)), np.concatenate((right, left)), np.concatenate((half, half))
    order = np.lexsort((others, -worths, rows))
    begin = np.zeros(len(people) + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=len(people)), out=begin[1:])
    return Market(begin, others[order].astype(np.int32), worths[order].astype(np.int32), np.ones(len(people), np.int32))


def told_once(partner: Places) -> Ints:
    """Of each pair the one of whom it is told: people are in the order in which they joined, and the later one asks."""
    places = np.arange(len(partner))
    return np.flatnonzero((partner != NOBODY) & (partner < places))
