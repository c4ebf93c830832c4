"""Hands mails to the mail server: a few connections kept open, each mail with a time limit of its own.

It tells three kinds of trouble apart. The server has something against this mail: refused (5xx) or deferred (4xx, no
answer in time, connection lost in the middle). Or it cannot be used at all (no connection, no login, it will not have
our sender): then no mail is at fault, the mail counts as untried and the carrier pauses, longer each time.

A server may take some mails and hang over them. So that these hold up nobody else's, a mail that takes long gives its
place to the next one and goes on in a place for slow ones, as long as there is one; a mail that was tried before has
only those places from the start.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from mentorstream_runtime import points

from .. import metrics
from ..domain.delivery import Accepted, Deferred, Outcome, Refused, Untried
from .writing import Letter

log = structlog.get_logger(__name__)

# Servers drop idle connections after some minutes; ours are given back before.
_IDLE_SECONDS: Final = 30.0
_PAUSE_LIMIT_SECONDS: Final = 60.0
_SLOW_SECONDS: Final = 2.0
_CLOSING: Final = 421
_TOO_LARGE: Final = 552
_ADDRESS_UNUSABLE: Final = 553


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The server, how to log in, and how much to ask of it. `timeout_seconds` bounds one mail, and one connecting.

    At most `connections` and `slow_connections` are open at once, together.
    """

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    starttls: bool
    connections: int
    slow_connections: int
    timeout_seconds: float
    envelope_sender: str


class _Unusable(Exception):
    """The server cannot be used now, whatever the mail."""


class _Stale(Exception):
    """A kept connection turned out to be closed before the mail began."""


