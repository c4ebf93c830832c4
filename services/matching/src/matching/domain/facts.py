"""What rules and score look at, as one table: a row for each participant, a column for each fact.

The table is one block of 64-bit integers, so that the compiled search (see `kernel`) is handed one array and a person
lies in a few cache lines; rules and score see columns of it. Tags, languages and persons become small codes in the
order in which they were met, so nothing that is decided may depend on a code's value: rules and score only count what
is equal or common. Knows nothing of matches but how many places they leave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from operator import gt
from struct import Struct
from typing import Final, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from . import availability, kernel
from .values import Participant, Skill
from .vocabulary import EXACT, Vocabulary, term

Rows: TypeAlias = npt.NDArray[np.intp]
Mask: TypeAlias = npt.NDArray[np.bool_]
Counts: TypeAlias = npt.NDArray[np.int64]

MANAGERS: Final = kernel.MANAGERS_WIDTH
NOBODY: Final = -1
# Two persons who were ever matched may meet again where former pairs may, not while they are matched, or never.
MET, MATCHED, APART = range(3)
_NO_MANAGERS: Final = (NOBODY,) * MANAGERS
_FIRST_ROWS: Final = 32
_FIRST_WIDTHS: Final = (1, 1, 1, 1, 1, 4, 4)  # words for each set of tags, then for levels offered and wanted
_LOW_WORD: Final = 0xFFFF_FFFF_FFFF_FFFF
_FROM_ABOVE: Final = (0, *range(10, 0, -1))  # of seniorities 1 to 10; what is not known stays so
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (instant - _EPOCH) // _MICROSECOND


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
        self._codes = TagCodes(compared_as)
        self._widen = widen
        self.words = np.zeros((0, 1), np.uint64)
        self.sizes = np.zeros(0, np.int64)

    def bits(self, tags: Iterable[str]) -> int:
        """A set as one integer, however wide."""
        codes, bits = self._codes, 0
        for tag in tags:
            bits |= 1 << codes[tag]
        return bits

    def pack(self, tags: Iterable[str]) -> npt.NDArray[np.uint64]:
        """A set that belongs to no row, as words like those of rows."""
        bits = self.bits(tags)
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

    def wanted_levels(self, skills: Sequence[Skill], width: int) -> bytearray:
        """Levels by the skills' codes, `width` of them or as many as it needs. Of a skill named twice the higher."""
        codes, levels = self._codes, bytearray(width)
        for skill in skills:
            code, level = codes[skill.skill], skill.level
            if code >= len(levels):
                levels.extend(bytes(code + 1 - len(levels)))
            levels[code] = max(level, levels[code])
        return levels

    def offered_levels(self, skills: Sequence[Skill], width: int) -> bytearray:
        """The same for what is offered, and for what is near to it where that is not offered itself."""
        levels = self.wanted_levels(skills, width)
        if not skills or self.vocabulary is EXACT:
            return levels
        said, known = bytes(levels), len(levels)
        for skill in skills:
            for code, fewer in self._near[skill.skill]:
                if code < known and said[code]:
                    continue
                if code >= len(levels):
                    levels.extend(bytes(code + 1 - len(levels)))
                levels[code] = max(skill.level - fewer, levels[code], 1)
        return levels

    def levels(self, rows: Rows) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """What those rows offer and what they want, by skill."""
        return self.offers[rows], self.wants[rows]

    def covered(self, mentors: Rows, mentees: Rows) -> Counts:
        """For each pair the sum, over the skills wanted, of the lower of wanted and offered level."""
        covered: Counts = np.minimum(self.offers[mentors], self.wants[mentees]).sum(axis=1, dtype=np.int64)
        return covered


class RowList:
    """Rows in no order, as an array that the compiled search reads: the first `count` of `rows`."""

    def __init__(self) -> None:
        self.rows = np.zeros(_FIRST_ROWS, np.int64)
        self.count = 0
        self._cells = self.rows.data
        self._place_of: dict[int, int] = {}

    def put(self, row: int, *, there: bool) -> None:
        """Have the row in the list, or have it not."""
        place = self._place_of.get(row)
        if there == (place is not None):
            return
        if place is None:
            if self.count == len(self.rows):
                self.rows = np.concatenate((self.rows, np.zeros_like(self.rows)))
                self._cells = self.rows.data
            self._cells[self.count] = row
            self._place_of[row] = self.count
            self.count += 1
        else:
            self.count -= 1
            last = self._cells[self.count]
            self._cells[place] = last
            self._place_of[last] = place
            del self._place_of[row]

    def __contains__(self, row: int) -> bool:
        return row in self._place_of

    def sorted(self) -> Rows:
        """The rows, ascending."""
        return np.sort(self.rows[: self.count])


