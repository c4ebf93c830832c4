"""One program's people, live matches and waiting list, in memory, and what has changed of them since last stored.

A pool only keeps books: it decides nothing. Whoever decides (see `arrivals`) asks it and tells it. Two pools with the
same history are equal whether one of them was loaded from the database in between or not, so everything kept here is
either stored or follows from what is stored and the program's `now`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from .availability import offset_minutes, week_bits
from .codes import Rows
from .facts import APART, MATCHED, MET, Facts
from .rules import RULE_BIT
from .values import Choice, Match, OwnVocabulary, Participant, Policy, Program, Round, Waiting
from .vocabulary import EXACT, Vocabulary, of_links, starter

_HOUR: Final = timedelta(hours=1)


@dataclass(slots=True)
class Changes:
    """What a flush has to store. The values are the newest; None means that the thing is gone.

    `newcomers` and `new_matches` are not stored yet. `waited` are those of `waiting` of whom it is stored that they
    wait. `left` are people who left, as they were last: somebody may come and go before anything is stored.
    """

    program: bool = False
    vocabulary: bool = False
    newcomers: dict[UUID, Participant] = field(default_factory=dict)
    participants: dict[UUID, Participant] = field(default_factory=dict)
    left: dict[UUID, Participant] = field(default_factory=dict)
    new_matches: dict[UUID, Match] = field(default_factory=dict)
    matches: dict[UUID, Match] = field(default_factory=dict)
    waiting: dict[UUID, Waiting | None] = field(default_factory=dict)
    waited: set[UUID] = field(default_factory=set)
    choices: dict[UUID, Choice] = field(default_factory=dict)
    rounds: dict[UUID, Round] = field(default_factory=dict)


class Pool:
    """The state of one program. `now` is its business time and never goes back."""

    def __init__(self, program: Program, now: datetime) -> None:
        self.program = program
        self.now = now
        self.facts = Facts(reverse=program.kind == "reverse")
        self.participants: dict[UUID, Participant] = {}
        self.left: dict[UUID, UUID] = {}  # who left, and of which organisation they were
        self.matches: dict[UUID, Match] = {}
        self.waiting: dict[UUID, Waiting] = {}
        self.own_vocabulary = OwnVocabulary()
        self.choices: dict[UUID, Choice] = {}  # of those who ever handed in a list, also after they left
        self.mentored: set[UUID] = set()  # mentees who had a match that began
        self.round: Round | None = None  # the open one
        self.rounds_from: datetime | None = None  # since when the clock asks for rounds
        self.changes = Changes()
        self.rulebook: tuple[Policy, list[int], npt.NDArray[np.int64]] | None = None  # what `search` made of the policy
        self._by_mentor: dict[UUID, dict[UUID, Match]] = {}
        self._by_mentee: dict[UUID, tuple[UUID, ...]] = {}
        self._by_circle: dict[UUID, dict[UUID, Match]] = {}
        self._by_person: dict[UUID, tuple[UUID, ...]] = {}
        self._offsets: dict[str, int] = {}
        self._next_hour = self._this_hour() + _HOUR
        self.facts.skills.speak(self._vocabulary())

    @classmethod
    def restored(
        cls,
        program: Program,
        now: datetime,
        *,
        participants: Iterable[Participant],
        left: Mapping[UUID, UUID],
        matches: Iterable[Match],
        waiting: Iterable[Waiting],
        own_vocabulary: OwnVocabulary | None = None,
        choices: Iterable[Choice] = (),
        open_round: Round | None = None,
        rounds_from: datetime | None = None,
    ) -> Pool:
        """A pool as it was stored. `matches` are all there ever were, ended ones too."""
        pool = cls(program, now)
        if own_vocabulary is not None:
            pool.put_vocabulary(own_vocabulary)
        for participant in participants:
            pool.put_participant(participant)
        pool.left.update(left)
        for match in matches:
            pool._count_match(match)
        for entry in waiting:
            pool.put_waiting(entry)
        for choice in choices:
            pool.put_choice(choice)
        pool.round, pool.rounds_from = open_round, rounds_from
        pool.changes = Changes()
        return pool

    def take_changes(self) -> Changes:
        """What changed since the last call. Whoever takes it stores it, or drops the whole pool."""
        changes, self.changes = self.changes, Changes()
        return changes

    def advance(self, time: datetime) -> bool:
        """Move `now` on. Where a zone's offset has changed since, its people's hours and distances are counted anew.

        Returns whether that was so: other people may share time now.
        """
        if time <= self.now:
            return False
        self.now = time
        if time < self._next_hour:
            return False
        hour = self._this_hour()
        self._next_hour = hour + _HOUR
        offsets = {zone: offset_minutes(zone, hour) for zone in self._offsets}
        moved = {zone for zone, offset in offsets.items() if offset != self._offsets[zone]}
        self._offsets = offsets
        if moved:  # without those of people who left: a pool from the database has none either
            moved &= {participant.profile.zone for participant in self.participants.values()}
        for participant in self.participants.values():
            if participant.profile.zone in moved:
                zone = participant.profile.zone
                bits = week_bits(participant.profile.availability, offsets[zone])
                self.facts.put_hours(self.facts.row_of[participant.participant_id], bits, offsets[zone])
        return bool(moved)

    def configure(self, program: Program) -> None:
        """Replace policy, terms and what else describes the program."""
        days = program.policy.round_every_days if program.policy.in_rounds else None
        if days is None:
            self.rounds_from = None
        elif self.rounds_from is None or days != self.program.policy.round_every_days:
            self.rounds_from = self.now
        before, self.program = self.program, program
        self.changes.program = True
        if program.policy.vocabulary != before.policy.vocabulary:
            self._speak()
        if (program.kind == "reverse") != self.facts.reverse:
            self.facts.reverse = not self.facts.reverse
            for participant in self.participants.values():
                self.facts.put(participant, self._offset(participant.profile.zone))

    def put_vocabulary(self, own: OwnVocabulary) -> None:
        """Replace the program's own vocabulary."""
        self.own_vocabulary = own
        self.changes.vocabulary = True
        if self.program.policy.vocabulary == "own":
            self._speak()

    def put_participant(self, participant: Participant) -> None:
        """Add a participant, or replace all that is known of one. Raises Contradiction("unknown_zone")."""
        offset = self._offset(participant.profile.zone)  # may refuse, so it comes before anything is changed
        participant_id, person_id = participant.participant_id, participant.person_id
        row = self.facts.put(participant, offset)
        self.facts.touch(row, participant.joined_at)
        if participant_id in self.participants:
            self._store(participant)
            return
        self.participants[participant_id] = participant
        known = self._by_person.get(person_id)
        self._by_person[person_id] = (participant_id,) if known is None else (*known, participant_id)
        if participant_id in self.left:
            del self.left[participant_id]
            self.changes.left.pop(participant_id, None)
            self.changes.participants[participant_id] = participant
        else:
            self.changes.newcomers[participant_id] = participant

    def check_zone(self, zone: str) -> None:
        """Raise Contradiction("unknown_zone") for a zone that nobody could be put in with."""
        if zone not in self._offsets:
            offset_minutes(zone, self.now)

    def put_managers(self, participant: Participant, managers: tuple[UUID, ...]) -> None:
        """Replace a participant's managers only."""
        changed = replace(participant, managers=managers)
        self.facts.put_managers(self.facts.row_of[participant.participant_id], managers)
        self._store(changed)

    def remove_participant(self, participant_id: UUID) -> None:
        """Forget a participant's details; that they were here, and with whom they were paired, stays known."""
        participant = self.participants.pop(participant_id)
        self.stop_waiting(participant_id)
        self.facts.drop(participant_id)
        known = self._by_person[participant.person_id]
        self._by_person[participant.person_id] = tuple(each for each in known if each != participant_id)
        self.left[participant_id] = participant.organisation_id
        self.changes.newcomers.pop(participant_id, None)
        self.changes.participants.pop(participant_id, None)
        self.changes.left[participant_id] = participant

    def participants_of(self, person_id: UUID) -> list[Participant]:
        """A person's participants here, in the order of their ids."""
        return [self.participants[each] for each in sorted(self._by_person.get(person_id, ()))]

    def add_match(self, match: Match) -> None:
        """A new live match takes its slot."""
        self._count_match(match)
        self.changes.new_matches[match.match_id] = match

    def replace_match(self, match: Match) -> None:
        """A live match changed. One that has ended now gives its slot back."""
        if match.status == "ended":
            self._drop_live(match)
            if _bond(match) == MET:
                self.facts.part(match.mentor.person_id, match.mentee.person_id)
        else:
            self._put_live(match)
        if match.bars_repeat:
            self.facts.pair(match.mentor.person_id, match.mentee.person_id, _bond(match))
        changes = self.changes
        (changes.new_matches if match.match_id in changes.new_matches else changes.matches)[match.match_id] = match

    def put_waiting(self, entry: Waiting) -> None:
        """A mentee waits, or waits for other reasons."""
        known = sum([RULE_BIT[reason.rule] for reason in entry.reasons])
        self.facts.put_waiting(self.facts.row_of[entry.participant_id], entry.since, known)
        self._note_waiting(entry.participant_id, entry)
        self.waiting[entry.participant_id] = entry

    def stop_waiting(self, participant_id: UUID) -> None:
        """A mentee does not wait any more, or never did."""
        if participant_id in self.waiting:
            self._note_waiting(participant_id, None)
            del self.waiting[participant_id]
            self.facts.put_waiting(self.facts.row_of[participant_id], None)

    def put_choice(self, choice: Choice) -> None:
        """A mentee's newest list of mentors, or what is left of it."""
        self.choices[choice.participant_id] = choice
        self.changes.choices[choice.participant_id] = choice

    def put_round(self, changed: Round) -> None:
        """A round was asked for, or something came of it."""
        self.round = changed if changed.open else None
        self.changes.rounds[changed.round_id] = changed

    def matches_of_mentor(self, participant_id: UUID) -> list[Match]:
        """Live matches in which the participant mentors, in the order in which the mentees joined."""
        return in_order(self._by_mentor.get(participant_id, {}).values())

    def matches_of_mentee(self, participant_id: UUID) -> list[Match]:
        """The live match in which the participant is mentored, or the proposals of which one may become it."""
        return in_order(self.matches[match_id] for match_id in self._by_mentee.get(participant_id, ()))

    def matches_of(self, participant_id: UUID) -> list[Match]:
        """All live matches of a participant, as mentor first."""
        mentoring = self.matches_of_mentor(participant_id)
        return mentoring + [each for each in self.matches_of_mentee(participant_id) if not each.partners]

    def told_as(self, match_id: UUID) -> list[Match]:
        """The live matches that others know by this id: one, or those of a circle in the order of their mentees."""
        circle = self._by_circle.get(match_id)
        if circle is not None:
            return in_order(circle.values())
        match = self.matches.get(match_id)
        return [] if match is None else [match]

    def circle_of(self, participant_id: UUID) -> Match | None:
        """A live match of the circle that the participant leads, if they lead one."""
        if not self._by_circle:
            return None
        circles = [match for match in self.matches_of_mentor(participant_id) if match.circle_id is not None]
        return circles[0] if circles else None

    def free_slot(self, participant_id: UUID) -> int:
        """The lowest slot that no live match of the mentor holds."""
        live = self._by_mentor.get(participant_id)
        if not live:
            return 0
        taken, slot = {match.slot for match in live.values()}, 0
        while slot in taken:
            slot += 1
        return slot

    def free_places(self, participant_id: UUID) -> int:
        """How many more mentees the mentor has room for."""
        return self.facts.free_places(self.facts.row_of[participant_id])

    def has_place(self, participant_id: UUID) -> bool:
        """Whether they are here and have room for a mentee more."""
        row = self.facts.row_of.get(participant_id)
        return row is not None and self.facts.free_places(row) > 0

    def rows(self, participant_ids: Collection[UUID]) -> Rows:
        """Their rows in `facts`."""
        return np.array([self.facts.row_of[each] for each in participant_ids], np.intp)

    def _vocabulary(self) -> Vocabulary:
        match self.program.policy.vocabulary:
            case "exact":
                return EXACT
            case "starter":
                return starter()
            case "own":
                return of_links(self.own_vocabulary.links)

    def _speak(self) -> None:
        """Everybody's skills are packed anew: what is near has changed."""
        self.facts.skills.speak(self._vocabulary())
        for participant in self.participants.values():
            self.facts.put(participant, self._offset(participant.profile.zone))

    def _store(self, participant: Participant) -> None:
        """Somebody who is here has other details."""
        participant_id, changes = participant.participant_id, self.changes
        self.participants[participant_id] = participant
        stored = changes.newcomers if participant_id in changes.newcomers else changes.participants
        stored[participant_id] = participant

    def _note_waiting(self, participant_id: UUID, entry: Waiting | None) -> None:
        changes = self.changes
        if participant_id not in changes.waiting and participant_id in self.waiting:
            changes.waited.add(participant_id)
        changes.waiting[participant_id] = entry

    def _count_match(self, match: Match) -> None:
        if match.bars_repeat:
            self.facts.pair(match.mentor.person_id, match.mentee.person_id, _bond(match))
        if match.status != "ended":
            self._put_live(match)
        elif match.confirmed_at is not None:
            self.mentored.add(match.mentee.participant_id)
        live, at = (0, match.ended_at) if match.status == "ended" else (1, None)
        for row in self._leading_rows(match):
            self.facts.add_live(row, live, at or match.proposed_at)

    def _put_live(self, match: Match) -> None:
        self.matches[match.match_id] = match
        if match.confirmed_at is not None:
            self.mentored.add(match.mentee.participant_id)
        for mentor_id, mentee_id in _sides(match):
            self._by_mentor.setdefault(mentor_id, {})[match.match_id] = match
            known = self._by_mentee.get(mentee_id, ())
            if match.match_id not in known:
                self._by_mentee[mentee_id] = (*known, match.match_id)
        if match.circle_id is not None:
            self._by_circle.setdefault(match.circle_id, {})[match.match_id] = match

    def _drop_live(self, match: Match) -> None:
        del self.matches[match.match_id]
        for mentor_id, mentee_id in _sides(match):
            del self._by_mentor[mentor_id][match.match_id]
            rest = tuple(each for each in self._by_mentee[mentee_id] if each != match.match_id)
            if rest:
                self._by_mentee[mentee_id] = rest
            else:
                del self._by_mentee[mentee_id]
        if match.circle_id is not None:
            circle = self._by_circle[match.circle_id]
            del circle[match.match_id]
            if not circle:
                del self._by_circle[match.circle_id]
        for row in self._leading_rows(match):
            self.facts.add_live(row, -1, self.now)

    def _leading_rows(self, match: Match) -> list[int]:
        """Rows of those whose place the match takes, as far as they are still here."""
        row_of = self.facts.row_of
        return [row_of[mentor_id] for mentor_id, _ in _sides(match) if mentor_id in row_of]

    def _offset(self, zone: str) -> int:
        """How many minutes a zone is ahead of UTC in this hour. Raises Contradiction("unknown_zone")."""
        offset = self._offsets.get(zone)
        if offset is None:
            offset = self._offsets[zone] = offset_minutes(zone, self._this_hour())
        return offset

    def _this_hour(self) -> datetime:
        return self.now.replace(minute=0, second=0, microsecond=0)


def _bond(match: Match) -> int:
    """Whether its two may meet again where former pairs may: not while it runs, and never if it never began, or one of
    them asked to leave it.
    """
    if match.status != "ended":
        return MATCHED
    return APART if match.confirmed_at is None or match.end_reason in ("rematch", "unfit") else MET


def _sides(match: Match) -> tuple[tuple[UUID, UUID], ...]:
    """Who mentors whom in a match: of partners each the other."""
    mentor_id, mentee_id = match.mentor.participant_id, match.mentee.participant_id
    return ((mentor_id, mentee_id), (mentee_id, mentor_id)) if match.partners else ((mentor_id, mentee_id),)


def in_order(matches: Iterable[Match]) -> list[Match]:
    """Matches in the order in which their mentees, then their mentors, joined: participants' ids grow with time."""
    return sorted(matches, key=lambda match: (match.mentee.participant_id, match.mentor.participant_id))
