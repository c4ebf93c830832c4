"""Rounds for coordinators: run now, look, edit what was drafted, publish or discard. For the owner of a program only.

Edits are kept beside the drafts until they are published, and can be undone. A pair is put in only where the rules and
the places allow it now; it is checked again when it is to become a match, as every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID, uuid4, uuid5

import msgspec
import numpy as np

from matching.adapters.coordinated_rounds import CoordinatedRounds, Draft, Edit, SeenRound
from matching.adapters.coordination import Coordination, SeenProgram
from matching.adapters.coordinator_keys import Coordinator
from matching.domain.pool import Pool
from matching.domain.rules import RULES
from matching.domain.values import RuleName
from matching.entrypoints.words import rule_words
from mentorstream_events.registrations import DiscardRound, PublishRound, RequestMentors, RunRound
from mentorstream_events.values import Pair
from mentorstream_runtime.http import FieldError, Problem

from . import answers
from .desk import Asker, Look, must_act, must_own, not_there, program_of

_MOST_PAIRS: Final = 1000


class Reviews:
    """Serves owners of programs. Every method raises Problem for what the caller may not do or see."""

    def __init__(self, reads: Coordination, rounds: CoordinatedRounds, look: Look, ask: Asker) -> None:
        self._reads = reads
        self._rounds = rounds
        self._look = look
        self._ask = ask

    async def run(self, who: Coordinator, program_id: UUID, seed: int, key: str | None) -> answers.AskedAnswer:
        """Ask for a round now. `key` says which requests are one and the same."""
        must_act(who)
        program = await self._owned(who, program_id)
        if program.policy.matching not in ("rounds", "review"):
            raise Problem(409, "This program makes no rounds", f"It matches {program.policy.matching}.")
        under_way = await self._rounds.under_way(who.organisation_id, program_id)
        round_id = _request_id(program_id, key)
        if under_way is not None and under_way.round_id != round_id:
            raise Problem(409, "A round is under way", f"Round {under_way.round_id} is {under_way.status}.")
        request = RunRound(program_id=program_id, round_id=round_id, asked_by="coordinator", seed=seed)
        return await self._ask(who, "run", program_id, program_id, request, round_id)

    async def rounds(
        self, who: Coordinator, program_id: UUID, before: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[SeenRound]:
        """Newest first."""
        await self._owned(who, program_id)
        return await self._rounds.rounds(who.organisation_id, program_id, before, limit)

    async def round(self, who: Coordinator, program_id: UUID, round_id: UUID) -> SeenRound:
        """One round."""
        await self._owned(who, program_id)
        found = await self._rounds.round(who.organisation_id, program_id, round_id)
        return found if found is not None else not_there("round")

    async def under_way(self, who: Coordinator, program_id: UUID) -> SeenRound | None:
        """The round that is being solved, or waits for review."""
        await self._owned(who, program_id)
        return await self._rounds.under_way(who.organisation_id, program_id)

    async def drafts(
        self, who: Coordinator, program_id: UUID, round_id: UUID, after: UUID | None, limit: int
    ) -> tuple[Sequence[Draft], Sequence[Edit]]:
        """Drafts by the mentee's id, and the edits that stand."""
        await self.round(who, program_id, round_id)
        return await self._rounds.drafts(who.organisation_id, round_id, after, limit)

    async def edit(self, who: Coordinator, program_id: UUID, round_id: UUID, edit: Edit) -> None:
        """Take a pair out of the drafts, or put one in that may be."""
        must_act(who)
        await self._drafted(who, program_id, round_id)
        organisation_id = who.organisation_id
        drafted = await self._rounds.draft_of(organisation_id, round_id, edit.mentee_id)
        _, edits = await self._rounds.drafts(organisation_id, round_id, None, 1)
        if len(edits) >= _MOST_PAIRS:
            raise Problem(422, "Too many edits", f"The limit is {_MOST_PAIRS}; publish these first.")
        if edit.kind == "remove":
            if drafted != edit.mentor_id:
                not_there("draft")
        else:
            if drafted is not None and Edit("remove", drafted, edit.mentee_id) not in edits:
                raise Problem(409, "The mentee has a draft", "Remove it first, or undo.")
            taken = await self._rounds.drafted_places(organisation_id, round_id, edit.mentor_id)
            broken = await self._look(program_id, partial(_broken, edit=edit, taken=taken))
            if broken:
                errors = [FieldError("/mentor_id", rule_words(rule)) for rule in broken]
                raise Problem(422, "This pair may not be", "See errors for the rules that forbid it.", errors=errors)
        if not await self._rounds.edit(round_id, edit, who.lookup, await self._ask.now()):
            raise Problem(409, "Nothing to edit", "That was done before, or the round is not drafted any more.")

    async def undo(self, who: Coordinator, program_id: UUID, round_id: UUID) -> Edit:
        """Take back the last edit."""
        must_act(who)
        await self._drafted(who, program_id, round_id)
        undone = await self._rounds.undo(round_id)
        if undone is None:
            raise Problem(409, "Nothing to undo")
        return undone

    async def publish(
        self, who: Coordinator, program_id: UUID, round_id: UUID, approved: Sequence[Pair] | None
    ) -> answers.AskedAnswer:
        """Ask for the drafts, as edited, to become matches: all, or those approved; what is not approved is dropped."""
        must_act(who)
        await self._drafted(who, program_id, round_id)
        _, edits = await self._rounds.drafts(who.organisation_id, round_id, None, 1)
        pairs = {
            kind: tuple(Pair(mentor_id=each.mentor_id, mentee_id=each.mentee_id) for each in edits if each.kind == kind)
            for kind in ("remove", "add")
        }
        request = PublishRound(
            program_id=program_id,
            round_id=round_id,
            removed=pairs["remove"],
            added=pairs["add"],
            approved=None if approved is None else tuple(approved),
        )
        return await self._ask(
            who, "publish", program_id, round_id, request, uuid5(round_id, msgspec.json.encode(request).decode())
        )

    async def discard(self, who: Coordinator, program_id: UUID, round_id: UUID) -> answers.AskedAnswer:
        """Ask for nothing to come of a round."""
        must_act(who)
        found = await self.round(who, program_id, round_id)
        if found.status not in ("requested", "drafted"):
            raise Problem(409, "This round is over", f"It is {found.status}.")
        request = DiscardRound(program_id=program_id, round_id=round_id)
        return await self._ask(who, "discard", program_id, round_id, request, uuid5(round_id, "discard"))

    async def request_mentors(
        self, who: Coordinator, program_id: UUID, mentee_id: UUID, mentor_ids: Sequence[UUID], key: str | None
    ) -> answers.AskedAnswer:
        """Ask for mentors on a mentee's behalf: for one's own people, or anybody in one's own program."""
        must_act(who)
        program = await program_of(self._reads, who, program_id)
        if program.policy.matching != "on_request":
            raise Problem(409, "This program does not match on request", f"It matches {program.policy.matching}.")
        if len(set(mentor_ids)) != len(mentor_ids) or len(mentor_ids) > program.policy.requests_limit:
            detail = f"expected 1 to {program.policy.requests_limit} different mentors"
            raise Problem(422, "The request is not valid", errors=[FieldError("/mentor_ids", detail)])
        wanted = [mentee_id, *mentor_ids]
        if await self._reads.seen(who.organisation_id, program_id, wanted) != set(wanted):
            not_there("participant")
        request = RequestMentors(program_id=program_id, participant_id=mentee_id, mentor_ids=tuple(mentor_ids))
        request_id = _request_id(program_id, key)
        return await self._ask(who, "request_mentors", program_id, mentee_id, request, request_id)

    async def _owned(self, who: Coordinator, program_id: UUID) -> SeenProgram:
        program = await program_of(self._reads, who, program_id)
        must_own(program, "Rounds")
        return program

    async def _drafted(self, who: Coordinator, program_id: UUID, round_id: UUID) -> None:
        found = await self.round(who, program_id, round_id)
        if found.status != "drafted":
            raise Problem(409, "This round has no drafts to review", f"It is {found.status}.")


def _broken(pool: Pool, *, edit: Edit, taken: int) -> list[RuleName]:
    """The rules that forbid a pair, counting the places that drafts take. Raises Problem where one is not there."""
    rows = pool.facts.row_of
    mentor, mentee = rows.get(edit.mentor_id), rows.get(edit.mentee_id)
    if mentor is None or mentee is None or edit.mentee_id not in pool.waiting:
        not_there("waiting mentee, or mentor")
    mentors, mentees = np.array([mentor]), np.array([mentee])
    policy = pool.program.policy
    broken = [name for name, rule in RULES if not rule(pool.facts, policy, mentors, mentees)[0]]
    if "capacity" not in broken and pool.facts.free_places(mentor) <= taken:
        broken.append("capacity")
    return broken


def _request_id(program_id: UUID, key: str | None) -> UUID:
    return uuid4() if key is None else uuid5(program_id, key)
