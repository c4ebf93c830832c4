"""The API for coordinators: what is read with a viewer's key, and what is asked for with a coordinator's.

Routes only: what is allowed and what is answered is decided at the desk. No answer says 202 before its request is in
the outbox.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.responses import Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from matching import metrics
from matching.adapters.coordinator_keys import KEY_PREFIX, Coordinator, CoordinatorKeys, TooManyAttempts
from matching.domain.auditing import FairnessAudit, Misstating, Outcome, StrategyAudit
from matching.domain.what_if import Comparison, Scope
from mentorstream_runtime.http import Problem
from mentorstream_runtime.keys import Unauthenticated, bearer_key

from . import answers, explanations
from .audits import Audits
from .desk import Desk
from .review import Reviews
from .review_api import Limit, add_reviews, cursor, position

DESCRIPTION: Final = """
Pages that people open from signed links, the page of coordinators at `/coordinate`, and the API for coordinators.

**Who is asking.** A key of an organisation, `Authorization: Bearer msc_…`. A viewer's key reads; a coordinator's also
acts. `mentorstream coordinators add` makes them.

**What is seen.** The owner of a program sees all of it. Another organisation that takes part sees its own people and
the matches that concern them; figures are about those. What is not seen does not exist: 404. Nobody is named here,
people are ids that intake minted.

**Acting is asking.** An answer 202 says that the request is on its way; it is decided in its turn, and what came of it
shows in later reads. The same request again is not asked twice.

**Lists** come in pages: `limit` entries, and `next` to pass as `after`.
"""
GroupBy = Annotated[
    str,
    Query(
        max_length=60,
        description="organisation, seniority, industry, language, zone, or audit: and an attribute that was declared.",
    ),
]
After = Annotated[UUID | None, Query(description="The `next` of the page before.")]


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {}}}


_COMMON: Final[dict[int | str, dict[str, Any]]] = {
    401: _problem("No valid key."),
    404: _problem("It does not exist, or not for this organisation."),
    422: _problem("A parameter is not valid."),
    429: _problem("Too many requests without a valid key came from this address; see `Retry-After`."),
    503: _problem("Something that is needed is away; see `Retry-After`."),
}
_OWNERS: Final[dict[int | str, dict[str, Any]]] = {
    403: _problem("This program is another organisation's."),
    409: _problem("It makes no sense for this kind of program, or too little was declared."),
}
_ACTING: Final[dict[int | str, dict[str, Any]]] = {
    403: _problem("This key may not do this."),
    409: _problem("Things are not so that this could be done; `detail` says how they are."),
}


class WhatIfBody(BaseModel):
    """`policy`: fields of the program's policy with other values, weights too. `scope`: who waits and free places, or
    everybody as if nobody were matched. `group_by`: organisation, seniority, industry, language or zone; what was
    declared serves the audits only. Small groups are hidden.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    policy: dict[str, Any] = Field(default_factory=dict, max_length=20)
    scope: Scope = "open"
    group_by: str = Field("organisation", max_length=60)


