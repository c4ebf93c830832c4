"""The part of one organisation's records that a group of requests touches, as they will be once all of it is stored.

Requests of a group are decided one after the other against the book, so that each sees what those before it did. What
changed is remembered for one set-based flush. Refuses nothing itself: whoever decides checks first, then writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from msgspec.structs import replace

from .lines import Lines
from .records import Participant, Person, Program, Vocabulary


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who is asking."""

    organisation_id: UUID
    name: str


class Book:
    """People by reference, programs by (owner, reference), participants by (program, person), vocabularies by program.

    `mint` makes new ids. `changed_*` hold what the flush has to write, in the order of first change.
    """

    def __init__(
        self,
        organisation: Organisation,
        *,
        people: Iterable[Person],
        participants: Iterable[Participant],
        programs: Iterable[Program],
        vocabularies: Iterable[Vocabulary] = (),
        mint: Callable[[], UUID],
    ) -> None:
        self.organisation = organisation
        self.mint = mint
        self.people: dict[UUID, Person] = {person.person_id: person for person in people}
        self._id_of: dict[str, UUID] = {person.reference: person.person_id for person in self.people.values()}
        self.programs: dict[UUID, Program] = {program.program_id: program for program in programs}
        self._program_of = {(each.owner, each.reference): each.program_id for each in self.programs.values()}
        self.vocabularies: dict[UUID, Vocabulary] = {each.program_id: each for each in vocabularies}
        self.participants: dict[tuple[UUID, UUID], Participant] = {}
        self._programs_of: dict[UUID, dict[UUID, None]] = {}
        self._blockers_of: dict[tuple[UUID, UUID], dict[UUID, None]] = {}
        for participant in participants:
            self._index(participant)
        self.lines = Lines({person.person_id: person.manager_id for person in self.people.values()})
        self.changed_people: dict[UUID, None] = {}
        self.changed_participants: dict[tuple[UUID, UUID], None] = {}
        self.changed_programs: dict[UUID, None] = {}
        self.widened_programs: dict[UUID, None] = {}
        self.changed_vocabularies: dict[UUID, None] = {}

    def person(self, reference: str) -> Person | None:
        """Whom the organisation calls so; None when nothing ever named them."""
        person_id = self._id_of.get(reference)
        return None if person_id is None else self.people[person_id]

    def person_or_placeholder(self, reference: str) -> Person:
        """Whom the organisation calls so; minted without personal data when nothing ever named them."""
        known = self.person(reference)
        if known is not None:
            return known
        person = Person(person_id=self.mint(), reference=reference)
        self._id_of[reference] = person.person_id
        self.put_person(person)
        return person

    def put_person(self, person: Person) -> None:
        """Store a person; their manager is set by `put_manager` only."""
        self.people[person.person_id] = person
        self.changed_people[person.person_id] = None

    def put_manager(self, person_id: UUID, manager_id: UUID | None) -> None:
        """Store whom somebody reports to."""
        self.lines.put(person_id, manager_id)
        self.put_person(replace(self.people[person_id], manager_id=manager_id))

    def program(self, owner: str, reference: str) -> Program | None:
        """The program that `owner` calls so, whoever may take part in it."""
        program_id = self._program_of.get((owner, reference))
        return None if program_id is None else self.programs[program_id]

    def put_program(self, program: Program, *, widened: bool) -> None:
        """Store a program. `widened`: it looks further up reporting lines than before."""
        self.programs[program.program_id] = program
        self._program_of[program.owner, program.reference] = program.program_id
        self.changed_programs[program.program_id] = None
        if widened:
            self.widened_programs[program.program_id] = None

    def put_vocabulary(self, vocabulary: Vocabulary) -> None:
        """Store which skills are near each other in a program."""
        self.vocabularies[vocabulary.program_id] = vocabulary
        self.changed_vocabularies[vocabulary.program_id] = None

    def participant(self, program_id: UUID, person_id: UUID) -> Participant | None:
        """The person's place in the program, also when they left it."""
        return self.participants.get((program_id, person_id))

    def active(self, program_id: UUID, person_id: UUID) -> Participant | None:
        """The person's place in the program if they are in it now."""
        participant = self.participants.get((program_id, person_id))
        return participant if participant is not None and participant.active else None

    def programs_of(self, person_id: UUID) -> list[UUID]:
        """Ids of the programs that the person is in now."""
        return [each for each in self._programs_of.get(person_id, ()) if self.participants[each, person_id].active]

    def put_participant(self, participant: Participant) -> None:
        """Store a participant and whom they block."""
        key = participant.program_id, participant.person_id
        before = self.participants.get(key)
        if before is not None:
            for blocked in before.blocks:
                self._blockers_of.get((participant.program_id, blocked), {}).pop(participant.person_id, None)
        self._index(participant)
        self.changed_participants[key] = None

    def barred(self, participant: Participant) -> tuple[UUID, ...]:
        """Everybody not to be matched with this participant: whom they block, then who blocks them in the program."""
        both = dict.fromkeys(participant.blocks)
        both.update(self._blockers_of.get((participant.program_id, participant.person_id), {}))
        return tuple(both)

    def _index(self, participant: Participant) -> None:
        self.participants[participant.program_id, participant.person_id] = participant
        self._programs_of.setdefault(participant.person_id, {})[participant.program_id] = None
        if participant.active:
            for blocked in participant.blocks:
                self._blockers_of.setdefault((participant.program_id, blocked), {})[participant.person_id] = None
