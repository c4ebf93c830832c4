"""Accepting requests: check the ids, decide each in order, store state, answers and facts in one transaction.

Requests that arrive while others are being stored wait, without holding a database connection, and go together in the
next transaction, whoever they are from: so many share its round trips and its commit. Each organisation's are decided
on their own, in the order in which they came, and a fault is only theirs who caused it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from msgspec import UNSET

from mentorstream_events import derived_id, derived_text
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
from mentorstream_runtime.errors import is_conflict, is_contention, is_infrastructure, may_be_of_one
from mentorstream_runtime.outbox import Cause, Outgoing, emit

from ..domain.book import Book, Organisation
from ..domain.refusals import Refused, refuse
from .decisions import decide
from .facts import line_facts
from .naming import owner_and_reference
from .ports import AcceptedRow, Earlier, Needs, Store, Transaction
from .submissions import Submission

log = structlog.get_logger(__name__)

# Under load a group is this large: a transaction has some fifteen round trips, and all in it share them.
_GROUP_LIMIT: Final = 1000
_ATTEMPTS: Final = 4
# One is decided while the database answers the other. More would only make smaller groups. Who waits for a lock that
# others hold is not among them.
_AT_ONCE: Final = 2
# They change what others' requests are decided by: no other organisation's go with them.
_ALONE: Final = (ConfigureProgram, ConfigureVocabulary)
_ENCODER: Final = msgspec.json.Encoder()


class Acceptance(msgspec.Struct, frozen=True, gc=False):
    """A request that is in force. `repeated`: it had been accepted before, and this is the answer of then, in JSON."""

    answer: bytes
    repeated: bool = False


Outcome = Acceptance | Refused


@dataclass(slots=True, eq=False)
class _Waiting:
    organisation: Organisation
    submissions: Sequence[Submission]
    outcomes: asyncio.Future[Sequence[Outcome]]
    alone: bool


_Group = Mapping[UUID, Sequence[_Waiting]]  # by organisation


class Acceptor:
    """Takes requests of any organisation and says what became of each, in the order given.

    `pool_size` is how many connections the store has; acceptance leaves one of them to others where there are three.
    """

    def __init__(self, store: Store, clock: Clock, *, pool_size: int) -> None:
        self._store = store
        self._clock = clock
        self._connections = max(2, pool_size - 1)
        self._waiting: list[_Waiting] = []
        # Each of one organisation whose locks others held, and how often these were waited for. It stays busy.
        self._aside: deque[tuple[Sequence[_Waiting], int]] = deque()
        self._busy: set[UUID] = set()
        self._under_way: set[asyncio.Task[None]] = set()
        self._at_locks: set[asyncio.Task[None]] = set()

    async def accept(self, organisation: Organisation, submissions: Sequence[Submission]) -> Sequence[Outcome]:
        """All outcomes are committed when this returns. Raises what the database raises when it is away."""
        if not submissions:
            return []
        alone = any(isinstance(each.request, _ALONE) for each in submissions)
        entry = _Waiting(organisation, submissions, asyncio.get_running_loop().create_future(), alone)
        self._waiting.append(entry)
        self._begin()
        return await entry.outcomes

    def _begin(self) -> None:
        # Who waits for locks takes all connections but one: whoever needs none of these locks goes on.
        while self._aside and len(self._at_locks) < self._connections - 1 and self._connected():
            entries, turn = self._aside.popleft()
            self._start(self._at_locks, self._work({entries[0].organisation.organisation_id: entries}, turn))
        while len(self._under_way) < _AT_ONCE and self._connected() and (group := self._next_group()):
            self._busy |= group.keys()
            self._start(self._under_way, self._work(group, 0))

    def _connected(self) -> bool:
        return len(self._under_way) + len(self._at_locks) < self._connections

    def _start(self, tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(self._ended)

    def _next_group(self) -> _Group:
        """By organisation, whoever came first and as many of those behind them as may go with them."""
        group: dict[UUID, list[_Waiting]] = {}
        later: list[_Waiting] = []
        # Whose requests have to wait now: theirs are taken in the order in which they came.
        held = set(self._busy)
        size, closed = 0, False
        for index, entry in enumerate(self._waiting):
            key = entry.organisation.organisation_id
            stranger = bool(group) and key not in group
            if key in held or (stranger and (closed or entry.alone)) or (entry.alone and len(group) > 1):
                held.add(key)
                later.append(entry)
                continue
            if group and size + len(entry.submissions) > _GROUP_LIMIT:
                later += self._waiting[index:]
                break
            group.setdefault(key, []).append(entry)
            size += len(entry.submissions)
            closed = closed or entry.alone
        self._waiting = later
        return group

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._at_locks.discard(task)
        self._begin()

    async def _work(self, group: _Group, turn: int) -> None:
        """Store a group. In turn 0 nobody waits for an organisation's lock, in those after it one organisation does."""
        held: _Group = {}
        try:
            held = await self._store_group(group, turn)
        finally:
            self._busy -= group.keys() - held.keys()
        self._aside += [(entries, turn + 1) for entries in held.values()]

    async def _store_group(self, group: _Group, turn: int) -> _Group:
        """Returns those whose locks others hold."""
        if len(group) == 1:
            ((key, own),) = group.items()
            left = await self._store_entries(own, turn)
            return {key: left} if left else {}
        entries = [entry for own in group.values() for entry in own]
        try:
            stored = await self._store_once(entries, wait=False)
        except Exception as error:
            log.info("stored_in_parts", organisations=len(group), error=repr(error))
            if is_contention(error) or may_be_of_one(error):
                # It may have taken long, and would in each half again.
                for entry in entries:
                    entry.alone = True
                self._waiting[:0] = entries
                return {}
            if is_infrastructure(error):
                _fail(entries, error)
                return {}
            keys = list(group)
            half = len(keys) // 2
            first = await self._store_group({key: group[key] for key in keys[:half]}, turn)
            return {**first, **await self._store_group({key: group[key] for key in keys[half:]}, turn)}
        for key, outcomes in stored.items():
            _tell(group[key], outcomes)
        return {key: own for key, own in group.items() if key not in stored}

    async def _store_entries(self, entries: Sequence[_Waiting], turn: int) -> Sequence[_Waiting]:
        """Store requests of one organisation. Returns those that others' locks stood in the way of."""
        try:
            outcomes = await self._store_with_retries(entries, wait=turn > 0)
        except Exception as error:
            if is_contention(error) and turn < _ATTEMPTS:
                log.info("set_aside", organisation=entries[0].organisation.name, turn=turn, error=repr(error))
                return entries
            if len(entries) > 1 and not is_infrastructure(error) and not is_contention(error):
                # One of them may be what fails: the others shall not suffer for it.
                left: list[_Waiting] = []
                for each in entries:
                    left += [each] if left else await self._store_entries([each], turn)
                return left
            _fail(entries, error)
            return []
        if outcomes is None:
            return entries
        _tell(entries, outcomes)
        return []

    async def _store_with_retries(self, entries: Sequence[_Waiting], *, wait: bool) -> Sequence[Outcome] | None:
        organisation = entries[0].organisation
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return (await self._store_once(entries, wait=wait)).get(organisation.organisation_id)
            except Exception as error:
                # Another process accepted the same id: look again and decide again. Locks are waited for in turns.
                if attempt == _ATTEMPTS or not is_conflict(error) or is_contention(error):
                    raise
                log.info("decided_again", organisation=organisation.name, attempt=attempt, error=repr(error))
        raise AssertionError("unreachable")

    async def _store_once(self, entries: Sequence[_Waiting], *, wait: bool) -> Mapping[UUID, Sequence[Outcome]]:
        """Outcomes by organisation, of those whose locks were had."""
        now = await self._clock.now()
        asking = {each.organisation.organisation_id: each.organisation for each in entries}
        async with self._store.transaction(list(asking.values()), wait=wait) as transaction:
            if not transaction.organisations:
                return {}
            asked: dict[UUID, list[Submission]] = {each.organisation_id: [] for each in transaction.organisations}
            for entry in entries:
                if entry.organisation.organisation_id in asked:
                    asked[entry.organisation.organisation_id] += entry.submissions
            outcomes, published = await decide_and_store(transaction, asked, now)
        if published:
            self._store.wake()
        return outcomes


