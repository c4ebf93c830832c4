"""Reporting lines: who reports to whom, whose chain a change touches, and what would go in a circle.

Holds the part of an organisation that was loaded. Chains end after so many levels, and walks stop at a person seen
before, so that no stored circle could keep a process busy.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID


class Lines:
    """Managers by person, and reports by manager."""

    def __init__(self, manager_of: Mapping[UUID, UUID | None]) -> None:
        self._manager_of: dict[UUID, UUID] = {}
        self._reports_of: dict[UUID, dict[UUID, None]] = {}
        for person, manager in manager_of.items():
            self.put(person, manager)

    def manager_of(self, person: UUID) -> UUID | None:
        """The direct manager, None when there is none."""
        return self._manager_of.get(person)

    def reports_of(self, person: UUID) -> list[UUID]:
        """Direct reports among those loaded."""
        return list(self._reports_of.get(person, ()))

    def put(self, person: UUID, manager: UUID | None) -> None:
        """Set the direct manager. The caller has asked `closes_circle` first."""
        before = self._manager_of.pop(person, None)
        if before is not None:
            self._reports_of[before].pop(person, None)
        if manager is not None:
            self._manager_of[person] = manager
            self._reports_of.setdefault(manager, {})[person] = None

    def chain(self, person: UUID, levels: int) -> tuple[UUID, ...]:
        """Managers, nearest first, at most `levels` of them."""
        found: list[UUID] = []
        above = self._manager_of.get(person)
        while above is not None and len(found) < levels and above not in found:
            found.append(above)
            above = self._manager_of.get(above)
        return tuple(found)

    def closes_circle(self, person: UUID, manager: UUID) -> bool:
        """Whether `manager` is the person or reports to them, however far down."""
        seen: set[UUID] = set()
        above: UUID | None = manager
        while above is not None and above not in seen:
            if above == person:
                return True
            seen.add(above)
            above = self._manager_of.get(above)
        return False

    def from_here_down(self, person: UUID, levels: int) -> list[UUID]:
        """The person and everybody at most `levels` below, nearest first."""
        found = {person: None}
        layer = [person]
        for _ in range(levels):
            layer = [report for above in layer for report in self._reports_of.get(above, ()) if report not in found]
            if not layer:
                break
            found.update(dict.fromkeys(layer))
        return list(found)
