"""The page of coordinators: a login with a key, then reading and acting with plain forms. Works without scripts.

Every form carries its session's token, and what it asks for goes the way of the API: through the desk, to
`registrations`. After a form the browser is sent on, so that loading anew sends nothing twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeAlias, cast
from uuid import UUID, uuid4

from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from matching import metrics
from matching.adapters.coordinated_rounds import Edit
from matching.adapters.coordination import SeenProgram
from matching.adapters.coordinator_keys import Coordinator, CoordinatorKeys, TooManyAttempts, parts_of
from matching.domain.auditing import Misstating, Outcome
from matching.domain.grouping import KNOWN
from matching.domain.score import FACETS
from matching.domain.values import Objective
from matching.domain.what_if import Scope
from mentorstream_events.values import Pair
from mentorstream_runtime.http import Problem
from mentorstream_runtime.keys import Unauthenticated
from mentorstream_runtime.pages import HEADERS
from mentorstream_runtime.sessions import Session, Sessions, new_session

from .api import source_of
from .audits import Audits
from .desk import Desk, must_own
from .forms import DRAFTS, Fields, fields_of, one, pair_of, percent
from .pages import OBJECTIVES, CoordinatorPages, Visit
from .review import Reviews
from .review_api import cursor, position

HOME: Final = "/coordinate"
_PAGE: Final = 50
_SEE_OTHER: Final = 303
_DONE: Final = {
    "run": "The round is asked for. Its pairs will be here as soon as it is solved.",
    "publish": "The pairs are on their way. They become matches, or proposals where mentors are asked.",
    "discard": "The round is discarded.",
    "remove": "The pairs were taken out.",
    "add": "The pair was put in.",
    "undo": "The last change was undone.",
    "end": "The match ends as soon as its turn comes.",
    "rematch": "The match ends as soon as its turn comes, and both look again.",
}
_At: TypeAlias = Callable[[str], Callable[[Any], Any]]
Text = Annotated[str | None, Query(max_length=80)]


class CoordinatorSite:
    """Adds the page to an application."""

    def __init__(
        self,
        keys: CoordinatorKeys,
        sessions: Sessions,
        logins: Sessions,
        pages: CoordinatorPages,
        desk: Desk,
        reviews: Reviews,
        audits: Audits,
    ) -> None:
        self._keys = keys
        self._sessions = sessions
        self._logins = logins
        self._pages = pages
        self._desk = desk
        self._reviews = reviews
        self._audits = audits

    def add_to(self, app: FastAPI) -> None:
        """All routes. They are for people, so the API's description leaves them out."""
        show, take = _routes(app, "GET"), _routes(app, "POST")
        self._add_home(show, take)
        self._add_matches(show, take)
        self._add_rounds(show, take)

    def _add_home(self, show: _At, take: _At) -> None:
        @show(HOME)
        async def home(request: Request, after: UUID | None = None, done: Text = None) -> Response:
            return await self._shown(request, None, done, lambda visit: self._programs(visit, after))

        @take(HOME + "/login")
        async def login(request: Request) -> Response:
            return await self._login(request)

        @take(HOME + "/logout")
        async def logout(request: Request) -> Response:
            return await self._logout(request)

        @show(HOME + "/programs/{program_id}")
        async def program(request: Request, program_id: UUID, done: Text = None) -> Response:
            return await self._shown(request, program_id, done, self._program)

        @show(HOME + "/programs/{program_id}/waiting")
        async def waiting(request: Request, program_id: UUID, after: Text = None) -> Response:
            return await self._shown(request, program_id, None, lambda visit: self._waiting(visit, after))

    def _add_matches(self, show: _At, take: _At) -> None:
        @show(HOME + "/programs/{program_id}/matches")
        async def matches(request: Request, program_id: UUID, after: UUID | None = None) -> Response:
            return await self._shown(request, program_id, None, lambda visit: self._matches(visit, after))

        @show(HOME + "/programs/{program_id}/matches/{match_id}")
        async def match(
            request: Request, program_id: UUID, match_id: UUID, why_not: Text = None, done: Text = None
        ) -> Response:
            return await self._shown(
                request, program_id, done, lambda visit: self._match(visit, match_id, (why_not or "").strip())
            )

        @take(HOME + "/programs/{program_id}/matches/{match_id}/end")
        async def end(request: Request, program_id: UUID, match_id: UUID) -> Response:
            async def act(who: Coordinator, fields: Fields) -> str:
                if one(fields, "sure") != "yes":
                    raise Problem(422, "Say that you are sure", "Nothing was ended.")
                whole = one(fields, "circle") == "yes"
                await self._desk.end(who, program_id, match_id, whole_circle=whole)
                return f"{HOME}/programs/{program_id}/matches/{match_id}?done=end"

            return await self._taken(request, program_id, act)

        @take(HOME + "/programs/{program_id}/matches/{match_id}/rematch")
        async def rematch(request: Request, program_id: UUID, match_id: UUID) -> Response:
            async def act(who: Coordinator, fields: Fields) -> str:
                if one(fields, "sure") != "yes":
                    raise Problem(422, "Say that you are sure", "Nothing was ended.")
                await self._desk.rematch(who, program_id, match_id)
                return f"{HOME}/programs/{program_id}/matches/{match_id}?done=rematch"

            return await self._taken(request, program_id, act)

    def _add_rounds(self, show: _At, take: _At) -> None:
        @show(HOME + "/programs/{program_id}/rounds")
        async def rounds(request: Request, program_id: UUID, after: Text = None) -> Response:
            return await self._shown(request, program_id, None, lambda visit: self._rounds(visit, after))

        @take(HOME + "/programs/{program_id}/rounds")
        async def run(request: Request, program_id: UUID) -> Response:
            async def act(who: Coordinator, fields: Fields) -> str:
                await self._reviews.run(who, program_id, 0, one(fields, "request") or None)
                return f"{HOME}/programs/{program_id}?done=run"

            return await self._taken(request, program_id, act)

        @show(HOME + "/programs/{program_id}/rounds/{round_id}")
        async def round_(
            request: Request, program_id: UUID, round_id: UUID, after: UUID | None = None, done: Text = None
        ) -> Response:
            return await self._shown(request, program_id, done, lambda visit: self._round(visit, round_id, after))

        @take(HOME + "/programs/{program_id}/rounds/{round_id}/drafts")
        async def review(request: Request, program_id: UUID, round_id: UUID) -> Response:
            async def act(who: Coordinator, fields: Fields) -> str:
                done = await self._review(who, program_id, round_id, fields)
                return f"{HOME}/programs/{program_id}/rounds/{round_id}?done={done}"

            return await self._taken(request, program_id, act)

        @take(HOME + "/programs/{program_id}/rounds/{round_id}/undo")
        async def undo(request: Request, program_id: UUID, round_id: UUID) -> Response:
            async def act(who: Coordinator, _fields: Fields) -> str:
                await self._reviews.undo(who, program_id, round_id)
                return f"{HOME}/programs/{program_id}/rounds/{round_id}?done=undo"

            return await self._taken(request, program_id, act)

        @show(HOME + "/programs/{program_id}/what-if")
        async def what_if(request: Request, program_id: UUID) -> Response:
            return await self._shown(request, program_id, None, lambda visit: self._what_if(visit, request))

        @show(HOME + "/programs/{program_id}/audits")
        async def audits(
            request: Request, program_id: UUID, by: Text = None, outcome: Text = None, misstating: Text = None
        ) -> Response:
            return await self._shown(
                request, program_id, None, lambda visit: self._audited(visit, by, outcome, misstating)
            )

    async def _login(self, request: Request) -> Response:
        session = self._logins.read(request)
        fields = await fields_of(request)
        if session is None or not self._logins.is_token(session, one(fields, "token")):
            return self._ask_key("This form is too old. Please try again.", status=403)
        try:
            who = await self._keys.by_key(parts_of(one(fields, "key")), source_of(request))
        except Unauthenticated:
            metrics.COORDINATORS_DENIED.inc()
            return self._ask_key("This key is unknown or revoked.", status=401)
        except TooManyAttempts:
            metrics.COORDINATORS_DENIED.inc()
            return self._ask_key("Too many attempts. Please wait a minute.", status=429)
        answer = _sent_to(HOME)
        self._sessions.keep(answer, new_session(who.lookup))
        return answer

    async def _logout(self, request: Request) -> Response:
        session = self._sessions.read(request)
        answer = _sent_to(HOME)
        if session is not None and self._sessions.is_token(session, one(await fields_of(request), "token")):
            self._sessions.end(answer)
        return answer

    async def _shown(
        self,
        request: Request,
        program_id: UUID | None,
        done: str | None,
        page: Callable[[Visit], Awaitable[HTMLResponse]],
    ) -> Response:
        session, who = await self._known(request)
        if session is None or who is None:
            return self._ask_key()
        visit = Visit(who, self._sessions.token(session), done=_DONE.get(done or "", ""))
        try:
            if program_id is not None:
                visit = _about(visit, await self._desk.program(who, program_id))
            return await page(visit)
        except Problem as problem:
            return self._trouble(visit, problem)

    async def _taken(
        self, request: Request, program_id: UUID, act: Callable[[Coordinator, Fields], Awaitable[str]]
    ) -> Response:
        session, who = await self._known(request)
        if session is None or who is None:
            return self._ask_key("You are not logged in any more. Nothing was done.", status=403)
        fields = await fields_of(request)
        visit = Visit(who, self._sessions.token(session))
        try:
            if not self._sessions.is_token(session, one(fields, "token")):
                raise Problem(403, "This form is not from here", "Nothing was done. Please open the page anew.")
            visit = _about(visit, await self._desk.program(who, program_id))
            return _sent_to(await act(who, fields))
        except Problem as problem:
            return self._trouble(visit, problem)

    async def _known(self, request: Request) -> tuple[Session | None, Coordinator | None]:
        session = self._sessions.read(request)
        if session is None or not session.lookup:
            return None, None
        return session, await self._keys.still_there(session.lookup)

    def _ask_key(self, error: str = "", *, status: int = 200) -> HTMLResponse:
        # In a cookie of its own: who comes by a link from elsewhere brings no cookie, and is to stay logged in here.
        session = new_session()
        answer = self._pages.login(Visit(None, self._logins.token(session), error=error, status=status))
        self._logins.keep(answer, session)
        return answer

    def _trouble(self, visit: Visit, problem: Problem) -> HTMLResponse:
        details = [problem.detail, *(f"{error.detail}." for error in problem.errors)]
        told = Visit(
            visit.who, visit.token, visit.program, error=" ".join(filter(None, details)), status=problem.status
        )
        answer = self._pages.trouble(told, problem.title)
        answer.headers.update(problem.headers)
        return answer

    async def _programs(self, visit: Visit, after: UUID | None) -> HTMLResponse:
        found = await self._desk.programs(_who(visit), after, _PAGE + 1)
        shown = found[:_PAGE]
        return self._pages.programs(visit, shown, shown[-1].program_id if len(found) > _PAGE else None)

    async def _program(self, visit: Visit) -> HTMLResponse:
        who, program = _who(visit), _program(visit)
        glance = await self._desk.glance(who, program.program_id)
        under_way = await self._reviews.under_way(who, program.program_id) if program.owned else None
        return self._pages.program(visit, glance, under_way, uuid4())

    async def _waiting(self, visit: Visit, after: str | None) -> HTMLResponse:
        found = await self._desk.waitlist(_who(visit), _program(visit).program_id, position(after), _PAGE + 1)
        shown = found[:_PAGE]
        following = cursor(shown[-1].since, shown[-1].participant_id) if len(found) > _PAGE else None
        return self._pages.waiting(visit, shown, following)

    async def _matches(self, visit: Visit, after: UUID | None) -> HTMLResponse:
        found = await self._desk.matches(_who(visit), _program(visit).program_id, None, after, _PAGE + 1)
        shown = found[:_PAGE]
        return self._pages.matches(visit, shown, shown[-1].match_id if len(found) > _PAGE else None)

    async def _match(self, visit: Visit, match_id: UUID, why_not: str) -> HTMLResponse:
        who, program_id = _who(visit), _program(visit).program_id
        other = await self._desk.named(who, program_id, why_not) if why_not else None
        found = await self._desk.explanation(who, program_id, match_id, other)
        return self._pages.match(visit, found, why_not)

    async def _rounds(self, visit: Visit, after: str | None) -> HTMLResponse:
        found = await self._reviews.rounds(_who(visit), _program(visit).program_id, position(after), _PAGE + 1)
        shown = found[:_PAGE]
        following = cursor(shown[-1].requested_at, shown[-1].round_id) if len(found) > _PAGE else None
        return self._pages.rounds(visit, shown, following)

    async def _round(self, visit: Visit, round_id: UUID, after: UUID | None) -> HTMLResponse:
        who, program_id = _who(visit), _program(visit).program_id
        found = await self._reviews.round(who, program_id, round_id)
        drafts, edits = await self._reviews.drafts(who, program_id, round_id, after, DRAFTS + 1)
        shown = drafts[:DRAFTS]
        following = shown[-1].mentee_id if len(drafts) > DRAFTS else None
        whole = after is None and following is None
        return self._pages.round(visit, found, shown, edits, following, whole=whole)

    async def _review(self, who: Coordinator, program_id: UUID, round_id: UUID, fields: Fields) -> str:
        """What was done, by its name in `_DONE`."""
        action = one(fields, "action")
        chosen = [pair_of(text) for text in fields.get("pair", ())]
        if action in ("remove", "approve") and not chosen:
            raise Problem(422, "No pair was chosen", "Choose at least one.")
        if action == "remove":
            for mentor_id, mentee_id in chosen:
                await self._reviews.edit(who, program_id, round_id, Edit("remove", mentor_id, mentee_id))
        elif action == "add":
            mentor_id = await self._desk.named(who, program_id, one(fields, "mentor"))
            mentee_id = await self._desk.named(who, program_id, one(fields, "mentee"))
            await self._reviews.edit(who, program_id, round_id, Edit("add", mentor_id, mentee_id))
        elif action == "discard":
            await self._reviews.discard(who, program_id, round_id)
        elif action in ("approve", "publish"):
            pairs = [Pair(mentor_id=mentor_id, mentee_id=mentee_id) for mentor_id, mentee_id in chosen]
            await self._reviews.publish(who, program_id, round_id, pairs if action == "approve" else None)
            return "publish"
        else:
            raise Problem(422, "Nothing was asked for")
        return action

    async def _what_if(self, visit: Visit, request: Request) -> HTMLResponse:
        program, query = _program(visit), request.query_params
        must_own(program, "Policies")
        policy = program.policy
        in_force: dict[str, float] = {name: float(getattr(policy.weights, name)) for name in FACETS}
        weights = {name: (now, percent(query.get(name), now)) for name, now in in_force.items()}
        objective = query.get("objective", "")
        objective = objective if objective in OBJECTIVES else policy.objective
        scope: Scope = "all" if query.get("scope") == "all" else "open"
        by = query.get("by", "organisation")
        result = None
        if query.get("asked"):
            changes = {
                "weights": {name: value / 100 for name, (_, value) in weights.items()},
                "objective": cast("Objective", objective),
            }
            result = await self._desk.what_if(_who(visit), program.program_id, changes, scope, by)
        return self._pages.what_if(visit, weights, objective, scope, (KNOWN, by), result)

    async def _audited(self, visit: Visit, by: str | None, outcome: str | None, misstating: str | None) -> HTMLResponse:
        who, program_id = _who(visit), _program(visit).program_id
        groupings = await self._audits.groupings(who, program_id)
        fairness = strategy = None
        of: Outcome = "round" if outcome == "round" else "running"
        how: Misstating = "availability" if misstating == "availability" else "preferences"
        if by:
            fairness = await self._audits.fairness(who, program_id, of, by)
        elif misstating:
            strategy = await self._audits.strategy(who, program_id, how)
        return self._pages.audits(visit, (groupings, by or "organisation"), of, fairness, how, strategy)


def _routes(app: FastAPI, method: str) -> _At:
    def at(path: str) -> Callable[[Any], Any]:
        return app.api_route(path, methods=[method], response_class=HTMLResponse, include_in_schema=False)

    return at


def _sent_to(path: str) -> Response:
    return RedirectResponse(path, status_code=_SEE_OTHER, headers=dict(HEADERS))


def _about(visit: Visit, program: SeenProgram) -> Visit:
    return Visit(visit.who, visit.token, program, visit.done, visit.error, visit.status)


def _who(visit: Visit) -> Coordinator:
    if visit.who is None:
        raise ValueError("nobody is logged in")
    return visit.who


def _program(visit: Visit) -> SeenProgram:
    if visit.program is None:
        raise ValueError("this page is about a program")
    return visit.program