def _tell(entries: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
    start = 0
    for entry in entries:
        end = start + len(entry.submissions)
        if not entry.outcomes.done():  # the client may have gone; the request is in force all the same
            entry.outcomes.set_result(outcomes[start:end])
        start = end


def _fail(entries: Sequence[_Waiting], error: Exception) -> None:
    for entry in entries:
        if not entry.outcomes.done():
            entry.outcomes.set_exception(error)


async def decide_and_store(
    transaction: Transaction, asked: Mapping[UUID, Sequence[Submission]], now: datetime
) -> tuple[Mapping[UUID, Sequence[Outcome]], bool]:
    """Outcomes of each of the transaction's organisations, in the order given, and whether there are facts."""
    earlier = await transaction.earlier(
        [(key, each.source, each.id) for key, submissions in asked.items() for each in submissions]
    )
    needs: dict[UUID, Needs] = {}
    for organisation in transaction.organisations:
        key = organisation.organisation_id
        fresh = [each for each in asked[key] if (key, each.source, each.id) not in earlier]
        if fresh:
            needs[key] = needs_of(fresh, organisation.name)
    names = frozenset(name for need in needs.values() for name in need.organisations)
    others = await transaction.named(names) if names else {}
    books = await transaction.open_books(needs) if needs else {}
    outcomes: dict[UUID, Sequence[Outcome]] = {}
    accepted: list[AcceptedRow] = []
    events: list[Outgoing] = []
    before: dict[UUID, dict[tuple[str, str], Earlier]] = {key: {} for key in asked}
    for (key, source, identifier), known in earlier.items():
        before[key][source, identifier] = known
    for key, submissions in asked.items():
        decided = _Decided(key, before[key], now, others)
        outcomes[key] = [decided.outcome(books.get(key), each) for each in submissions]
        accepted += decided.accepted
        events += decided.events
    if accepted:
        await transaction.store(list(books.values()), accepted, now)
        for book in books.values():
            events += await _widened(transaction, book, now)
        await transaction.publish(events)
    return outcomes, bool(events)


class _Decided:
    """What was decided of one organisation's requests so far."""

    def __init__(
        self,
        organisation_id: UUID,
        earlier: Mapping[tuple[str, str], Earlier],
        now: datetime,
        organisations: Mapping[str, UUID],
    ) -> None:
        self._organisation_id = organisation_id
        self._seen = dict(earlier)
        self._now = now
        self._cause_time, self._accepted_at = now.isoformat(), now.isoformat().replace("+00:00", "Z")
        self._organisations = organisations
        self.accepted: list[AcceptedRow] = []
        self.events: list[Outgoing] = []

    def outcome(self, book: Book | None, submission: Submission) -> Outcome:
        """What becomes of the next request."""
        name = (submission.source, submission.id)
        before = self._seen.get(name)
        if before is not None:
            return _answer_again(submission, before)
        assert book is not None  # noqa: S101 - an unseen submission is a fresh one
        # Accepted again after the first acceptance was forgotten, it is another cause: ids derived from it are new.
        cause_id = derived_text(self._organisation_id, *name, self._cause_time)
        cause = Cause(id=cause_id, traceparent=submission.traceparent)
        try:
            decision = decide(book, submission.request, cause, self._now, self._organisations)
        except Refused as refused:
            return refused
        told = {
            "source": submission.source,
            "id": submission.id,
            "type": submission.type,
            "accepted_at": self._accepted_at,
            **decision.ids,
        }
        answer = _ENCODER.encode(told)
        self._seen[name] = Earlier(submission.digest, answer, self._accepted_at)
        self.accepted.append(AcceptedRow((self._organisation_id, *name), submission.digest, answer))
        self.events += decision.events
        return Acceptance(answer)


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


def _answer_again(submission: Submission, before: Earlier) -> Outcome:
    if before.digest == submission.digest:
        return Acceptance(before.answer, repeated=True)
    return refuse(
        "conflict",
        "This id was used for another request",
        "",
        f"id {submission.id!r} of source {submission.source!r} was accepted at {before.accepted_at} with"
        " another body; send a new request under a new id, or the same body again",
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
