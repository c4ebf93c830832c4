"""What intake knows: programs, people, and who is in which program. Frozen; a change makes a new value.

`policy` and `terms` are JSON objects that intake stores and passes on; only what its own rules need is spelled out
here. `details` are a value of the handlers, stored as JSON, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec


class Identity(msgspec.Struct, frozen=True, gc=False):
    """Personal data."""

    full_name: str
    email: str
    zone: str
    locale: str


class Person(msgspec.Struct, frozen=True, gc=False):
    """Somebody whom an organisation knows by its own reference.

    Without `identity` (version 0) it is a placeholder: another record named this reference as manager or block before
    the organisation told who that is. So nothing depends on the order in which people arrive.
    """

    person_id: UUID
    reference: str
    version: int = 0
    identity: Identity | None = None
    manager_id: UUID | None = None


class Program(msgspec.Struct, frozen=True):
    """A pool of people under one policy. `organisations` are those whose people may take part, the owner included."""

    program_id: UUID
    organisation_id: UUID
    owner: str
    reference: str
    title: str
    kind: str
    roles: tuple[str, ...]
    organisations: frozenset[UUID]
    version: int
    policy: Mapping[str, Any]
    terms: Mapping[str, Any]

    @property
    def boss_levels(self) -> int:
        """How far up a reporting line the program looks."""
        levels: int = self.policy["boss_levels"]
        return levels

    def named_by(self, organisation: str) -> str:
        """How that organisation writes the program in a request."""
        return self.reference if organisation == self.owner else f"{self.owner}/{self.reference}"


class Vocabulary(msgspec.Struct, frozen=True):
    """Which skills are near each other in a program: skill, kind of the link, to which skill."""

    program_id: UUID
    version: int
    links: tuple[tuple[str, str, str], ...]


class Participant(msgspec.Struct, frozen=True, gc=False):
    """A person in a program. `blocks` are the people they asked never to be matched with."""

    participant_id: UUID
    program_id: UUID
    person_id: UUID
    organisation_id: UUID
    roles: tuple[str, ...]
    details: Any
    blocks: tuple[UUID, ...] = ()
    active: bool = True
