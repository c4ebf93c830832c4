"""A mail server that misbehaves, recipient by recipient, in a thread of the test.

It keeps what it accepted where the system's own mail sink keeps its mails, so people read them and the checks count
them. It decides nothing about what is to be expected of senders.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from mentorstream_local.daemons import free_port
from mentorstream_local.smtp_sink import Mailbox

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope, Session

# hang: takes the mail and never answers. defer: 451. reject: 550. drop: takes it, keeps it, closes without an answer.
Trouble = Literal["hang", "defer", "reject", "drop"]


class MailServer:
    """`trouble` says for a recipient what is to go wrong, None for nothing; `heal` ends all of it."""

    def __init__(self, mailbox: Path, trouble: Callable[[str], Trouble | None]) -> None:
        self.port = free_port()
        self.seen: Counter[tuple[str, Trouble]] = Counter()
        self.hanging = 0
        self._mailbox = Mailbox(mailbox, kept=1_000_000)
        self._trouble: Callable[[str], Trouble | None] = trouble
        self._lock = threading.Lock()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=True)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    def heal(self) -> None:
        """Behave from now on. What hangs goes on hanging: its sender must give up by itself."""
        self._trouble = lambda _recipient: None

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name and arguments
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        """Refuse who is to be rejected; take everybody else."""
        if self._trouble(address) == "reject":
            self._saw(address, "reject")
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take the mail, or do to it what is to be done to its recipient."""
        (recipient,) = envelope.rcpt_tos
        trouble = self._trouble(recipient)
        if trouble is not None:
            self._saw(recipient, trouble)
        if trouble == "defer":
            return "451 4.3.0 try again later"
        if trouble == "hang":
            self.hanging += 1
            try:
                await asyncio.sleep(3600)
            finally:
                self.hanging -= 1
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        self._mailbox.store(envelope.mail_from or "", envelope.rcpt_tos, content)
        if trouble == "drop":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            await asyncio.sleep(3600)  # ended with its connection
        return "250 2.0.0 kept"

    def _saw(self, recipient: str, trouble: Trouble) -> None:
        with self._lock:
            self.seen[recipient, trouble] += 1


class SilentServer:
    """Accepts connections and never says a word, not even hello."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=100)
        self.port = port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
