"""What people say of themselves as small codes, in the order in which each thing was met.

Nothing that is decided may depend on a code's value: rules and score only count what is equal or common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from .values import Skill
from .vocabulary import EXACT, Vocabulary

Rows: TypeAlias = npt.NDArray[np.intp]
Counts: TypeAlias = npt.NDArray[np.int64]

NOBODY: Final = -1


@lru_cache(maxsize=2_000)
def language(tag: str) -> str:
    """How languages are compared: en-GB and en-US can talk to each other."""
    return tag.split("-", 1)[0].lower()


class Codes(dict[object, int]):
    """A code for each thing met, from 0."""

    def __missing__(self, thing: object) -> int:
        code = self[thing] = len(self)
        return code


class TagCodes(dict[str, int]):
    """The code of a tag, however it is written: tags that compare equal have one code."""

    def __init__(self, compared_as: Callable[[str], str]) -> None:
        super().__init__()
        self._compared_as = compared_as
        self._codes = Codes()

    def __missing__(self, tag: str) -> int:
        code = self[tag] = self._codes[self._compared_as(tag)]
        return code

    @property
    def known(self) -> int:
        """How many codes there are."""
        return len(self._codes)

    def optional(self, tag: str | None) -> int:
        """NOBODY where there is none."""
        return NOBODY if tag is None else self[tag]


class NearCodes(dict[str, tuple[tuple[int, int], ...]]):
    """By skill, however it is written, the codes of its neighbours and by how many levels less they are offered."""

    def __init__(self, vocabulary: Vocabulary, codes: TagCodes) -> None:
        super().__init__()
        self._vocabulary, self._codes = vocabulary, codes

    def __missing__(self, tag: str) -> tuple[tuple[int, int], ...]:
        neighbours = self._vocabulary.near(self._vocabulary.skill(tag))
        near = self[tag] = tuple([(self._codes[skill], fewer) for skill, fewer in neighbours])
        return near


class TagSets:
    """A set of tags for each row, as bits. `words` and `sizes` are columns of the table."""

    def __init__(self, compared_as: Callable[[str], str], widen: Callable[[int], None]) -> None:
        self.codes = TagCodes(compared_as)
        self.code = self.codes.__getitem__
        self._widen = widen
        self.words = np.zeros((0, 1), np.uint64)
        self.sizes = np.zeros(0, np.int64)

    @property
    def known(self) -> int:
        """How many tags have a code."""
        return self.codes.known

    def pack(self, tags: Iterable[str]) -> npt.NDArray[np.uint64]:
        """A set that belongs to no row, as words like those of rows."""
        bits = 0
        for tag in tags:
            bits |= 1 << self.code(tag)
        self._widen(-(-bits.bit_length() // 64))
        return np.frombuffer(bits.to_bytes(8 * self.words.shape[1], "little"), dtype="<u8")

    def common(self, left: Rows, right: Rows) -> Counts:
        """How many tags the sets of each pair of rows share; one side may be a single row."""
        common: Counts = np.bitwise_count(self.words[left] & self.words[right]).sum(axis=1, dtype=np.int64)
        return common


class SkillLevels:
    """Offered and wanted levels, 0 to 5, for each row and skill, as bytes. All arrays are columns of the table.

    What is offered counts for near skills too, as the vocabulary says.
    """

    def __init__(self) -> None:
        self.speak(EXACT)
        self.offers = np.zeros((0, 8), np.uint8)
        self.wants = np.zeros((0, 8), np.uint8)
        self.offered = np.zeros(0, np.int64)
        self.wanted = np.zeros(0, np.int64)

    def speak(self, vocabulary: Vocabulary) -> None:
        """Take another vocabulary. Whatever was packed before has to be packed anew."""
        self.vocabulary = vocabulary
        self._codes = TagCodes(vocabulary.skill)
        self._near = NearCodes(vocabulary, self._codes)

    @property
    def known(self) -> int:
        """How many skills have a code."""
        return self._codes.known

    def numbers(self, skills: Sequence[Skill]) -> list[int]:
        """Code and level of each, one after the other."""
        codes = self._codes
        numbers: list[int] = []
        for skill in skills:
            numbers += (codes[skill.skill], skill.level)
        return numbers

    def near_numbers(self, offered: Sequence[Skill]) -> list[int]:
        """Code and level of each skill that is near to one of these; the lowest level is 1."""
        near = self._near
        numbers: list[int] = []
        if self.vocabulary is not EXACT:
            for skill in offered:
                for code, fewer in near[skill.skill]:
                    numbers += (code, max(skill.level - fewer, 1))
        return numbers

    def levels(self, rows: Rows) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """What those rows offer and what they want, by skill."""
        return self.offers[rows], self.wants[rows]

    def covered(self, mentors: Rows, mentees: Rows) -> Counts:
        """For each pair the sum, over the skills wanted, of the lower of wanted and offered level."""
        covered: Counts = np.minimum(self.offers[mentors], self.wants[mentees]).sum(axis=1, dtype=np.int64)
        return covered
