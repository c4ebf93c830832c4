"""The copy of people that mails need: the newest version of each, and nothing of whoever was erased."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as their organisation told it."""

    person_id: UUID
    organisation_id: UUID
    version: int
    full_name: str
    email: str
    locale: str
    zone: str


class Register:
    """The touched people of one batch: their versions before it, and what it changes."""

    def __init__(self, versions: Mapping[UUID, int], erased: Collection[UUID]) -> None:
        self._versions = dict(versions)
        self._erased = set(erased)
        self.changed: dict[UUID, Person] = {}
        self.newly_erased: set[UUID] = set()

    def learn(self, person: Person) -> None:
        """Keep a person, unless a version as new is known or they were erased."""
        if person.person_id in self._erased or person.version <= self._versions.get(person.person_id, 0):
            return
        self._versions[person.person_id] = person.version
        self.changed[person.person_id] = person

    def erase(self, person_id: UUID) -> None:
        """Forget a person for good. Their open mails fail when the sender next looks: the ledger tells it."""
        self.changed.pop(person_id, None)
        if person_id not in self._erased:
            self._erased.add(person_id)
            self.newly_erased.add(person_id)
