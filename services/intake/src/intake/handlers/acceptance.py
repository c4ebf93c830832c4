"""Accepting requests: check the ids, decide each in order, store state, answers and facts in one transaction.

Requests of one organisation that arrive while another group of it is being stored wait and go together in the next
one. They would wait for its lock anyway; this way they do so without holding a database connection, and share the
cost of the commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from msgspec import UNSET

from mentorstream_events import derived_id
from mentorstream_events.partner import (
    ConfigureProgram,
    ConfigureVocabulary,
    RegisterParticipant,
    RequestRematch,
    SetReportingLine,
    UpdateParticipant,
    UpdatePerson,
    WithdrawParticipant,
)
from mentorstream_runtime.clock import Clock
from mentorstream_runtime.errors import is_conflict, is_infrastructure
from mentorstream_runtime.outbox import Cause, Outgoing, emit

from ..domain.book import Book, Organisation
from ..domain.refusals import Refused, refuse
from .decisions import decide
from .facts import line_facts
from .naming import owner_and_reference
from .ports import AcceptedRow, Needs, RequestKey, Store, Transaction
from .submissions import Submission

log = structlog.get_logger(__name__)

GROUP_LIMIT: Final = 500
_ATTEMPTS: Final = 4


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A request that is in force. `repeated`: it had been accepted before, and this is the answer of then."""

    answer: Mapping[str, Any]
    repeated: bool = False


Outcome = Acceptance | Refused


@dataclass(slots=True)
class _Waiting:
    submissions: Sequence[Submission]
    outcomes: asyncio.Future[Sequence[Outcome]]


@dataclass(slots=True)
class _Line:
    waiting: deque[_Waiting] = field(default_factory=deque)
    worker: asyncio.Task[None] | None = None


