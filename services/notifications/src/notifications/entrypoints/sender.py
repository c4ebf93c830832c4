"""The sender: takes due mails, sends a few at a time, writes what became of them.

Three phases, of which only the first and the last are transactions: lease, send, settle. A mail that hangs does not
hold up its batch: after a short while whatever is done is settled, room is filled anew, and the late ones are looked at
again in the next run. A lease is short, so that the mails of a process that died wait for no longer, and is renewed for
as long as its mail is under way. Nothing is begun without one, so two processes try the same mail only when one of them
died, froze, or could not reach the database for so long. A person's mails go one after the other, so that a mailbox
over which the mail server hangs costs one connection, however many mails wait for it.
"""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from mentorstream_runtime.errors import is_infrastructure

from .. import metrics
from ..adapters.ledger import DueMail, Ledger
from ..adapters.smtp import Carrier
from ..adapters.writing import Writer
from ..domain.delivery import Changed, Deferred, Outcome, RetryPolicy, Untried, judge

log = structlog.get_logger(__name__)

_PATIENCE_SECONDS: Final = 0.5
_GRACE_SECONDS: Final = 2.0
_GAUGES_EVERY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderLimits:
    """How much at once, how long a lease, how often to try."""

    batch: int
    lease_seconds: float
    retry: RetryPolicy


@dataclass(slots=True)
class _UnderWay:
    """A mail that this process tries, and when its lease ends by the monotonic clock, no later than the database's."""

    mail: DueMail
    lease_ends_at: float

    def is_held(self) -> bool:
        return time.monotonic() < self.lease_ends_at


class Sender:
    """A timer of the runtime. One object for each process; processes share the work by leases."""

    name = "sender"

    def __init__(self, ledger: Ledger, writer: Writer, carrier: Carrier, limits: SenderLimits) -> None:
        self._ledger = ledger
        self._writer = writer
        self._carrier = carrier
        self._limits = limits
        self._under_way: dict[asyncio.Task[Outcome], _UnderWay] = {}
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()  # gone when nobody waits
        self._renew_at = 0.0
        self._gauges_at = 0.0
        self._now = datetime.min.replace(tzinfo=UTC)

    async def run_due(self, now: datetime) -> int:
        """One round. Returns how many mails it closed, took or settled; 0 where nothing can be done at the moment."""
        self._now = now
        await self._renew()  # first, so that a lease which ended meanwhile is taken up again by nobody but its holder
        closed = await self._ledger.close_hopeless(now, self._limits.batch)
        taken = await self._take(now)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_PATIENCE_SECONDS)
        else:
            await self._carrier.close_idle()
        settled = await self._settle(now)
        await self._show_gauges()
        return closed + max(taken, settled)

    async def next_due(self) -> datetime | None:
        """Business time of the earliest open mail. A retry counts as due, so driven time waits for it."""
        return await self._ledger.next_due()

    async def close(self) -> None:
        """Give mails under way a moment, settle what is done, drop the rest and the connections.

        A dropped mail goes again when its lease ends: the server may have had it.
        """
        try:
            if self._under_way:
                _, late = await asyncio.wait(self._under_way, timeout=_GRACE_SECONDS)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
                await self._settle(self._now)
        except Exception as error:
            if not is_infrastructure(error):
                raise
            log.warning("mails_not_settled", mails=len(self._under_way), error=repr(error))
        finally:
            await self._carrier.close()

    async def _take(self, now: datetime) -> int:
        room = self._limits.batch - len(self._under_way)
        if room <= 0 or self._carrier.paused:
            return 0
        ends_at = self._lease_end()
        # Mails tried before may hang again: they never take all of the room.
        again = max(1, self._limits.batch // 2) - sum(taken.mail.tried_before for taken in self._under_way.values())
        mails = await self._ledger.take_due(now, room, max(0, again))
        for mail in mails:
            taken = _UnderWay(mail, ends_at)
            self._under_way[asyncio.create_task(self._send(mail, now, taken.is_held))] = taken
        metrics.MAILS_UNDER_WAY.set(len(self._under_way))
        return len(mails)

    async def _renew(self) -> None:
        """Keep the leases of all that is under way, three times in each. One that somebody else took is not begun."""
        if not self._under_way or time.monotonic() < self._renew_at:
            return
        ends_at = self._lease_end()
        kept = await self._ledger.renew([taken.mail for taken in self._under_way.values()])
        for taken in self._under_way.values():
            taken.lease_ends_at = ends_at if taken.mail.notification_id in kept else 0.0
        self._renew_at = ends_at - self._limits.lease_seconds * 2 / 3

    def _lease_end(self) -> float:
        """Of a lease that begins now. Asked before the database is, so that ours ends first."""
        return time.monotonic() + self._limits.lease_seconds

    async def _send(self, mail: DueMail, now: datetime, may_begin: Callable[[], bool]) -> Outcome:
        if mail.person_id not in mail.people:
            return Untried()  # erased since; the next round closes it
        turn = self._turns.setdefault(mail.person_id, asyncio.Lock())
        try:
            async with turn:
                return await self._carrier.carry(
                    lambda: self._writer.write(mail, now), may_begin=may_begin, tried_before=mail.tried_before
                )
        except Exception as error:
            # A fault of ours with this one mail: the others go on, and it ends as expired if nobody mends it.
            # The error's own words are not logged, for they may quote names or addresses.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            log.error(
                "mail_not_written",
                notification=str(mail.notification_id),
                kind=mail.kind,
                error=type(error).__name__,
                at=f"{frame.filename}:{frame.lineno}",
            )
            return Deferred(0)

    async def _settle(self, now: datetime) -> int:
        """Write the results. They are kept until the commit: lost, they would send the mails again."""
        done = [task for task in self._under_way if task.done() and not task.cancelled()]
        if not done:
            return 0
        verdicts = [
            (
                mail := self._under_way[task].mail,
                judge(task.result(), attempt=mail.attempt, policy=self._limits.retry, chance=random.random()),  # noqa: S311
            )
            for task in done
        ]
        changes = await self._ledger.settle(verdicts, now)
        for task in done:
            del self._under_way[task]
        metrics.MAILS_UNDER_WAY.set(len(self._under_way))
        _count(changes)
        return sum(verdict.tried for _, verdict in verdicts)

    async def _show_gauges(self) -> None:
        if time.monotonic() >= self._gauges_at:
            self._gauges_at = time.monotonic() + _GAUGES_EVERY_SECONDS
            await self._ledger.count_open()


def _count(changes: Iterable[Changed]) -> None:
    for change in changes:
        metrics.MAILS.labels(change.kind, change.status, change.status_reason or "").inc()
