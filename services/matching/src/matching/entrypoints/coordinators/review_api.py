"""Routes for rounds, their drafts, and requests on a mentee's behalf. What is allowed is decided in `review`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from matching.adapters.coordinated_rounds import Edit
from matching.adapters.coordinator_keys import Coordinator
from mentorstream_events.values import Pair
from mentorstream_runtime.http import Problem

from . import answers, review_answers
from .review import Reviews

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MOST: Final = 200
Limit = Annotated[int, Query(ge=1, le=_MOST, description="Most entries of one page.")]
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=100, description="The same key is the same request.")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunBody(_Body):
    """`seed` breaks ties, and nothing else."""

    seed: int = Field(0, ge=0, lt=2**31)


class PairBody(_Body):
    """A mentor and a mentee, by participant id."""

    mentor_id: UUID
    mentee_id: UUID


class EditBody(PairBody):
    """Take a drafted pair out, or put another in."""

    action: Literal["remove", "add"]


class PublishBody(_Body):
    """`approved`: the drafts to publish; left out: all. Pairs that were put in are always published."""

    approved: list[PairBody] | None = Field(None, max_length=5000)


class RequestBody(_Body):
    """Mentors whom a mentee asks for, the dearest first."""

    participant_id: UUID
    mentor_ids: list[UUID] = Field(min_length=1, max_length=10)


def cursor(time: datetime, of: UUID) -> str:
    """Where a page ended in a list that is ordered by time, then id."""
    return f"{(time - _EPOCH) // _MICROSECOND}.{of}"


def position(after: str | None) -> tuple[datetime, UUID] | None:
    """What `cursor` wrote. Raises Problem for anything else."""
    if after is None:
        return None
    microseconds, _, of = after.partition(".")
    try:
        return _EPOCH + int(microseconds) * _MICROSECOND, UUID(of)
    except (ValueError, OverflowError):
        raise Problem(422, "The request is not valid", "after: expected the next of a page before") from None


def add_reviews(
    router: APIRouter,
    reviews: Reviews,
    who: Callable[[Request], Awaitable[Coordinator]],
    problems: dict[int | str, dict[str, Any]],
) -> None:
    """All routes. `problems`: answers of routes that act."""

    @router.post("/programs/{program_id}/rounds", status_code=202, summary="Run a round now", responses=problems)
    async def run_round(
        request: Request, program_id: UUID, body: RunBody | None = None, key: Key = None
    ) -> answers.AskedAnswer:
        """The round's id is the request's. One round of a program is under way at a time."""
        return await reviews.run(await who(request), program_id, body.seed if body else 0, key)

    @router.get("/programs/{program_id}/rounds", summary="Rounds")
    async def read_rounds(
        request: Request,
        program_id: UUID,
        after: Annotated[str | None, Query(max_length=80, description="The `next` of the page before.")] = None,
        limit: Limit = 50,
    ) -> review_answers.RoundsAnswer:
        """Newest first."""
        found = await reviews.rounds(await who(request), program_id, position(after), limit + 1)
        items = [review_answers.round_answer(each) for each in found[:limit]]
        last = cursor(items[-1].requested_at, items[-1].round_id) if len(found) > limit else None
        return review_answers.RoundsAnswer(items, last)

    @router.get("/programs/{program_id}/rounds/{round_id}", summary="A round and what proves it")
    async def read_round(request: Request, program_id: UUID, round_id: UUID) -> review_answers.RoundAnswer:
        """With value, bound, gap and blocking pairs once it is solved."""
        return review_answers.round_answer(await reviews.round(await who(request), program_id, round_id))

    @router.get("/programs/{program_id}/rounds/{round_id}/drafts", summary="Drafts to review")
    async def read_drafts(
        request: Request,
        program_id: UUID,
        round_id: UUID,
        after: Annotated[UUID | None, Query(description="The `next` of the page before.")] = None,
        limit: Limit = 50,
    ) -> review_answers.DraftsAnswer:
        """By the mentee's id, with the edits that stand."""
        found, edits = await reviews.drafts(await who(request), program_id, round_id, after, limit + 1)
        items = [review_answers.draft_answer(each) for each in found[:limit]]
        last = items[-1].mentee_id if len(found) > limit else None
        return review_answers.DraftsAnswer(items, [review_answers.edit_answer(each) for each in edits], last)

    @router.post(
        "/programs/{program_id}/rounds/{round_id}/drafts/edits",
        status_code=201,
        summary="Take a pair out of the drafts, or put one in",
        responses=problems,
    )
    async def edit_drafts(
        request: Request, program_id: UUID, round_id: UUID, body: EditBody
    ) -> review_answers.EditAnswer:
        """A pair is put in where rules and places allow it; `errors` names the rules that do not."""
        edit = Edit(body.action, body.mentor_id, body.mentee_id)
        await reviews.edit(await who(request), program_id, round_id, edit)
        return review_answers.edit_answer(edit)

    @router.post(
        "/programs/{program_id}/rounds/{round_id}/drafts/undo", summary="Undo the last edit", responses=problems
    )
    async def undo_edit(request: Request, program_id: UUID, round_id: UUID) -> review_answers.EditAnswer:
        """What was undone."""
        return review_answers.edit_answer(await reviews.undo(await who(request), program_id, round_id))

    @router.post(
        "/programs/{program_id}/rounds/{round_id}/publish",
        status_code=202,
        summary="Publish drafts",
        responses=problems,
    )
    async def publish_round(
        request: Request, program_id: UUID, round_id: UUID, body: PublishBody | None = None
    ) -> answers.AskedAnswer:
        """As edited: all, or those approved. The others are dropped, and who was in them waits for the next round."""
        approved = body.approved if body else None
        pairs = None if approved is None else [Pair(mentor_id=e.mentor_id, mentee_id=e.mentee_id) for e in approved]
        return await reviews.publish(await who(request), program_id, round_id, pairs)

    @router.post(
        "/programs/{program_id}/rounds/{round_id}/discard",
        status_code=202,
        summary="Discard a round",
        responses=problems,
    )
    async def discard_round(request: Request, program_id: UUID, round_id: UUID) -> answers.AskedAnswer:
        """Nothing comes of it."""
        return await reviews.discard(await who(request), program_id, round_id)

    @router.post(
        "/programs/{program_id}/requests",
        status_code=202,
        summary="Ask for mentors on a mentee's behalf",
        responses=problems,
    )
    async def request_mentors(
        request: Request, program_id: UUID, body: RequestBody, key: Key = None
    ) -> answers.AskedAnswer:
        """Where the program matches on request. It replaces what the mentee asked for before."""
        return await reviews.request_mentors(await who(request), program_id, body.participant_id, body.mentor_ids, key)