class CoordinatorApi:
    """Adds the routes to an application."""

    def __init__(self, keys: CoordinatorKeys, desk: Desk, reviews: Reviews, audits: Audits) -> None:
        self._keys = keys
        self._desk = desk
        self._audits = audits
        self._reviews = reviews

    def add_to(self, app: FastAPI) -> None:
        """All routes, and the answers to those who are nobody."""
        # For the description only: `_who` reads the header itself, to answer as the other services do.
        bearer = Depends(HTTPBearer(auto_error=False, description="A key of coordinators, msc_…"))
        router = APIRouter(prefix="/v1", responses=_COMMON, dependencies=[bearer])
        self._add_reads(router)
        self._add_matches(router)
        self._add_what_if(router)
        self._add_audits(router)
        add_reviews(router, self._reviews, self._who, _ACTING)
        app.include_router(router)
        app.add_exception_handler(Unauthenticated, _on_unauthenticated)
        app.add_exception_handler(TooManyAttempts, _on_too_many)

    async def _who(self, request: Request) -> Coordinator:
        parts = bearer_key(KEY_PREFIX, request.headers.get("authorization"))
        return await self._keys.by_key(parts, source_of(request))

    def _add_reads(self, router: APIRouter) -> None:
        @router.get("/programs", summary="Programs that your organisation takes part in")
        async def read_programs(request: Request, after: After = None, limit: Limit = 50) -> answers.ProgramsAnswer:
            """Your own, and those that are open to you."""
            found = await self._desk.programs(await self._who(request), after, limit + 1)
            items = [answers.program_answer(each) for each in found[:limit]]
            return answers.ProgramsAnswer(items, items[-1].program_id if len(found) > limit else None)

        @router.get("/programs/{program_id}", summary="A pool at a glance")
        async def read_program(request: Request, program_id: UUID) -> answers.GlanceAnswer:
            """People, places, matches and waiting times in figures."""
            return await self._desk.glance(await self._who(request), program_id)

        @router.get("/programs/{program_id}/waitlist", summary="Who waits, and why")
        async def read_waitlist(
            request: Request,
            program_id: UUID,
            after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
            limit: Limit = 50,
        ) -> answers.WaitlistAnswer:
            """Longest first. Reasons are as of the last look at the whole pool."""
            who = await self._who(request)
            found = await self._desk.waitlist(who, program_id, position(after), limit + 1)
            items = found[:limit]
            return answers.WaitlistAnswer(
                items, cursor(items[-1].since, items[-1].participant_id) if len(found) > limit else None
            )

    def _add_matches(self, router: APIRouter) -> None:
        @router.get("/programs/{program_id}/matches", summary="Matches")
        async def read_matches(
            request: Request,
            program_id: UUID,
            status: Annotated[
                Literal["proposed", "confirmed", "ended"] | None, Query(description="Only of this status.")
            ] = None,
            after: After = None,
            limit: Limit = 50,
        ) -> answers.MatchesAnswer:
            """Proposed, running and ended ones, by id."""
            found = await self._desk.matches(await self._who(request), program_id, status, after, limit + 1)
            items = found[:limit]
            return answers.MatchesAnswer(items, items[-1].match_id if len(found) > limit else None)

        @router.get("/programs/{program_id}/matches/{match_id}/explanation", summary="Why were they matched?")
        async def explain_match(
            request: Request,
            program_id: UUID,
            match_id: UUID,
            why_not: Annotated[
                UUID | None, Query(description="Another mentor, by participant id: why not them?")
            ] = None,
        ) -> explanations.ExplanationAnswer:
            """What was decided; and, from the pool as it is now, the runners-up on both sides and why not another."""
            return await self._desk.explanation(await self._who(request), program_id, match_id, why_not)

        @router.post(
            "/programs/{program_id}/matches/{match_id}/end",
            status_code=202,
            summary="End a match",
            responses=_ACTING,
        )
        async def end_match(request: Request, program_id: UUID, match_id: UUID) -> answers.AskedAnswer:
            """Meetings are cancelled and both are told. The mentee looks again only when a rematch is asked for.

            The id of a circle ends it for everybody in it; that of one mentee's match for this mentee.
            """
            return await self._desk.end(await self._who(request), program_id, match_id)

        @router.post(
            "/programs/{program_id}/matches/{match_id}/rematch",
            status_code=202,
            summary="End a match, and look for others",
            responses=_ACTING,
        )
        async def rematch(request: Request, program_id: UUID, match_id: UUID) -> answers.AskedAnswer:
            """As if the mentee had asked for another match: both look again, as the program matches.

            Of a circle it is the one mentee who leaves; the id of the circle is refused, naming the matches in it.
            """
            return await self._desk.rematch(await self._who(request), program_id, match_id)

    def _add_what_if(self, router: APIRouter) -> None:
        @router.post("/programs/{program_id}/what-if", summary="What would another policy do?", responses=_ACTING)
        async def compare_policies(request: Request, program_id: UUID, body: WhatIfBody) -> Comparison:
            """Two rounds over the same people, by the policy in force and by yours. Nothing comes of either."""
            who = await self._who(request)
            return await self._desk.what_if(who, program_id, body.policy, body.scope, body.group_by)

    def _add_audits(self, router: APIRouter) -> None:
        @router.get("/programs/{program_id}/audits", summary="By what people can be grouped", responses=_OWNERS)
        async def read_groupings(request: Request, program_id: UUID) -> list[str]:
            """What is known of people, and attributes that enough of them have a group of, declared for audits."""
            return await self._audits.groupings(await self._who(request), program_id)

        @router.get("/programs/{program_id}/audits/fairness", summary="Do groups fare alike?", responses=_OWNERS)
        async def audit_fairness(
            request: Request, program_id: UUID, group_by: GroupBy = "organisation", outcome: Outcome = "running"
        ) -> FairnessAudit:
            """Match rate and score gap by group of mentees, of the matches that run or of a round over everybody.

            With 95% intervals. What would speak of few people is hidden; declared groups that are hidden are one,
            `others`. 409 where too few mentees are of a declared group. Whatever the figures are, they name no cause.
            """
            return await self._audits.fairness(await self._who(request), program_id, outcome, group_by)

        @router.get(
            "/programs/{program_id}/audits/strategy", summary="Does misstating bring anything?", responses=_OWNERS
        )
        async def audit_strategy(
            request: Request, program_id: UUID, misstating: Misstating = "preferences"
        ) -> StrategyAudit:
            """A round over everybody, solved again with one mentee at a time misstating, all others honest.

            preferences: as if they wanted just what the mentor offers who fits best. availability: as if they were
            free only when this mentor is.
            """
            return await self._audits.strategy(await self._who(request), program_id, misstating)


def source_of(request: Request) -> str:
    """Where a request comes from, for counting failed attempts: the other end of the connection."""
    return "" if request.client is None else request.client.host


async def _on_unauthenticated(_request: Request, error: Exception) -> Response:
    metrics.COORDINATORS_DENIED.inc()
    problem = Problem(401, "Not authenticated", str(error), headers={"WWW-Authenticate": 'Bearer realm="mentorstream"'})
    return problem.response()


async def _on_too_many(_request: Request, error: Exception) -> Response:
    assert isinstance(error, TooManyAttempts)  # noqa: S101 - registered for this type only
    metrics.COORDINATORS_DENIED.inc()
    headers = {"Retry-After": str(int(error.wait_seconds) + 1)}
    return Problem(429, "Too many attempts without a valid key", headers=headers).response()
