"""Audits for the owner of a program: whether groups fare alike, and whether anybody gains by misstating.

What was declared for audits is read here and nowhere else, and comes out as figures of groups, never of people.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from matching.adapters.coordination import Coordination, SeenProgram
from matching.adapters.coordinator_keys import Coordinator
from matching.domain import auditing
from matching.domain.engine.audit import SMALL
from matching.domain.grouping import KNOWN, Declared, Grouping, known_grouping
from mentorstream_runtime.http import FieldError, Problem

from .desk import Look, must_own, program_of

DECLARED: Final = "audit:"


class Audits:
    """Serves owners of programs. Every method raises Problem for what the caller may not do or see."""

    def __init__(self, reads: Coordination, look: Look) -> None:
        self._reads = reads
        self._look = look

    async def groupings(self, who: Coordinator, program_id: UUID) -> list[str]:
        """By what people can be grouped: what is known of them, and what was declared of enough of them."""
        program = await self._owned(who, program_id)
        attributes = await self._reads.audited_attributes(who.organisation_id, program.program_id, SMALL)
        return [*KNOWN, *(f"{DECLARED}{attribute}" for attribute in attributes)]

    async def grouping(self, who: Coordinator, program_id: UUID, name: str) -> Grouping:
        """The grouping of this name."""
        await self._owned(who, program_id)
        known = known_grouping(name)
        if known is not None:
            return known
        names = await self.groupings(who, program_id)
        if name not in names:
            detail = f"expected one of {', '.join(names)}"
            raise Problem(422, "The request is not valid", errors=[FieldError("/group_by", detail)])
        attribute = name.removeprefix(DECLARED)
        return Declared(attribute, await self._reads.audit_groups(who.organisation_id, program_id, attribute))

    async def fairness(
        self, who: Coordinator, program_id: UUID, outcome: auditing.Outcome, group_by: str
    ) -> auditing.FairnessAudit:
        """Match rate and score gap by group."""
        grouping = await self.grouping(who, program_id, group_by)
        try:
            return await self._look(program_id, lambda pool: auditing.fairness(pool, outcome, grouping))
        except auditing.TooFew:
            # One answer for both, so that it does not tell which it is.
            detail = f"Fewer than {SMALL} mentees are of a declared group, or all of them of the same."
            raise Problem(409, "Too few groups to compare", detail) from None

    async def strategy(
        self, who: Coordinator, program_id: UUID, misstating: auditing.Misstating
    ) -> auditing.StrategyAudit:
        """What mentees would gain by misstating."""
        program = await self._owned(who, program_id)
        if program.kind == "peer":
            raise Problem(409, "This is not simulated for partners", "Each of them is both sides of a pair.")
        return await self._look(program_id, lambda pool: auditing.strategy(pool, misstating))

    async def _owned(self, who: Coordinator, program_id: UUID) -> SeenProgram:
        program = await program_of(self._reads, who, program_id)
        must_own(program, "Audits")
        return program
