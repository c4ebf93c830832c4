"""Cases from a fixed seed, as directories of arrays that every subject reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from matching.domain.engine.columns import Columns, Mentees, Mentors, as_runs

SCALE = 1 << 20
SEED = 20_260_302


def sparse(path: Path, mentees: int, each: int, *, places: int, mentors: int, rounded: bool = False) -> None:
    """Mentees with random candidates. A score is how alike two people are in eight traits, how good the mentor is, and
    chance.

    `rounded`: to 0.05, as where scores come from a few check boxes.
    """
    random = np.random.default_rng(SEED)
    mentor = np.empty((mentees, each), np.int32)
    for i in range(mentees):
        some = np.unique(random.integers(0, mentors, 2 * each))
        mentor[i] = np.sort(random.permutation(some)[:each])
    ours, theirs = (_directions(random, count) for count in (mentees, mentors))
    good = 0.1 * random.standard_normal(mentors)
    points = np.empty((mentees, each), np.int32)
    for low in range(0, mentees, 10_000):
        part = slice(low, low + 10_000)
        alike = np.einsum("id,ikd->ik", ours[part], theirs[mentor[part]])
        scores = 0.5 + 0.25 * alike + good[mentor[part]] + 0.02 * random.standard_normal(alike.shape)
        scores = np.clip(scores, 0.05, 1)
        points[part] = np.rint((np.round(scores / 0.05) * 0.05 if rounded else scores) * SCALE)
    save(path, start=np.arange(0, mentees * each + 1, each), mentor=mentor.ravel(), points=points.ravel(),
         capacity=np.full(mentors, places, np.int32))  # fmt: skip


def two_sided(path: Path, mentees: int, each: int, *, places: int, mentors: int) -> None:
    """Strict lists on both sides, each in random order but with mentors who are popular with all."""
    random = np.random.default_rng(SEED + 1)
    popular = random.random(mentors)
    rows = []
    for _ in range(mentees):
        some = random.permutation(np.unique(random.integers(0, mentors, 2 * each)))[:each]
        rows.append(some[np.argsort(popular[some] + random.random(len(some)))])
    mentor = np.concatenate(rows).astype(np.int32)
    owner = np.repeat(np.arange(mentees), each)
    turned = np.lexsort((random.random(len(mentor)), mentor))
    mentor_start = np.concatenate([[0], np.cumsum(np.bincount(mentor, minlength=mentors))])
    save(path, start=np.arange(0, mentees * each + 1, each), mentor=mentor, mentor_start=mentor_start,
         mentee=owner[turned].astype(np.int32), capacity=np.full(mentors, places, np.int32))  # fmt: skip


def survey(path: Path, people: int) -> None:
    """Everybody with everybody, few whole points: 4 for the profession, up to 3 for grades, up to 6 for interests."""
    random = np.random.default_rng(SEED + 2)
    profession, grade = random.integers(0, 9, (2, people)), random.integers(0, 8, (2, people))
    points = 4 * (profession[0][:, None] == profession[1]) + np.maximum(0, 3 - abs(grade[0][:, None] - grade[1]))
    points = points + random.integers(0, 7, (people, people)) + 1
    everybody = np.tile(np.arange(people, dtype=np.int32), people)
    save(path, start=np.arange(0, people * people + 1, people), mentor=everybody,
         points=points.astype(np.int32).ravel(), capacity=np.ones(people, np.int32))  # fmt: skip


def profiles(mentees: int, mentors: int, seed: int = SEED + 3) -> Columns:
    """People as columns of facts: skills and tags of which a few are common, four evenings, a dozen employers."""
    random = np.random.default_rng(seed)
    ours, theirs = _people(random, mentors, 0), _people(random, mentees, mentors)
    turned = {name: np.ascontiguousarray(ours[name].T) for name in ("managers", "hours", "languages")}
    skills = {"offers": ours.pop("skills"), "offered": ours.pop("skill_sum")}
    wants = {"wants": theirs.pop("skills"), "wanted": theirs.pop("skill_sum")}
    none = np.zeros(0, np.int64)
    return Columns(
        Mentors(**{"allowed": np.ones(mentors, np.bool_), **ours, **turned, **skills}),
        Mentees(
            **{
                "allowed": np.ones(mentees, np.bool_),
                **theirs,
                **wants,
                "barred_start": np.zeros(mentees + 1, np.int64),
                "barred": none,
            }
        ),
    )


def save(path: Path, **arrays: npt.NDArray[Any]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)


def _directions(random: np.random.Generator, count: int) -> npt.NDArray[np.float32]:
    traits = random.standard_normal((count, 8)).astype(np.float32)
    lengths = np.linalg.norm(traits, axis=1).astype(np.float32)
    directions: npt.NDArray[np.float32] = traits / lengths[:, None]
    return directions


def _people(random: np.random.Generator, count: int, first_person: int) -> dict[str, Any]:
    rows = np.arange(count)
    hours = np.zeros((count, 704), np.bool_)
    for _ in range(4):
        begin = random.integers(0, 5, count) * 96 + random.integers(28, 76, count)
        for slot in range(8):
            hours[rows, begin + slot] = True
    levels = np.zeros((count, 100), np.uint8)
    for _ in range(5):
        levels[rows, np.minimum(random.geometric(0.04, count) - 1, 99)] = random.integers(1, 6, count)
    languages = np.zeros((count, 64), np.bool_)
    for _ in range(2):
        languages[rows, np.minimum(random.geometric(0.35, count) - 1, 20)] = True
    tags = {}
    for name, width, most in (("goals", 64, 2), ("interests", 128, 4), ("values", 64, 2)):
        chosen = np.zeros((count, width), np.bool_)
        for _ in range(most):
            chosen[rows, np.minimum(random.geometric(0.08, count) - 1, width - 1)] = True
        tags[name] = _words(chosen)
        tags[f"{name[:-1]}_count"] = chosen.sum(axis=1).astype(np.int64)
    return {
        "person": rows + first_person,
        "organisation": random.integers(0, 12, count),
        "seniority": random.integers(0, 11, count),
        "offset": np.zeros(count, np.int64),
        "style": random.integers(-1, 4, count),
        "industry": random.integers(-1, 10, count),
        "managers": random.integers(0, 1 << 40, (count, 10)),
        "hours": _words(hours),
        "languages": _words(languages),
        "skills": as_runs(levels),
        "skill_sum": levels.sum(axis=1).astype(np.int64),
        "tie": random.integers(0, 1 << 62, count).astype(np.uint64),
        **tags,
    }


def _words(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    return np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64, copy=False)
