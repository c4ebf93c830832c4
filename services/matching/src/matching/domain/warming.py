"""Compile, or load from the cache, whatever decisions and rounds call: before the first event, not in it.

Compiling holds everything else in the process up for seconds, in whichever thread it is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, get_args
from uuid import UUID

from . import kernel
from .pool import Pool
from .rounding import snapshot_of, solve
from .step import NEXT_ROUND, Step
from .values import Hours, Objective, Participant, Policy, Program, Role, Skill, Terms

_THEN: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Unknown:
    """A profile of which nothing is known."""

    zone: str = "UTC"
    languages: tuple[str, ...] = ("en",)
    availability: tuple[Hours, ...] = ()
    offers: tuple[Skill, ...] = ()
    wants: tuple[Skill, ...] = ()
    goals: tuple[str, ...] = ()
    interests: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    style: str | None = None
    industry: str | None = None
    seniority: int = 0


def compile_now() -> None:
    """Decide once, and run a round of two for each objective."""
    kernel.compile_now()
    for objective in get_args(Objective):
        policy = Policy(matching="rounds", objective=objective, minimum_common_minutes=0)
        pool = Pool(_program(policy), _THEN)
        pool.put_participant(_participant(1, ("mentor",)))
        pool.put_participant(_participant(2, ("mentee",)))
        Step(pool, lambda mentor_id, _: mentor_id).wait(UUID(int=2), _THEN, NEXT_ROUND)
        solve(snapshot_of(pool, 0))


def _program(policy: Policy) -> Program:
    nobody = UUID(int=0)
    return Program(
        program_id=nobody,
        organisation_id=nobody,
        organisations=(nobody,),
        title="",
        kind="formal",
        policy=policy,
        terms=Terms(),
    )


def _participant(number: int, roles: tuple[Role, ...]) -> Participant:
    return Participant(
        participant_id=UUID(int=number),
        person_id=UUID(int=number),
        organisation_id=UUID(int=0),
        roles=roles,
        capacity=1 if "mentor" in roles else 0,
        profile=_Unknown(),
        joined_at=_THEN,
    )
