"""What coordinators can do, whether through the API or on the page: authorised first, then read or asked for.

A program that an organisation does not take part in does not exist for it, and neither does anything in it: 404. What
only the owner may do is 403 for the others, before anything is looked up. Acting is asking `registrations`; what came
of it shows in later reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn, TypeVar
from uuid import UUID, uuid5

import msgspec

from matching import metrics
from matching.adapters.coordination import Coordination, SeenProgram
from matching.adapters.coordinator_keys import Coordinator
from matching.adapters.coordinator_requests import CoordinatorRequests, Kind
from matching.adapters.pool_copies import Busy, PoolCopies, TooLarge
from matching.domain import explaining, what_if
from matching.domain.explaining import Why, WhyNot
from matching.domain.grouping import KNOWN, known_grouping
from matching.domain.pool import Pool
from matching.domain.rounding import Solution
from matching.domain.values import Match, Objective, Policy
from matching.settings import MatchingSettings
from mentorstream_events import Value
from mentorstream_events import values as wire
from mentorstream_events.registrations import EndMatch, RematchRequested
from mentorstream_runtime.http import FieldError, Problem, unavailable
from mentorstream_runtime.process import Runtime
from mentorstream_runtime.tracing import current_traceparent

from . import answers, explanations

ResultT = TypeVar("ResultT")
_CHANGEABLE: Final = frozenset(
    {
        "objective",
        "weights",
        "minimum_common_minutes",
        "minimum_score",
        "share_language",
        "organisations",
        "boss_levels",
        "same_boss_allowed",
        "seniority_gap_minimum",
        "seniority_gap_maximum",
        "mentor_credentials",
        "mentee_credentials",
        "rematch_former",
    }
)


class Asker:
    """Asks `registrations` for coordinators, each thing once."""

    def __init__(self, runtime: Runtime[MatchingSettings], requests: CoordinatorRequests) -> None:
        self._runtime = runtime
        self._requests = requests

    async def now(self) -> datetime:
        """Business time."""
        return await self._runtime.clock.now()

    async def __call__(
        self, who: Coordinator, kind: Kind, program_id: UUID, subject_id: UUID, request: Value, request_id: UUID
    ) -> answers.AskedAnswer:
        """Ask, unless that was asked before under this request id."""
        asked = await self._requests.ask(
            who,
            kind,
            program_id,
            subject_id,
            request,
            request_id=request_id,
            now=await self.now(),
            traceparent=current_traceparent(),
        )
        self._runtime.wake()
        metrics.COORDINATOR_REQUESTS.labels(kind).inc(asked)
        return answers.AskedAnswer(request_id, repeated=not asked)


class Look:
    """Looks at a whole pool, or says why not."""

    def __init__(self, copies: PoolCopies) -> None:
        self._copies = copies

    async def __call__(self, program_id: UUID, ask: Callable[[Pool], ResultT]) -> ResultT:
        """What `ask` answers about the pool, off the event loop."""
        try:
            return await self._copies.look(program_id, ask)
        except TooLarge as error:
            raise Problem(422, "This program is too large to be looked at whole", str(error)) from None
        except Busy:
            raise unavailable("Others are being answered; try again in a moment.") from None

    async def at_round(
        self, program_id: UUID, round_id: UUID, ask: Callable[[Solution, Objective], ResultT]
    ) -> ResultT | None:
        """What `ask` answers about what a round was solved to, off the event loop; None where that is not kept."""
        try:
            return await self._copies.answer_of(program_id, round_id, ask)
        except Busy:
            raise unavailable("Others are being answered; try again in a moment.") from None


class Desk:
    """Serves coordinators. Every method raises Problem for what the caller may not do or see."""

    def __init__(self, reads: Coordination, look: Look, ask: Asker) -> None:
        self._reads = reads
        self._look = look
        self._ask = ask

    async def programs(self, who: Coordinator, after: UUID | None, limit: int) -> Sequence[SeenProgram]:
        """Programs that the organisation takes part in."""
        return await self._reads.programs(who.organisation_id, after, limit)

    async def program(self, who: Coordinator, program_id: UUID) -> SeenProgram:
        """One of them."""
        return await program_of(self._reads, who, program_id)

    async def glance(self, who: Coordinator, program_id: UUID) -> answers.GlanceAnswer:
        """A pool in figures."""
        program = await self.program(who, program_id)
        return answers.glance_answer(program, await self._reads.glance(who.organisation_id, program))

    async def waitlist(
        self, who: Coordinator, program_id: UUID, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[answers.WaitingAnswer]:
        """Who waits, longest first."""
        program = await self.program(who, program_id)
        waiting = await self._reads.waiting(who.organisation_id, program_id, after, limit)
        waited = [answers.days_waited(each, program.now) for each in waiting]
        # Of all who wait or waited, so for the owner only: of a few people's waits nothing can be told.
        estimates = await self._reads.estimates(who.organisation_id, program, waited) if program.owned else {}
        return [answers.waiting_answer(each, program.now, estimates) for each in waiting]

    async def matches(
        self, who: Coordinator, program_id: UUID, status: str | None, after: UUID | None, limit: int
    ) -> list[answers.MatchAnswer]:
        """Matches by id."""
        await self.program(who, program_id)
        matches = await self._reads.matches(who.organisation_id, program_id, status, after, limit)
        return [answers.match_answer(each) for each in matches]

    async def explanation(
        self, who: Coordinator, program_id: UUID, match_id: UUID, other_id: UUID | None
    ) -> explanations.ExplanationAnswer:
        """Why two were matched and, if asked, why not another mentor."""
        program = await self.program(who, program_id)
        match = await self._match(who, program_id, match_id)
        if other_id is not None and not await self._reads.seen(who.organisation_id, program_id, [other_id]):
            not_there("participant")

        def ask(pool: Pool) -> tuple[Why, WhyNot | None, int] | None:
            try:
                why = explaining.why(pool, match)
                why_not = None if other_id is None else explaining.why_not(pool, match, other_id)
            except LookupError:  # somebody has left since
                return None
            return why, why_not, pool.program.policy.version

        found = await self._look(program_id, ask)
        now = why_not = None
        if found is not None:
            why, other, version = found
            seen = await self._reads.seen(who.organisation_id, program_id, explanations.candidates_of(why))
            now = explanations.now_answer(why, version, seen)
            if other_id is not None and other is not None:
                why_not = explanations.why_not_answer(other_id, other)
        day = await self._on_the_day(program, match, other_id)
        return explanations.ExplanationAnswer(answers.match_answer(match), now, why_not, day)

    async def _on_the_day(
        self, program: SeenProgram, match: Match, other_id: UUID | None
    ) -> explanations.OnTheDayAnswer | None:
        """What the match's round knew. For the owner only: it is about everybody who was in the round."""
        if match.round_id is None or not program.owned:
            return None

        in_forms = program.kind in ("group", "peer")

        def ask(solution: Solution, objective: Objective) -> explanations.OnTheDayAnswer | None:
            mentee_id = match.mentee.participant_id
            why_not = None
            if other_id is not None and mentee_id in solution.mentees:
                why_not = explaining.why_not_in_round(
                    solution, mentee_id, other_id, highest_sum=objective == "total" and not in_forms
                )
            return explanations.on_the_day_answer(solution, mentee_id, why_not)

        return await self._look.at_round(program.program_id, match.round_id, ask)

    async def end(
        self, who: Coordinator, program_id: UUID, match_id: UUID, *, whole_circle: bool = False
    ) -> answers.AskedAnswer:
        """Ask for a match to end; for all who are in its circle by that circle's id, or where told so."""
        must_act(who)
        match = await self._match(who, program_id, match_id)
        if match.status == "ended":
            raise Problem(409, "This match has ended", "There is nothing left to end.")
        if whole_circle and match.circle_id is not None:
            match_id = match.circle_id
        request = EndMatch(program_id=program_id, match_id=match_id, reason="coordinator")
        return await self._ask(who, "end", program_id, match_id, request, uuid5(match_id, "end"))

    async def rematch(self, who: Coordinator, program_id: UUID, match_id: UUID) -> answers.AskedAnswer:
        """Ask for a match to end and both to look again. Of a circle, one mentee does, by their match's id."""
        must_act(who)
        match = await self._match(who, program_id, match_id)
        if match.status == "ended":
            raise Problem(409, "This match has ended", "The mentee's organisation can ask for another on their behalf.")
        if match.match_id != match_id:  # whoever is first in a circle is another one once the first has left
            members = await self._reads.circle(who.organisation_id, program_id, match_id)
            detail = f"Give the id of one mentee's match: {', '.join(str(each) for each in members)}."
            raise Problem(409, "This is the id of a circle", detail)
        request = RematchRequested(
            program_id=program_id, participant_id=match.mentee.participant_id, match_id=match.match_id
        )
        request_id = uuid5(match.match_id, "rematch")
        return await self._ask(who, "rematch", program_id, match.match_id, request, request_id)

    async def what_if(
        self,
        who: Coordinator,
        program_id: UUID,
        changes: Mapping[str, Any],
        scope: what_if.Scope,
        group_by: str,
    ) -> what_if.Comparison:
        """What the policy in force with these changes would do. For the owner only; nothing comes of it."""
        program = await self.program(who, program_id)
        must_own(program, "Policies")
        grouping = known_grouping(group_by)
        if grouping is None:
            detail = f"expected one of {', '.join(KNOWN)}; what was declared for audits serves the audits only"
            raise Problem(422, "The request is not valid", errors=[FieldError("/group_by", detail)])
        policy = _changed(program.policy, changes)
        return await self._look(program_id, lambda pool: what_if.compare(pool, policy, scope, grouping))

    async def named(self, who: Coordinator, program_id: UUID, reference: str) -> UUID:
        """The participant with this id, or this end of it."""
        await self.program(who, program_id)
        found = await self._reads.named(who.organisation_id, program_id, reference.strip().lower())
        if len(found) > 1:
            raise Problem(409, "Several have this reference", "Please give the whole id.")
        return found[0] if found else not_there("participant")

    async def _match(self, who: Coordinator, program_id: UUID, match_id: UUID) -> Match:
        found = await self._reads.match(who.organisation_id, program_id, match_id)
        return found if found is not None else not_there("match")


