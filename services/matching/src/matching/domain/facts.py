"""What rules and score look at, as one table: a row for each participant, a column for each fact.

The table is one block of 64-bit integers, so that the compiled search (see `kernel`) is handed one array and a person
lies in a few cache lines; rules and score see columns of it. Tags, languages and persons become small codes in the
order in which they were met, so nothing that is decided may depend on a code's value: rules and score only count what
is equal or common. Knows nothing of matches but how many places they leave.
"""

from __future__ import annotations

from array import array
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from struct import Struct
from typing import Final, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from . import availability, kernel
from .codes import NOBODY, Codes, Counts, Rows, SkillLevels, TagCodes, TagSets, language
from .values import Participant
from .vocabulary import term

Mask: TypeAlias = npt.NDArray[np.bool_]

MANAGERS: Final = kernel.MANAGERS_WIDTH
# Two persons who were ever matched may meet again where former pairs may, not while they are matched, or never.
MET, MATCHED, APART = range(3)
_NO_MANAGERS: Final = (NOBODY,) * MANAGERS
_FIRST_ROWS: Final = 32
_FIRST_NUMBERS: Final = 128
_FIRST_WIDTHS: Final = (1, 1, 1, 1, 1, 4, 4)  # words for each set of tags, then for levels offered and wanted
_ID: Final = Struct(">qq")  # both halves of an id, as they lie in the table
_FROM_ABOVE: Final = (0, *range(10, 0, -1))  # of seniorities 1 to 10; what is not known stays so
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@lru_cache(maxsize=256)  # one event asks several times for one moment
def microseconds(instant: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (instant - _EPOCH) // _MICROSECOND


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
        self._tags = tuple(
            TagSets(compared_as, partial(self._widen_region, region))
            for region, compared_as in enumerate((language, term, term, term, term))
        )
        self.languages, self.credentials, self.goals, self.interests, self.values = self._tags
        self.skills = SkillLevels()
        self.persons, self._organisations = Codes(), Codes()
        self._styles, self._industries = TagCodes(term), TagCodes(term)
        self._blocks: dict[int, frozenset[int]] = {}  # row: persons that its participant blocks
        self._blocked_by: dict[int, set[int]] = {}  # person: rows that block them
        self._paired: dict[int, dict[int, int]] = {}  # person: persons ever matched with, and MET, MATCHED or APART
        self.mentor_rows, self.free_rows, self.waiting_list = RowList(), RowList(), RowList()
        self.table = np.zeros((0, kernel.FIXED), np.int64)
        self._said = np.zeros(_FIRST_NUMBERS, np.int64)  # the profile that is being written
        self._said_cells = self._said.data.cast("B").cast("q")
        self._offsets: list[int] = []
        self._widths: tuple[int, ...] = ()
        self._shape(_FIRST_ROWS, _FIRST_WIDTHS)

    def put(self, participant: Participant, offset: int = 0) -> int:
        """Add a participant or replace what is known of them. Returns their row.

        `offset`: how many minutes their zone is ahead of UTC.
        """
        row = self.row_of.get(participant.participant_id)
        if row is None:
            row = self._take_row(participant.participant_id)
        numbers = self._numbers(participant, offset)
        count = len(numbers)
        if count > len(self._said):
            self._said = np.zeros(2 * count, np.int64)
            self._said_cells = self._said.data.cast("B").cast("q")
        self._said_cells[:count] = array("q", numbers)
        while (narrow := kernel.write_profile(self.table, row, self._places, self._said)) != kernel.OK:
            self._make_room(narrow)
        is_mentor = participant.is_mentor
        if is_mentor or row in self.mentor_rows:
            self.mentor_rows.put(row, there=is_mentor)
            self._count_free(row)
        if self._blocks or participant.blocks:
            self._put_blocks(row, frozenset([self.persons[person] for person in participant.blocks]))
        return row

    def _numbers(self, participant: Participant, offset: int) -> list[int]:
        """A participant as `kernel.write_profile` reads them. What was not met before gets a code."""
        profile, persons, skills = participant.profile, self.persons, self.skills
        languages, credentials = profile.languages, participant.credentials
        goals, interests, values = profile.goals, profile.interests, profile.values
        offers, wants, hours = profile.offers, profile.wants, profile.availability
        near, managers = skills.near_numbers(offers) if offers else (), participant.managers[:MANAGERS]
        is_mentor = participant.is_mentor
        numbers = [
            *_ID.unpack(participant.participant_id.bytes),
            is_mentor,
            participant.capacity if is_mentor else 0,
            persons[participant.person_id],
            self._organisations[participant.organisation_id],
            self._styles.optional(profile.style),
            self._industries.optional(profile.industry),
            _FROM_ABOVE[profile.seniority] if self.reverse else profile.seniority,
            offset,
            len(languages),
            len(credentials),
            len(goals),
            len(interests),
            len(values),
            len(offers),
            len(near) // 2,
            len(wants),
            len(hours),
            len(managers),
            *map(self.languages.code, languages),
            *map(self.credentials.code, credentials),
            *map(self.goals.code, goals),
            *map(self.interests.code, interests),
            *map(self.values.code, values),
            *skills.numbers(offers),
            *near,
            *skills.numbers(wants),
        ]
        for each in hours:
            numbers += (each.weekday, each.start_minute, each.end_minute)
        numbers += [persons[person] for person in managers]
        return numbers

    def put_hours(self, row: int, bits: int, offset: int) -> None:
        """Replace a row's hours, and how far its zone is from UTC."""
        self.hours[row] = availability.words(bits)
        self.offset[row] = offset

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
            known = self._paired.get(person)
            if known is None:
                self._paired[person] = {partner: max(bond, MET)}
            else:
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

    def may_meet_anybody(self, row: int) -> bool:
        """Whether neither blocks nor former matches keep anybody from the row's person."""
        return not self._blocks and self._person_at(row) not in self._paired

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

    def _make_room(self, region: int) -> None:
        """A region is too narrow for a code: give it, and of skills both, room for all that there are."""
        if region == kernel.OFFERS:
            words = -(-self.skills.known // 8)
            self._widen((0,) * kernel.OFFERS + (words, words))
        else:
            self._widen_region(region, -(-self._tags[region].known // 64))

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
        self._places = np.array(self.regions, np.int64)
        self._width = table.shape[1]
        self._cells = table.data.cast("B").cast("q")
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
        for place, (each, offset, width) in enumerate(zip(self._tags, self._offsets, self._widths, strict=False)):
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
