"""A round as a file: what matching has stored of it, to be kept or given to somebody who wants to check it.

JSON with the claims of the round and, as base64, the bytes whose SHA-256 is the digest of its answer: MessagePack of an
array in a fixed order. They are decoded here once more, by what is written down in docs/matching and not by the
service's code. A file has ids and numbers only, no profile and no name.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final

import msgspec
import numpy as np

from mentorstream_local.round_check import Answer, Claims

FORMAT: Final = "mentorstream.round.v1"
_NUMBERS: Final = frozenset({"<i4", "<i8"})


class Unreadable(ValueError):
    """It is no file of a round. The message says what is wrong with it."""


class RoundFile(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the file. `figures` are those of `round.completed`."""

    format: Annotated[str, msgspec.Meta(max_length=40)] = FORMAT
    round_id: str
    program_id: str
    kind: str
    objective: str
    seed: int
    policy_version: int
    input_digest: str
    result_digest: str
    figures: dict[str, float]
    answer: bytes

    @classmethod
    def read(cls, data: bytes) -> RoundFile:
        """Read a file. Raises Unreadable."""
        try:
            found = msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise Unreadable(f"no file of a round: {error}") from None
        if found.format != FORMAT:
            raise Unreadable(f"format {found.format!r}; expected {FORMAT!r}")
        return found

    def written(self) -> bytes:
        """The file's bytes."""
        return msgspec.json.encode(self) + b"\n"

    def claims(self) -> Claims:
        """What the round says of itself. Raises Unreadable."""
        try:
            return Claims(
                kind=self.kind,
                objective=self.objective,
                value=self.figures["value"],
                upper_bound=self.figures["upper_bound"],
                gap=self.figures["gap"],
                blocking_pairs=int(self.figures["blocking_pairs"]),
                matched=int(self.figures["matched"]),
            )
        except KeyError as error:
            raise Unreadable(f"figures: {error} is missing") from None

    def digest_fits(self) -> bool:
        """Whether the answer is the one whose digest was published."""
        return hashlib.sha256(self.answer).hexdigest() == self.result_digest


def answer_of(data: bytes) -> Answer:
    """The answer in those bytes. Raises Unreadable."""
    try:
        fields: list[Any] = msgspec.msgpack.decode(data, type=list)
        (mentors, mentees, start, mentor, points, capacity, cost, mentor_of, price, bonus, _, floor, _, pairs, _) = (
            fields
        )
        return Answer(
            mentors=tuple(mentors),
            mentees=tuple(mentees),
            start=_numbers(start),
            mentor=_numbers(mentor),
            points=_numbers(points),
            capacity=_numbers(capacity),
            place_cost=None if cost is None else _numbers(cost),
            mentor_of=_numbers(mentor_of),
            price=_numbers(price),
            bonus=int(bonus),
            floor=None if floor is None else int(floor),
            pairs=tuple((each[0], each[1], float(each[2]), tuple(each[3].values())) for each in pairs),
        )
    except (msgspec.DecodeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise Unreadable(f"answer: not as rounds are stored ({error})") from None


def _numbers(array: tuple[str, bytes]) -> Any:
    kind, data = array
    if kind not in _NUMBERS:
        raise ValueError(f"numbers of type {kind!r}")
    return np.frombuffer(data, np.dtype(kind)).astype(np.int64)