class Facts:
    """Everybody's facts. A row is given back when its participant leaves.

    In a `reverse` program seniority is counted from the top: then all that looks at how far a mentor is above a mentee
    sees how far they are below.
    """

    def __init__(self, *, reverse: bool = False) -> None:
        self.reverse = reverse
        self.row_of: dict[UUID, int] = {}
        self.ids: list[UUID | None] = []
        self._given_back: list[int] = []
        self.languages, self.credentials, self.goals, self.interests, self.values = (
            TagSets(compared_as, partial(self._widen_region, region))
            for region, compared_as in enumerate((language, term, term, term, term))
        )
        self.skills = SkillLevels()
        self.persons, self._organisations = Codes(), Codes()
        self._styles, self._industries = TagCodes(term), TagCodes(term)
        self._blocks: dict[int, frozenset[int]] = {}  # row: persons that its participant blocks
        self._blocked_by: dict[int, set[int]] = {}  # person: rows that block them
        self._paired: dict[int, dict[int, int]] = {}  # person: persons ever matched with, and MET, MATCHED or APART
        self.mentor_rows, self.free_rows, self.waiting_list = RowList(), RowList(), RowList()
        self.table = np.zeros((0, kernel.FIXED), np.int64)
        self._offsets: list[int] = []
        self._widths: tuple[int, ...] = ()
        self._shape(_FIRST_ROWS, _FIRST_WIDTHS)

    def put(self, participant: Participant, bits: int, offset: int = 0) -> int:
        """Add a participant or replace what is known of them. Returns their row.

        `bits` are their hours, `offset` how many minutes their zone is ahead of UTC.
        """
        profile, persons = participant.profile, self.persons
        sets = (
            self.languages.bits(profile.languages),
            self.credentials.bits(participant.credentials),
            self.goals.bits(profile.goals),
            self.interests.bits(profile.interests),
            self.values.bits(profile.values),
        )
        offers = self.skills.offered_levels(profile.offers, 8 * self._widths[kernel.OFFERS])
        wants = self.skills.wanted_levels(profile.wants, 8 * self._widths[kernel.WANTS])
        row = self.row_of.get(participant.participant_id)
        if row is None:
            row = self._take_row(participant.participant_id)
        is_mentor, number = participant.is_mentor, participant.participant_id.int
        managers = [persons[person] for person in participant.managers[:MANAGERS]]
        widths = self._widths
        levels = max(len(offers), len(wants)) + 7 >> 3
        needed = (*[-(-each.bit_length() // 64) for each in sets], levels, levels)
        if any(map(gt, needed, widths)):  # codes that were not met before
            self._widen(needed)
            widths = self._widths
        languages, credentials, goals, interests, values = sets
        self._profile.pack_into(
            self._bytes,
            row * self._row_bytes + 8 * kernel.PROFILE,
            number >> 64,
            number & _LOW_WORD,
            is_mentor,
            participant.capacity if is_mentor else 0,
            persons[participant.person_id],
            self._organisations[participant.organisation_id],
            self._styles.optional(profile.style),
            self._industries.optional(profile.industry),
            _FROM_ABOVE[profile.seniority] if self.reverse else profile.seniority,
            sum(offers),
            sum(wants),
            offset,
            languages.bit_count(),
            credentials.bit_count(),
            goals.bit_count(),
            interests.bit_count(),
            values.bit_count(),
            *managers,
            *_NO_MANAGERS[len(managers) :],
            bits.to_bytes(8 * kernel.HOURS_WIDTH, "little"),
            languages.to_bytes(8 * widths[kernel.LANGUAGES], "little"),
            credentials.to_bytes(8 * widths[kernel.CREDENTIALS], "little"),
            goals.to_bytes(8 * widths[kernel.GOALS], "little"),
            interests.to_bytes(8 * widths[kernel.INTERESTS], "little"),
            values.to_bytes(8 * widths[kernel.VALUES], "little"),
            offers,
            wants,
        )
        if is_mentor or row in self.mentor_rows:
            self.mentor_rows.put(row, there=is_mentor)
            self._count_free(row)
        if self._blocks or participant.blocks:
            self._put_blocks(row, frozenset([persons[person] for person in participant.blocks]))
        return row

    def put_hours(self, row: int, bits: int, offset: int) -> None:
        """Replace a row's hours, and how far its zone is from UTC."""
        self.hours[row] = availability.words(bits)
        self.offset[row] = offset

    def put_skills(self, row: int, offers: Sequence[Skill], wants: Sequence[Skill]) -> None:
        """Replace a row's skills."""
        packed = self.skills.offered_levels(offers, 0), self.skills.wanted_levels(wants, 0)
        levels = max(map(len, packed)) + 7 >> 3
        if levels > self._widths[kernel.OFFERS]:
            self._widen((0,) * kernel.OFFERS + (levels, levels))
        skills = self.skills
        for columns, sums, each in zip(
            (skills.offers, skills.wants), (skills.offered, skills.wanted), packed, strict=True
        ):
            columns[row] = 0
            columns[row, : len(each)] = each
            sums[row] = sum(each)

    def put_managers(self, row: int, managers: tuple[UUID, ...]) -> None:
        """Replace a row's managers, nearest first."""
        codes = [self.persons[person] for person in managers[:MANAGERS]]
        self.managers[row] = [*codes, *_NO_MANAGERS[len(codes) :]]

    def drop(self, participant_id: UUID) -> None:
        """Forget a participant who left. That they were paired stays known."""
        row = self.row_of.pop(participant_id)
        self._put_blocks(row, frozenset())
        self.table[row] = 0
        for rows in (self.mentor_rows, self.free_rows, self.waiting_list):
            rows.put(row, there=False)
        self.ids[row] = None
        self._given_back.append(row)

    def add_live(self, row: int, change: int, since: datetime) -> None:
        """A place of the mentor was taken (+1) or given back (-1)."""
        self._cells[row * self._width + kernel.LIVE] += change
        self._count_free(row)
        self.touch(row, since)

    def touch(self, row: int, since: datetime) -> None:
        """The last time something began or ended for the mentor: who was left alone longest goes first in a tie."""
        place = row * self._width + kernel.FREE_SINCE
        instant = microseconds(since)
        if instant > self._cells[place]:
            self._cells[place] = instant

    def put_waiting(self, row: int, since: datetime | None, known: int = 0) -> None:
        """The row waits since then, knowing those rules (bits); None: it does not wait."""
        cells, start = self._cells, row * self._width
        cells[start + kernel.WAITING] = since is not None
        cells[start + kernel.WAITING_SINCE] = 0 if since is None else microseconds(since)
        cells[start + kernel.KNOWN] = known
        self.waiting_list.put(row, there=since is not None)

    def free_places(self, row: int) -> int:
        """How many more mentees the row's mentor has room for."""
        return self._cells[row * self._width + kernel.FREE]

    def pair(self, one: UUID, other: UUID, bond: int = MATCHED) -> None:
        """Two persons are matched (MATCHED), or were once (MET, or APART if they are not to meet again).

        Matches of one pair may come in any order: what keeps them apart most counts.
        """
        first, second = self.persons[one], self.persons[other]
        for person, partner in ((first, second), (second, first)):
            known = self._paired.setdefault(person, {})
            known[partner] = max(bond, known.get(partner, MET))

    def part(self, one: UUID, other: UUID) -> None:
        """The match of two persons has ended, and in peace. What parted them for good before still does."""
        first, second = self.persons[one], self.persons[other]
        for person, partner in ((first, second), (second, first)):
            if self._paired[person][partner] == MATCHED:
                self._paired[person][partner] = MET

    def were_paired(self, one: UUID, other: UUID) -> bool:
        """Whether the two were ever matched."""
        return self.persons[other] in self._paired.get(self.persons[one], ())

    def paired_with(self, row: int) -> AbstractSet[int]:
        """Codes of the persons that the row's person was ever matched with."""
        return self._paired.get(self._person_at(row), {}).keys()

    def apart_from(self, row: int) -> AbstractSet[int]:
        """Codes of the persons that the row's person is not matched with although former pairs may meet again."""
        return {person for person, bond in self._paired.get(self._person_at(row), {}).items() if bond > MET}

    def blocked_with(self, row: int) -> set[int]:
        """Codes of the persons that the row's person blocks or is blocked by."""
        if not self._blocks:
            return set()
        blockers = self._blocked_by.get(self._person_at(row), ())
        return {*self._blocks.get(row, ()), *(self._person_at(blocker) for blocker in blockers)}

    def common_minutes(self, left: Rows, right: Rows) -> Counts:
        """Minutes of the week that each pair of rows shares; one side may be a single row."""
        slots: Counts = np.bitwise_count(self.hours[left] & self.hours[right]).sum(axis=1, dtype=np.int64)
        return slots * availability.SLOT_MINUTES

    def mentors(self) -> Rows:
        """Rows of all mentors."""
        return self.mentor_rows.sorted()

    def free_mentors(self) -> Rows:
        """Rows of mentors with a place left."""
        return self.free_rows.sorted()

    def waiting_rows(self) -> Rows:
        """Rows of waiting mentees, in no order that means anything."""
        return self.waiting_list.sorted()

    def id_at(self, row: int) -> UUID:
        """Whose row it is. Raises LookupError for a row that was given back."""
        participant_id = self.ids[row]
        if participant_id is None:
            raise LookupError(f"row {row} is nobody's")
        return participant_id

    def _person_at(self, row: int) -> int:
        return self._cells[row * self._width + kernel.PERSON]

    def _count_free(self, row: int) -> None:
        cells, start = self._cells, row * self._width
        free = cells[start + kernel.CAPACITY] - cells[start + kernel.LIVE]
        cells[start + kernel.FREE] = max(free, 0)
        self.free_rows.put(row, there=free > 0)

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
        else:
            row = len(self.ids)
            if row == len(self.table):
                self._shape(2 * row, self._widths)
            self.ids.append(participant_id)
        self.row_of[participant_id] = row
        return row

    def _widen_region(self, region: int, words: int) -> None:
        if words > self._widths[region]:
            self._widen(tuple(words if each == region else 0 for each in range(kernel.REGIONS)))

    def _widen(self, needed: tuple[int, ...]) -> None:
        """Make room for at least so many words in each region."""
        self._shape(
            len(self.table),
            tuple(
                width if least <= width else max(least, 2 * width)
                for least, width in zip(needed, self._widths, strict=True)
            ),
        )

    def _shape(self, rows: int, widths: tuple[int, ...]) -> None:
        """Give the table so many rows and words for each region, and every view of it a new place."""
        offsets = [kernel.FIXED + sum(widths[:region]) for region in range(kernel.REGIONS)]
        table = np.zeros((rows, kernel.FIXED + sum(widths)), np.int64)
        if self.ids:
            count = len(self.table)
            table[:count, : kernel.FIXED] = self.table[:, : kernel.FIXED]
            for offset, before, width in zip(offsets, self._offsets, self._widths, strict=True):
                table[:count, offset : offset + width] = self.table[:, before : before + width]
        self.table, self._offsets, self._widths = table, offsets, widths
        self.regions = [number for pair in zip(offsets, widths, strict=True) for number in pair]
        self._width = table.shape[1]
        self._row_bytes = 8 * self._width
        self._bytes = table.data.cast("B")
        self._cells = self._bytes.cast("q")
        self._profile = Struct(
            f"<QQ{kernel.HOURS - kernel.PROFILE - 2}q{8 * kernel.HOURS_WIDTH}s" + "".join(f"{8 * w}s" for w in widths)
        )
        self._show_columns()

    def _show_columns(self) -> None:
        table = self.table
        self.live, self.free, self.free_since = (table[:, c] for c in (kernel.LIVE, kernel.FREE, kernel.FREE_SINCE))
        self.waiting, self.waiting_since = _truths(table, kernel.WAITING), table[:, kernel.WAITING_SINCE]
        self.known = table[:, kernel.KNOWN]  # bits of the rules that a waiting mentee was told of
        words = table.view(np.uint64)
        self.id_high, self.id_low = words[:, kernel.ID_HIGH], words[:, kernel.ID_LOW]
        self.mentor, self.capacity = _truths(table, kernel.MENTOR), table[:, kernel.CAPACITY]
        self.person, self.organisation = table[:, kernel.PERSON], table[:, kernel.ORGANISATION]
        self.style, self.industry = table[:, kernel.STYLE], table[:, kernel.INDUSTRY]
        self.seniority, self.offset = table[:, kernel.SENIORITY], table[:, kernel.OFFSET]
        self.managers = table[:, kernel.MANAGERS : kernel.MANAGERS + MANAGERS]
        self.hours = words[:, kernel.HOURS : kernel.HOURS + kernel.HOURS_WIDTH]
        tags = (self.languages, self.credentials, self.goals, self.interests, self.values)
        for place, (each, offset, width) in enumerate(zip(tags, self._offsets, self._widths, strict=False)):
            each.words = words[:, offset : offset + width]
            each.sizes = table[:, kernel.SIZES + place]
        skills = self.skills
        skills.offered, skills.wanted = table[:, kernel.OFFERED], table[:, kernel.WANTED]
        skills.offers, skills.wants = (
            table[:, self._offsets[region] : self._offsets[region] + self._widths[region]].view(np.uint8)
            for region in (kernel.OFFERS, kernel.WANTS)
        )


def _truths(table: Counts, column: int) -> Mask:
    """A column of 0 and 1 as truth values: the lowest byte of each, as all machines that we run on store them."""
    return table[:, column : column + 1].view(np.bool_)[:, 0]
