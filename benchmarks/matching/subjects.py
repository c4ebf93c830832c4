"""What is measured of this repository, each in a process of its own like its peers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.matching import instances
from benchmarks.matching.peers.measure import run
from matching.domain.engine import arrivals, auction, certificate, paths, retrieval, stability
from matching.domain.engine.columns import Columns, terms_of
from matching.domain.engine.market import NOBODY, Market, market
from matching.domain.rounding import EPSILON
from matching.domain.values import Policy

TERMS = terms_of(Policy(), scale=instances.SCALE)
_THREADS = 2
_NEVER = 1 << 40


def _market(case: dict[str, Any]) -> Market:
    return market(case["start"], case["mentor"], case["points"], case["capacity"])


def by_auction(case: dict[str, Any]) -> dict[str, Any]:
    """A round over given candidates, with its bound."""
    pool = _market(case)
    answer = auction.solve(pool)
    return {"mentor_of": answer.mentor_of, "proof": lambda: certificate.bound(pool, answer.price)}


def exactly(case: dict[str, Any]) -> dict[str, Any]:
    pool = _market(case)
    finer, answer = auction.solve_to_the_point(pool)
    scale = int(finer.points[0]) // int(pool.points[0])
    return {"mentor_of": answer.mentor_of, "proof": lambda: certificate.bound(finer, answer.price) // scale}


def two_sided(case: dict[str, Any]) -> Any:
    start, mentor = case["start"], case["mentor"]
    rank = stability.ranks_of_lists(start, mentor, case["mentor_start"], case["mentee"])
    return stability.stable(start, mentor, rank, case["capacity"])


def greedy(pool: Market) -> Any:
    """Best pair first, in numpy: all ask their best open candidate, each mentor takes the best who asks, and again."""
    rows, left = pool.rows(), pool.capacity.astype(np.int64)
    order = np.lexsort((pool.mentor, rows, -pool.points))
    mentor_of = np.full(pool.mentees, NOBODY)
    while len(order := order[(mentor_of[rows[order]] == NOBODY) & (left[pool.mentor[order]] > 0)]):
        _, firsts = np.unique(rows[order], return_index=True)
        asks = order[np.sort(firsts)]
        _, asked = np.unique(pool.mentor[asks], return_index=True)
        mentor_of[rows[asks[asked]]] = pool.mentor[asks[asked]]
        left[pool.mentor[asks[asked]]] -= 1
    return mentor_of


def retrieved(columns: Columns, most: int) -> tuple[Any, Any, Any]:
    edges = np.linspace(0, len(columns.mentees.person), 4 * _THREADS + 1).astype(int).tolist()
    with ThreadPoolExecutor(_THREADS) as threads:
        parts = threads.map(
            lambda part: retrieval.candidates(columns, TERMS, most, first=part[0], last=part[1]),
            pairwise(edges),
        )
        return retrieval.joined(list(parts))


def whole_round(case: dict[str, Any]) -> dict[str, Any]:
    """From profiles to a certified round, and greedy over the same candidates."""
    mentees, mentors = int(case["mentees"][0]), int(case["mentors"][0])
    columns = instances.profiles(mentees, mentors)
    begun = time.perf_counter()
    found = retrieved(columns, 32)
    retrieval_seconds = time.perf_counter() - begun
    pool = market(*found, np.full(mentors, 3, np.int32))
    begun = time.perf_counter()
    answer = auction.solve(pool, EPSILON)
    solve_seconds = time.perf_counter() - begun
    checked = certificate.verify(pool, answer)
    begun = time.perf_counter()
    simple = greedy(pool)
    greedy_seconds = time.perf_counter() - begun
    return {
        "mentor_of": answer.mentor_of,
        "seconds": retrieval_seconds + solve_seconds,
        "retrieval_seconds": retrieval_seconds,
        "solve_seconds": solve_seconds,
        "value": checked.value,
        "bound": checked.bound,
        "matched": checked.matched,
        "greedy_seconds": greedy_seconds,
        "greedy_value": certificate.value_of(pool, simple),
        "greedy_matched": int(np.count_nonzero(simple != NOBODY)),
    }


def arriving(case: dict[str, Any]) -> dict[str, Any]:
    """Mentees arrive one by one: tentatively (others may be moved) and, beside it, for good."""
    mentees, mentors, width = int(case["mentees"][0]), int(case["mentors"][0]), 32
    columns = instances.profiles(mentees, mentors)
    capacity = np.zeros(mentors, np.int32)
    capacity[np.random.default_rng(instances.SEED).permutation(mentors)[: int(mentees * 1.05)]] = 1
    others = instances.profiles(mentees, 1, seed=instances.SEED + 4).mentees  # of the round before, same mentors
    open_rows = np.flatnonzero(capacity)
    before = market(*retrieved(_among(Columns(columns.mentors, others), open_rows), width), capacity[open_rows])
    prices = auction.solve(before).price
    columns = _among(columns, open_rows)
    standing = arrivals.Standing(capacity[open_rows], width=width)
    full, final_points, final_matched = np.zeros(len(open_rows), np.bool_), 0, 0
    taken, final_taken = [], []
    for row in range(mentees):
        begun = time.thread_time()
        _, mentor, points = retrieval.candidates(columns, TERMS, width, first=row, last=row + 1)
        standing.arrive(mentor, points)
        taken.append(time.thread_time() - begun)
        begun = time.thread_time()
        asked = np.where(full, _NEVER, arrivals.faded(prices, mentees - row, mentees))
        _, mentor, points = retrieval.candidates(columns, TERMS, width, first=row, last=row + 1, price=asked)
        chosen = arrivals.choose_at_once(mentor, points, asked, (~full).astype(np.int64))
        final_taken.append(time.thread_time() - begun)
        if chosen != NOBODY:
            full[chosen] = True
            final_points += int(points[mentor == chosen][0])
            final_matched += 1
    pool = standing.market()
    offline = auction.solve(pool, 64)
    return {
        "mentor_of": standing.mentor_of,
        "seconds": float(np.sum(taken)),
        "p50_ms": float(np.quantile(taken, 0.5) * 1e3),
        "p99_ms": float(np.quantile(taken, 0.99) * 1e3),
        "value": certificate.value_of(pool, standing.mentor_of),
        "matched": int(np.count_nonzero(standing.mentor_of != NOBODY)),
        "bound": certificate.bound(pool, offline.price),
        "whole_pool_bound": certificate.bound(pool, offline.price)
        + retrieval.unbeaten(columns, TERMS, pool, offline.price),
        "final_p99_ms": float(np.quantile(final_taken, 0.99) * 1e3),
        "final_value": final_points,
        "final_matched": final_matched,
    }


def _among(columns: Columns, rows: Any) -> Columns:
    """The pool with some of its mentors."""
    kept = {
        name: np.ascontiguousarray(array[:, rows] if name in ("managers", "hours", "languages") else array[rows])
        for name, array in columns.mentors._asdict().items()
    }
    return Columns(columns.mentors._replace(**kept), columns.mentees)


def withdrawals(case: dict[str, Any]) -> dict[str, Any]:
    """One in a hundred on both sides leave a matched pool; solve from nothing, and with a bonus for what stands."""
    pool = _market(case)
    before = auction.solve(pool).mentor_of
    random = np.random.default_rng(instances.SEED + 5)
    gone_mentors = random.random(pool.mentors) < 0.01
    gone_mentees = random.random(pool.mentees) < 0.01
    capacity = np.where(gone_mentors, 0, pool.capacity).astype(np.int32)
    kept = ~gone_mentees[pool.rows()]
    start = np.concatenate([[0], np.cumsum(np.bincount(pool.rows()[kept], minlength=pool.mentees))])
    left = market(start, pool.mentor[kept], pool.points[kept], capacity)
    stands = (before != NOBODY) & ~gone_mentees & ~gone_mentors[before]
    standing = np.where(stands, before, NOBODY).astype(np.int32)
    begun = time.perf_counter()
    cold = arrivals.resettle(left, standing, 0)
    cold_seconds = time.perf_counter() - begun
    begun = time.perf_counter()
    warm = arrivals.resettle(left, standing, int(0.03 * instances.SCALE))
    seconds = time.perf_counter() - begun
    return {
        "mentor_of": warm.assignment.mentor_of,
        "seconds": seconds,
        "cold_seconds": cold_seconds,
        "value": warm.value,
        "matched": warm.assignment.matched,
        "cold_value": cold.value,
        "stood": int(stands.sum()),
        "moved": warm.moved,
        "cold_moved": cold.moved,
    }


SUBJECTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "auction": by_auction,
    "exact": exactly,
    "stable": two_sided,
    "round": whole_round,
    "arrivals": arriving,
    "withdrawals": withdrawals,
}


def _compile() -> None:
    """Run everything once on next to nothing, so that compiling is not measured."""
    tiny = market([0, 2, 4], [0, 1, 0, 1], [5, 4, 3, 1], [1, 1])
    certificate.verify(tiny, auction.solve(tiny))
    paths.exact(tiny)
    lists = np.array([0, 2, 4]), np.array([0, 1, 0, 1], np.int32)
    stability.stable(tiny.start, tiny.mentor, stability.ranks_of_lists(tiny.start, tiny.mentor, *lists), tiny.capacity)
    arrivals.Standing([1], width=1).arrive([0], [1])


def _compile_all() -> None:
    _compile()
    columns = instances.profiles(3, 3)
    retrieval.candidates(columns, TERMS, 2)


if __name__ == "__main__":
    name = sys.argv.pop(1)
    needs_profiles = name in ("round", "arrivals")
    run(SUBJECTS[name], _compile_all if needs_profiles else _compile)