class Acceptor:
    """Takes requests of any organisation and says what became of each, in the order given."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lines: dict[UUID, _Line] = {}

    async def accept(self, organisation: Organisation, submissions: Sequence[Submission]) -> Sequence[Outcome]:
        """All outcomes are committed when this returns. Raises what the database raises when it is away."""
        if not submissions:
            return []
        line = self._lines.setdefault(organisation.organisation_id, _Line())
        entry = _Waiting(submissions, asyncio.get_running_loop().create_future())
        line.waiting.append(entry)
        if line.worker is None:
            line.worker = asyncio.create_task(self._work(organisation, line))
        return await entry.outcomes

    async def _work(self, organisation: Organisation, line: _Line) -> None:
        try:
            while line.waiting:
                group = [line.waiting.popleft()]
                size = len(group[0].submissions)
                while line.waiting and size + len(line.waiting[0].submissions) <= GROUP_LIMIT:
                    group.append(line.waiting.popleft())
                    size += len(group[-1].submissions)
                await self._store_group(organisation, group)
        finally:
            line.worker = None
            del self._lines[organisation.organisation_id]

    async def _store_group(self, organisation: Organisation, group: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._store_with_retries(organisation, [each for one in group for each in one.submissions])
        except Exception as error:
            if len(group) > 1 and not is_infrastructure(error):
                # One of them may be what fails: the others shall not suffer for it.
                for one in group:
                    await self._store_group(organisation, [one])
                return
            for one in group:
                if not one.outcomes.done():
                    one.outcomes.set_exception(error)
            return
        start = 0
        for one in group:
            end = start + len(one.submissions)
            if not one.outcomes.done():  # the client may have gone; the request is in force all the same
                one.outcomes.set_result(outcomes[start:end])
            start = end

    async def _store_with_retries(
        self, organisation: Organisation, submissions: Sequence[Submission]
    ) -> Sequence[Outcome]:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._store_once(organisation, submissions)
            except Exception as error:
                # Another process accepted the same id, or locks met: look again and decide again.
                if attempt == _ATTEMPTS or not is_conflict(error):
                    raise
                log.info("decided_again", organisation=organisation.name, attempt=attempt, error=repr(error))
        raise AssertionError("unreachable")

    async def _store_once(self, organisation: Organisation, submissions: Sequence[Submission]) -> Sequence[Outcome]:
        now = await self._clock.now()
        async with self._store.transaction(organisation) as transaction:
            outcomes, published = await decide_and_store(transaction, organisation, submissions, now)
        if published:
            self._store.wake()
        return outcomes


async def decide_and_store(
    transaction: Transaction, organisation: Organisation, submissions: Sequence[Submission], now: datetime
) -> tuple[Sequence[Outcome], bool]:
    """Outcomes in the order given, and whether there are facts to publish."""
    earlier = await transaction.earlier([(each.source, each.id) for each in submissions])
    seen: dict[RequestKey, tuple[bytes, Mapping[str, Any]]] = {
        key: (before.digest, before.answer) for key, before in earlier.items()
    }
    fresh = [each for each in submissions if (each.source, each.id) not in seen]
    book: Book | None = None
    organisations: Mapping[str, UUID] = {}
    if fresh:
        needs = needs_of(fresh, organisation.name)
        if needs.organisations:
            organisations = await transaction.organisations(needs.organisations)
        book = await transaction.open_book(needs)
    outcomes: list[Outcome] = []
    accepted: list[AcceptedRow] = []
    events: list[Outgoing] = []
    for submission in submissions:
        key = (submission.source, submission.id)
        if key in seen:
            outcomes.append(_answer_again(submission, *seen[key]))
            continue
        assert book is not None  # noqa: S101 - an unseen submission is a fresh one
        # Accepted again after the first acceptance was forgotten, it is another cause: ids derived from it are new.
        cause_id = derived_id(organisation.organisation_id, submission.source, submission.id, now.isoformat())
        cause = Cause(id=str(cause_id), traceparent=submission.traceparent)
        try:
            decision = decide(book, submission.request, cause, now, organisations)
        except Refused as refused:
            outcomes.append(refused)
            continue
        answer = {
            "source": submission.source,
            "id": submission.id,
            "type": submission.type,
            "accepted_at": now.isoformat().replace("+00:00", "Z"),
            **decision.ids,
        }
        seen[key] = (submission.digest, answer)
        accepted.append(AcceptedRow(key, submission.digest, answer, now))
        events += decision.events
        outcomes.append(Acceptance(answer))
    if book is not None and accepted:
        await transaction.store(book, accepted)
        events += await _widened(transaction, book, now)
        await transaction.publish(events)
    return outcomes, bool(events)


def needs_of(submissions: Sequence[Submission], own_name: str) -> Needs:
    """Everything that the requests name."""
    references: set[str] = set()
    lines: set[str] = set()
    programs: set[tuple[str, str]] = set()
    organisations: set[str] = set()
    vocabularies: set[tuple[str, str]] = set()
    for submission in submissions:
        request = submission.request
        match request:
            case ConfigureProgram():
                organisations.update(request.open_to)
            case ConfigureVocabulary():
                vocabularies.add(owner_and_reference(request.program, own_name))
            case RegisterParticipant():
                references.update((request.person.reference, *request.participant.blocks))
                if request.manager is not UNSET:
                    lines.add(request.person.reference)
                if isinstance(request.manager, str):
                    references.add(request.manager)
            case UpdateParticipant():
                references.update((request.person, *request.participant.blocks))
            case WithdrawParticipant() | RequestRematch():
                references.add(request.person)
            case UpdatePerson():
                references.add(request.person.reference)
            case SetReportingLine():
                lines.add(request.person)
                references.update(each for each in (request.person, request.manager) if each is not None)
            case _:
                raise NotImplementedError(type(request).__name__)
        program = getattr(request, "program", None)
        if program is not None:
            programs.add(owner_and_reference(program, own_name))
    return Needs(
        frozenset(references),
        frozenset(lines),
        frozenset(programs),
        frozenset(organisations),
        frozenset(vocabularies),
    )


def _answer_again(submission: Submission, digest: bytes, answer: Mapping[str, Any]) -> Outcome:
    if digest == submission.digest:
        return Acceptance(answer, repeated=True)
    return refuse(
        "conflict",
        "This id was used for another request",
        "",
        f"id {submission.id!r} of source {submission.source!r} was accepted at {answer['accepted_at']} with another"
        " body; send a new request under a new id, or the same body again",
    )


async def _widened(transaction: Transaction, book: Book, now: datetime) -> Sequence[Outgoing]:
    """Programs that look further up reporting lines than before need everybody's longer chains."""
    events: list[Outgoing] = []
    for program_id in book.widened_programs:
        program = book.programs[program_id]
        cause = Cause(id=str(derived_id("widened", program_id, program.version)))
        lines = await transaction.lines_of(program_id, program.boss_levels)
        events += [emit(cause, fact, time=now, name=index) for index, fact in enumerate(line_facts(program_id, lines))]
    return events


def traced(submission: Submission, traceparent: str | None) -> Submission:
    """The submission as part of the HTTP request's trace, unless the event names its own."""
    return submission if submission.traceparent else replace(submission, traceparent=traceparent)
