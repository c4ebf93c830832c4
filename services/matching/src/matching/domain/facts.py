"""What rules and score look at, as arrays: one row for each participant, one column for each fact.

A new mentee is held against all free mentors in a few array operations instead of a loop. Tags, languages and persons
become small codes in the order in which they were met, so nothing that is decided may depend on a code's value: rules
and score only count what is equal or common. Knows nothing of matches but how many places they leave.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from . import availability
from .values import Participant, Skill

Rows: TypeAlias = npt.NDArray[np.intp]
Mask: TypeAlias = npt.NDArray[np.bool_]
Counts: TypeAlias = npt.NDArray[np.int64]

MANAGERS: Final = 10
NOBODY: Final = -1
_FIRST_ROWS: Final = 64
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (instant - _EPOCH) // _MICROSECOND


def term(text: str) -> str:
    """How tags are compared: without regard to case and outer blanks."""
    return text.strip().casefold()


def language(tag: str) -> str:
    """How languages are compared: en-GB and en-US can talk to each other."""
    return tag.split("-", 1)[0].lower()


def _grown(array: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    larger = np.zeros(shape, array.dtype)
    larger[tuple(slice(size) for size in array.shape)] = array
    return larger


class Codes:
    """A code for each thing met, from 0."""

    def __init__(self) -> None:
        self._codes: dict[object, int] = {}

    def __getitem__(self, thing: object) -> int:
        return self._codes.setdefault(thing, len(self._codes))

    def optional(self, text: str | None) -> int:
        """The code of a tag; NOBODY where there is none."""
        return NOBODY if text is None else self[term(text)]


class TagSets:
    """A set of tags for each row, as bits."""

    def __init__(self) -> None:
        self._codes = Codes()
        self.words = np.zeros((_FIRST_ROWS, 1), np.uint64)
        self.sizes = np.zeros(_FIRST_ROWS, np.int64)

    def grow(self, rows: int) -> None:
        self.words = _grown(self.words, (rows, self.words.shape[1]))
        self.sizes = _grown(self.sizes, (rows,))

    def put(self, row: int, tags: Iterable[str]) -> None:
        """Replace the row's set."""
        codes = {self._codes[tag] for tag in tags}
        packed = self._pack(codes)
        self.words[row] = packed
        self.sizes[row] = len(codes)

    def pack(self, tags: Iterable[str]) -> npt.NDArray[np.uint64]:
        """A set that belongs to no row, as one row of words."""
        return self._pack({self._codes[tag] for tag in tags})

    def common(self, left: Rows, right: Rows) -> Counts:
        """How many tags the sets of each pair of rows share; one side may be a single row."""
        common: Counts = np.bitwise_count(self.words[left] & self.words[right]).sum(axis=1, dtype=np.int64)
        return common

    def _pack(self, codes: set[int]) -> npt.NDArray[np.uint64]:
        bits = sum(1 << code for code in codes)
        width = self.words.shape[1]
        needed = -(-bits.bit_length() // 64)
        if needed > width:
            width = max(needed, 2 * width)
            self.words = _grown(self.words, (len(self.words), width))
        return np.frombuffer(bits.to_bytes(width * 8, "little"), dtype="<u8")


class SkillLevels:
    """Offered and wanted levels, 0 to 5, for each row and skill."""

    def __init__(self) -> None:
        self._codes = Codes()
        self._offers = np.zeros((_FIRST_ROWS, 32), np.uint8)
        self._wants = np.zeros((_FIRST_ROWS, 32), np.uint8)
        self.offered = np.zeros(_FIRST_ROWS, np.int64)
        self.wanted = np.zeros(_FIRST_ROWS, np.int64)

    def grow(self, rows: int) -> None:
        width = self._offers.shape[1]
        self._offers, self._wants = _grown(self._offers, (rows, width)), _grown(self._wants, (rows, width))
        self.offered, self.wanted = _grown(self.offered, (rows,)), _grown(self.wanted, (rows,))

    def put(self, row: int, offers: Iterable[Skill], wants: Iterable[Skill]) -> None:
        """Replace the row's levels. Of a skill named twice the higher level counts."""
        offered, wanted = self._coded(offers), self._coded(wants)
        highest = max((*offered, *wanted), default=0)
        if highest >= self._offers.shape[1]:
            width = max(highest + 1, 2 * self._offers.shape[1])
            self._offers = _grown(self._offers, (len(self._offers), width))
            self._wants = _grown(self._wants, (len(self._wants), width))
        for matrix, levels in ((self._offers, offered), (self._wants, wanted)):
            matrix[row] = 0
            for code, level in levels.items():
                matrix[row, code] = level
        self.offered[row] = sum(offered.values())
        self.wanted[row] = sum(wanted.values())

    def covered(self, mentors: Rows, mentees: Rows) -> Counts:
        """For each pair the sum, over the skills wanted, of the lower of wanted and offered level."""
        if len(mentees) == 1:
            wants = self._wants[mentees[0]]
            columns = np.flatnonzero(wants)
            lower = np.minimum(self._offers[mentors[:, None], columns], wants[columns])
        elif len(mentors) == 1:
            offers = self._offers[mentors[0]]
            columns = np.flatnonzero(offers)
            lower = np.minimum(self._wants[mentees[:, None], columns], offers[columns])
        else:
            lower = np.minimum(self._offers[mentors], self._wants[mentees])
        covered: Counts = lower.sum(axis=1, dtype=np.int64)
        return covered

    def levels(self, rows: Rows) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """What those rows offer and what they want, by skill."""
        return self._offers[rows], self._wants[rows]

    def _coded(self, skills: Iterable[Skill]) -> dict[int, int]:
        levels: dict[int, int] = {}
        for skill in skills:
            code = self._codes[term(skill.skill)]
            levels[code] = max(skill.level, levels.get(code, 0))
        return levels


class Facts:
    """Everybody's facts. A row is given back when its participant leaves."""

    _COLUMNS: Final = (
        "mentor", "free", "capacity", "live", "free_since", "waiting", "waiting_since", "known", "id_high", "id_low",
        "person", "organisation", "style", "industry", "seniority", "managers", "hours",
    )  # fmt: skip

    def __init__(self) -> None:
        self.row_of: dict[UUID, int] = {}
        self.ids: list[UUID | None] = []
        self._given_back: list[int] = []
        self.mentor = np.zeros(_FIRST_ROWS, np.bool_)
        self.capacity = np.zeros(_FIRST_ROWS, np.int64)
        self.live = np.zeros(_FIRST_ROWS, np.int64)
        self.free = np.zeros(_FIRST_ROWS, np.int64)  # places left; 0 for who is no mentor
        self.free_since = np.zeros(_FIRST_ROWS, np.int64)
        self.waiting = np.zeros(_FIRST_ROWS, np.bool_)
        self.waiting_since = np.zeros(_FIRST_ROWS, np.int64)
        self.known = np.zeros(_FIRST_ROWS, np.int64)  # bits of the rules that a waiting mentee was told of
        self.id_high = np.zeros(_FIRST_ROWS, np.uint64)
        self.id_low = np.zeros(_FIRST_ROWS, np.uint64)
        self.person = np.zeros(_FIRST_ROWS, np.int64)
        self.organisation = np.zeros(_FIRST_ROWS, np.int64)
        self.style = np.zeros(_FIRST_ROWS, np.int64)
        self.industry = np.zeros(_FIRST_ROWS, np.int64)
        self.seniority = np.zeros(_FIRST_ROWS, np.int64)
        self.managers = np.zeros((_FIRST_ROWS, MANAGERS), np.int64)
        self.hours = np.zeros((_FIRST_ROWS, availability.WORDS), np.uint64)
        self.languages, self.credentials = TagSets(), TagSets()
        self.goals, self.interests, self.values = TagSets(), TagSets(), TagSets()
        self.skills = SkillLevels()
        self.persons, self._organisations, self._styles, self._industries = Codes(), Codes(), Codes(), Codes()
        self._blocks: dict[int, frozenset[int]] = {}  # row: persons that its participant blocks
        self._blocked_by: dict[int, set[int]] = {}  # person: rows that block them
        self._paired: dict[int, set[int]] = {}  # person: persons they were ever matched with

    def put(self, participant: Participant, bits: int) -> int:
        """Add a participant or replace what is known of them; `bits` are their hours. Returns their row."""
        row = self.row_of.get(participant.participant_id)
        if row is None:
            row = self._take_row(participant.participant_id)
        profile, persons = participant.profile, self.persons
        self.mentor[row] = participant.is_mentor
        self.capacity[row] = participant.capacity if participant.is_mentor else 0
        self.free[row] = max(0, self.capacity[row] - self.live[row])
        self.person[row] = persons[participant.person_id]
        self.organisation[row] = self._organisations[participant.organisation_id]
        self.style[row] = self._styles.optional(profile.style)
        self.industry[row] = self._industries.optional(profile.industry)
        self.seniority[row] = profile.seniority
        self.languages.put(row, map(language, profile.languages))
        self.credentials.put(row, map(term, participant.credentials))
        self.goals.put(row, map(term, profile.goals))
        self.interests.put(row, map(term, profile.interests))
        self.values.put(row, map(term, profile.values))
        self.skills.put(row, profile.offers, profile.wants)
        self.put_hours(row, bits)
        self.put_managers(row, participant.managers)
        self._put_blocks(row, frozenset(persons[person] for person in participant.blocks))
        return row

    def put_hours(self, row: int, bits: int) -> None:
        """Replace a row's hours."""
        self.hours[row] = availability.words(bits)

    def put_managers(self, row: int, managers: tuple[UUID, ...]) -> None:
        """Replace a row's managers, nearest first."""
        codes = [self.persons[person] for person in managers[:MANAGERS]]
        self.managers[row] = codes + [NOBODY] * (MANAGERS - len(codes))

    def drop(self, participant_id: UUID) -> None:
        """Forget a participant who left. That they were paired stays known."""
        row = self.row_of.pop(participant_id)
        self._put_blocks(row, frozenset())
        self.mentor[row] = self.waiting[row] = False
        self.live[row] = self.free[row] = 0
        self.ids[row] = None
        self._given_back.append(row)

    def add_live(self, row: int, change: int, since: datetime) -> None:
        """A place of the mentor was taken (+1) or given back (-1)."""
        self.live[row] += change
        self.free[row] = max(0, self.capacity[row] - self.live[row])
        self.touch(row, since)

    def touch(self, row: int, since: datetime) -> None:
        """The last time something began or ended for the mentor: who was left alone longest goes first in a tie."""
        self.free_since[row] = max(self.free_since[row], microseconds(since))

    def put_waiting(self, row: int, since: datetime | None, known: int = 0) -> None:
        """The row waits since then, knowing those rules (bits); None: it does not wait."""
        self.waiting[row] = since is not None
        self.waiting_since[row] = 0 if since is None else microseconds(since)
        self.known[row] = known

    def pair(self, one: UUID, other: UUID) -> None:
        """Two persons were matched; they never are again."""
        first, second = self.persons[one], self.persons[other]
        self._paired.setdefault(first, set()).add(second)
        self._paired.setdefault(second, set()).add(first)

    def paired_with(self, row: int) -> set[int]:
        """Codes of the persons that the row's person was ever matched with."""
        return self._paired.get(int(self.person[row]), set())

    def blocked_with(self, row: int) -> set[int]:
        """Codes of the persons that the row's person blocks or is blocked by."""
        blockers = self._blocked_by.get(int(self.person[row]), ())
        return {*self._blocks.get(row, ()), *(int(self.person[blocker]) for blocker in blockers)}

    def common_minutes(self, left: Rows, right: Rows) -> Counts:
        """Minutes of the week that each pair of rows shares; one side may be a single row."""
        slots: Counts = np.bitwise_count(self.hours[left] & self.hours[right]).sum(axis=1, dtype=np.int64)
        return slots * availability.SLOT_MINUTES

    def mentors(self) -> Rows:
        """Rows of all mentors."""
        return np.flatnonzero(self.mentor)

    def free_mentors(self) -> Rows:
        """Rows of mentors with a place left."""
        return np.flatnonzero(self.free)

    def waiting_rows(self) -> Rows:
        """Rows of waiting mentees, in no order that means anything."""
        return np.flatnonzero(self.waiting)

    def id_at(self, row: int) -> UUID:
        """Whose row it is. Raises LookupError for a row that was given back."""
        participant_id = self.ids[row]
        if participant_id is None:
            raise LookupError(f"row {row} is nobody's")
        return participant_id

    def _put_blocks(self, row: int, blocked: frozenset[int]) -> None:
        for person in self._blocks.pop(row, frozenset()):
            self._blocked_by[person].discard(row)
        if blocked:
            self._blocks[row] = blocked
            for person in blocked:
                self._blocked_by.setdefault(person, set()).add(row)

    def _take_row(self, participant_id: UUID) -> int:
        if self._given_back:
            row = self._given_back.pop()
            self.ids[row] = participant_id
            self.free_since[row] = 0
        else:
            row = len(self.ids)
            if row == len(self.mentor):
                self._grow(2 * row)
            self.ids.append(participant_id)
        self.row_of[participant_id] = row
        self.id_high[row] = participant_id.int >> 64
        self.id_low[row] = participant_id.int & 0xFFFF_FFFF_FFFF_FFFF
        return row

    def _grow(self, rows: int) -> None:
        for name in self._COLUMNS:
            column = getattr(self, name)
            setattr(self, name, _grown(column, (rows, *column.shape[1:])))
        for tags in (self.languages, self.credentials, self.goals, self.interests, self.values):
            tags.grow(rows)
        self.skills.grow(rows)