class Carrier:
    """The way to the mail server. `carry` may be called at once for many mails; few of them are under way."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._places = asyncio.Semaphore(server.connections)
        self._slow_places = asyncio.Semaphore(server.slow_connections)
        self._idle: list[tuple[SMTP, float]] = []
        self._failures = 0
        self._paused_until = 0.0

    @property
    def paused(self) -> bool:
        """Whether the server could not be used a moment ago, so that no mail need be taken."""
        return time.monotonic() < self._paused_until

    async def carry(
        self, write: Callable[[], Letter], *, may_begin: Callable[[], bool], tried_before: bool = False
    ) -> Outcome:
        """Write and send one mail when its turn comes, unless `may_begin` says no by then.

        Raises what `write` raises.
        """
        async with self._place(tried_before=tried_before):
            if self.paused or not may_begin():
                return Untried()
            letter = write()
            try:
                try:
                    return await self._carry(letter, self._kept())
                except _Stale:
                    return await self._carry(letter, None)
            except _Unusable as error:
                self._pause(error)
                return Untried()

    @contextlib.asynccontextmanager
    async def _place(self, *, tried_before: bool) -> AsyncIterator[None]:
        """A place for one mail, which becomes a slow one when the mail takes long."""
        held = self._slow_places if tried_before else self._places
        await held.acquire()

        async def give_way() -> None:
            nonlocal held
            await asyncio.sleep(_SLOW_SECONDS)
            await self._slow_places.acquire()
            held.release()
            held = self._slow_places

        giving_way = None if tried_before else asyncio.create_task(give_way())
        try:
            yield
        finally:
            if giving_way is not None:
                giving_way.cancel()
            held.release()

    async def close(self) -> None:
        """Give the idle connections back."""
        idle, self._idle = self._idle, []
        for connection, _ in idle:
            await _quit(connection)

    async def close_idle(self) -> None:
        """Give back connections that were not used for a while."""
        old = time.monotonic() - _IDLE_SECONDS
        stale = [connection for connection, used_at in self._idle if used_at < old]
        self._idle = [(connection, used_at) for connection, used_at in self._idle if used_at >= old]
        for connection in stale:
            await _quit(connection)

    async def _carry(self, letter: Letter, kept: SMTP | None) -> Outcome:
        connection = kept or await self._connect()
        started = time.monotonic()
        keep = False
        try:
            async with asyncio.timeout(self._server.timeout_seconds):
                outcome = await self._transfer(connection, letter, reused=kept is not None)
            keep = connection.is_connected
            self._used()
        except (TimeoutError, SMTPException, OSError) as error:
            log.info("mail_interrupted", error=type(error).__name__)
            outcome = Deferred(0)
        finally:
            # Also when cancelled: a connection in the middle of a mail is good for nothing.
            if keep:
                self._idle.append((connection, time.monotonic()))
            else:
                connection.close()
        metrics.MAIL_SECONDS.labels(type(outcome).__name__.lower()).observe(time.monotonic() - started)
        return outcome

    async def _transfer(self, connection: SMTP, letter: Letter, *, reused: bool) -> Outcome:
        options = []
        encoding = "ascii"
        if letter.needs_utf8:
            if not connection.supports_extension("smtputf8"):
                return Refused(_ADDRESS_UNUSABLE)
            options, encoding = ["SMTPUTF8"], "utf-8"
        try:
            await connection.mail(self._server.envelope_sender, options=options, encoding=encoding)
        except SMTPServerDisconnected as error:
            raise (_Stale if reused else _Unusable)(str(error)) from error
        except SMTPSenderRefused as error:
            if error.code == _CLOSING and reused:
                raise _Stale from error
            if error.code == _TOO_LARGE:
                return Refused(error.code)
            if _permanent(error.code) or error.code == _CLOSING:
                raise _Unusable(f"the sender is refused: {error.code}") from error
            return await self._reset(connection, Deferred(error.code))
        try:
            await connection.rcpt(letter.recipient, encoding=encoding)
            response = await connection.data(letter.content)
            points.reach("after_smtp_data")
        except (SMTPRecipientRefused, SMTPDataError) as error:
            outcome = Refused(error.code) if _permanent(error.code) else Deferred(error.code)
            return await self._reset(connection, outcome)
        except ValueError:
            # The address cannot be put on a command line without ending it.
            return await self._reset(connection, Refused(_ADDRESS_UNUSABLE))
        return Accepted(response.code)

    async def _reset(self, connection: SMTP, outcome: Refused | Deferred) -> Outcome:
        """Make the connection ready for the next mail, or close it; the outcome stands either way."""
        try:
            if outcome.code == _CLOSING:
                connection.close()
            else:
                await connection.rset()
        except (SMTPException, OSError):
            connection.close()
        return outcome

    def _kept(self) -> SMTP | None:
        """A connection that was used a moment ago, if there is one."""
        while self._idle:
            connection, used_at = self._idle.pop()
            if connection.is_connected and time.monotonic() - used_at < _IDLE_SECONDS:
                return connection
            connection.close()
        return None

    async def _connect(self) -> SMTP:
        """A new connection, logged in. Raises _Unusable."""
        server = self._server
        connection = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            local_hostname=socket.gethostname(),  # the default asks DNS, which may hang
            timeout=server.timeout_seconds,
            use_tls=False,
            start_tls=server.starttls,
        )
        try:
            async with asyncio.timeout(server.timeout_seconds):
                await connection.connect()
                await connection.ehlo()
        except (TimeoutError, SMTPException, OSError) as error:
            connection.close()
            code = error.code if isinstance(error, SMTPResponseException) else ""
            raise _Unusable(f"{type(error).__name__} {code}".strip()) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _pause(self, error: Exception) -> None:
        if self.paused:
            return
        self._failures += 1
        seconds = min(_PAUSE_LIMIT_SECONDS, 0.5 * 2.0 ** min(self._failures - 1, 10)) * random.uniform(0.5, 1.0)  # noqa: S311
        self._paused_until = time.monotonic() + seconds
        metrics.SERVER_UNREACHABLE.set(1)
        log.warning("mail_server_unusable", error=str(error), pause_seconds=round(seconds, 2))

    def _used(self) -> None:
        self._failures = 0
        metrics.SERVER_UNREACHABLE.set(0)


def _permanent(code: int) -> bool:
    return 500 <= code <= 599


async def _quit(connection: SMTP) -> None:
    with contextlib.suppress(SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await connection.quit()
    connection.close()
