"""Inputs and answers of rounds as bytes: the same value gives the same bytes, whose SHA-256 is its digest.

MessagePack of arrays in a fixed order; number arrays as their little-endian bytes behind their type. What is stored is
compressed; digests are of what is not. Knows neither the database nor how a round is solved.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar, cast
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt

from matching.domain.engine.market import Assignment, Market
from matching.domain.rounding import Seeker, Snapshot, Solution, SolvedPair
from matching.domain.values import Figures, OwnVocabulary, Participant, Policy, Program, Reason, Role, Terms
from mentorstream_events.values import Profile

T = TypeVar("T")
_QUICK: Final = 1  # profiles are repetitive: higher levels take three times as long for a tenth less
_PACK: Final = msgspec.msgpack.Encoder()


class Packed(NamedTuple):
    """Compressed bytes, and the digest of what they hold."""

    data: bytes
    digest: str


class _Person(msgspec.Struct, frozen=True, array_like=True):
    participant_id: UUID
    person_id: UUID
    organisation_id: UUID
    roles: tuple[Role, ...]
    capacity: int
    profile: Profile
    managers: tuple[UUID, ...]
    blocks: tuple[UUID, ...]
    credentials: tuple[str, ...]
    joined_at: datetime


class _Program(msgspec.Struct, frozen=True, array_like=True):
    program_id: UUID
    organisation_id: UUID
    organisations: tuple[UUID, ...]
    title: str
    kind: str
    policy: Policy
    terms: Terms


class _Seeker(msgspec.Struct, frozen=True, array_like=True):
    participant_id: UUID
    since: datetime
    mentored: bool
    proposed_to: UUID | None


class _Input(msgspec.Struct, frozen=True, array_like=True):
    program: _Program
    now: datetime
    seed: int
    people: tuple[_Person, ...]
    seekers: tuple[_Seeker, ...]
    taken: tuple[tuple[UUID, int], ...]
    former: tuple[tuple[UUID, UUID], ...]
    own_vocabulary: OwnVocabulary


class _Array(msgspec.Struct, frozen=True, array_like=True):
    type: str
    data: bytes


class _Pair(msgspec.Struct, frozen=True, array_like=True):
    mentor_id: UUID
    mentee_id: UUID
    score: float
    facets: dict[str, float]
    next_mentor_id: UUID | None
    ahead_of_next: float
    next_mentee_id: UUID | None
    short_of_place: float


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    mentors: tuple[UUID, ...]
    mentees: tuple[UUID, ...]
    start: _Array
    mentor: _Array
    points: _Array
    capacity: _Array
    place_cost: _Array | None
    mentor_of: _Array
    price: _Array
    bonus: int
    epsilon: int
    floor: int | None
    figures: Figures
    pairs: tuple[_Pair, ...]
    left_over: tuple[tuple[UUID, tuple[Reason, ...]], ...]


_INPUT: Final = msgspec.msgpack.Decoder(_Input)
_ANSWER: Final = msgspec.msgpack.Decoder(_Answer)


def pack_input(snapshot: Snapshot) -> Packed:
    """What a round is solved from."""
    return _packed(
        _Input(
            program=_alike(_Program, snapshot.program),
            now=snapshot.now,
            seed=snapshot.seed,
            people=tuple(_alike(_Person, each) for each in snapshot.people),
            seekers=tuple(_alike(_Seeker, each) for each in snapshot.seekers),
            taken=snapshot.taken,
            former=snapshot.former,
            own_vocabulary=snapshot.own_vocabulary,
        )
    )


def unpack_input(data: bytes) -> Snapshot:
    """The value again. Raises ValueError for what is none."""
    found = _INPUT.decode(zlib.decompress(data))
    return Snapshot(
        program=_back(Program, found.program),
        now=found.now,
        seed=found.seed,
        people=tuple(_back(Participant, each) for each in found.people),
        seekers=tuple(_back(Seeker, each) for each in found.seekers),
        taken=found.taken,
        former=found.former,
        own_vocabulary=found.own_vocabulary,
    )


def pack_answer(solution: Solution) -> Packed:
    """What was found."""
    market, assignment = solution.market, solution.assignment
    return _packed(
        _Answer(
            mentors=solution.mentors,
            mentees=solution.mentees,
            start=_array(market.start),
            mentor=_array(market.mentor),
            points=_array(market.points),
            capacity=_array(market.capacity),
            place_cost=None if market.place_cost is None else _array(market.place_cost),
            mentor_of=_array(assignment.mentor_of),
            price=_array(assignment.price),
            bonus=assignment.bonus,
            epsilon=assignment.epsilon,
            floor=solution.floor,
            figures=solution.figures,
            pairs=tuple(_alike(_Pair, each) for each in solution.pairs),
            left_over=solution.left_over,
        )
    )


def unpack_answer(data: bytes) -> Solution:
    """The value again. Raises ValueError for what is none."""
    found = _ANSWER.decode(zlib.decompress(data))
    return Solution(
        mentors=found.mentors,
        mentees=found.mentees,
        market=Market(
            _numbers(found.start),
            _numbers(found.mentor),
            _numbers(found.points),
            _numbers(found.capacity),
            None if found.place_cost is None else _numbers(found.place_cost),
        ),
        assignment=Assignment(_numbers(found.mentor_of), _numbers(found.price), found.bonus, found.epsilon),
        floor=found.floor,
        figures=found.figures,
        pairs=tuple(_back(SolvedPair, each) for each in found.pairs),
        left_over=found.left_over,
    )


def _packed(value: msgspec.Struct) -> Packed:
    plain = _PACK.encode(value)
    return Packed(zlib.compress(plain, _QUICK), hashlib.sha256(plain).hexdigest())


def _alike(shape: Callable[..., T], value: object) -> T:
    """The struct with the value's fields, in the struct's order."""
    fields = cast("Any", shape).__struct_fields__
    return shape(*[getattr(value, name) for name in fields])


def _back(kind: Callable[..., T], value: msgspec.Struct) -> T:
    return kind(**{name: getattr(value, name) for name in value.__struct_fields__})


def _array(numbers: npt.NDArray[Any]) -> _Array:
    little = numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)
    return _Array(little.dtype.str, little.tobytes())


def _numbers(array: _Array) -> npt.NDArray[Any]:
    found = np.frombuffer(array.data, np.dtype(array.type))
    return found.astype(found.dtype.newbyteorder("="), copy=True)