def _changed(policy: Policy, changes: Mapping[str, Any]) -> Policy:
    """The policy with other values. Raises Problem for what intake would refuse of them, bounds and contradictions."""
    for name in sorted(set(changes) - _CHANGEABLE):
        raise _no_policy("cannot be changed", f"/{name}")
    weights = changes.get("weights", {})
    if not isinstance(weights, dict):
        raise _no_policy("expected an object", "/weights")
    told = msgspec.to_builtins(policy)
    for name in sorted(set(weights) - set(told["weights"])):
        raise _no_policy("there is no such weight", f"/weights/{name}")
    told |= {**changes, "weights": told["weights"] | weights}
    try:
        changed = msgspec.convert(msgspec.to_builtins(msgspec.convert(told, wire.Policy)), Policy)
    except msgspec.ValidationError as error:
        raise _no_policy(str(error)) from None
    if not any(msgspec.to_builtins(changed.weights).values()):
        raise _no_policy("all weights are zero; nothing would be left to rank by", "/weights")
    least, most = changed.seniority_gap_minimum, changed.seniority_gap_maximum
    if least is not None and most is not None and least > most:
        name = "seniority_gap_minimum" if "seniority_gap_minimum" in changes else "seniority_gap_maximum"
        raise _no_policy(f"seniority_gap_minimum {least} is above seniority_gap_maximum {most}", f"/{name}")
    return changed


def _no_policy(detail: str, field: str = "") -> Problem:
    return Problem(422, "The request is not valid", errors=[FieldError(f"/policy{field}", detail)])


def must_act(who: Coordinator) -> None:
    """Raises Problem for a key that may only look."""
    if not who.may_act:
        raise Problem(403, "This key may only look", "Acting needs a key with the role coordinator.")


async def program_of(reads: Coordination, who: Coordinator, program_id: UUID) -> SeenProgram:
    """A program that the organisation takes part in. Raises Problem where it is none."""
    found = await reads.program(who.organisation_id, program_id)
    return found if found is not None else not_there("program")


def must_own(program: SeenProgram, what: str) -> None:
    """Raises Problem for a program of which another organisation is the owner; `what` is theirs alone."""
    if not program.owned:
        raise Problem(403, f"{what} are the owner's", "This program is another organisation's.")


def not_there(what: str) -> NoReturn:
    """Raises Problem for what does not exist, or not for the caller: both sound the same."""
    raise Problem(404, f"There is no such {what}", "It does not exist, or not for your organisation.")
