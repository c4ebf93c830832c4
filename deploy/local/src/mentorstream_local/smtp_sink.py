"""An SMTP server that delivers nothing: it keeps mails as .eml files and shows them on a small page.

Tests run it in their own process (`SmtpSink`), the local stack as a process of its own:

    python -m mentorstream_local.smtp_sink --directory DIR --smtp-port PORT --http-port PORT

What it answers can be scripted by the recipient's address, so that a test of retries needs no second server: see
`answer_to`. It keeps the newest mails only, and binds 127.0.0.1 only: it holds what people were written.
"""

from __future__ import annotations

import argparse
import contextlib
import email
import email.policy
import re
import secrets
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import jinja2
import uvicorn
from aiosmtpd.controller import Controller
from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, Response

from mentorstream_local.daemons import free_port

if TYPE_CHECKING:
    from email.message import EmailMessage
    from types import TracebackType

    from aiosmtpd.smtp import SMTP, Envelope, Session

_KEPT = 2000
_SCRIPTED = re.compile(r"(?P<verb>reject-5xx|defer-4xx)(?:-(?P<times>\d+))?(?:[.+].*)?")
_NO_SCRIPTS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"}


def answer_to(recipient: str, tried_before: int) -> str | None:
    """The scripted answer to RCPT TO, or None to accept.

    By the local part: `reject-5xx` is refused for good, `defer-4xx` each time, `defer-4xx-2` the first two times. A
    suffix after `+` or `.` makes addresses distinct: `defer-4xx-2+anna@example.org`.
    """
    script = _SCRIPTED.fullmatch(recipient.rpartition("@")[0])
    if script is None:
        return None
    if script["verb"] == "reject-5xx":
        return "550 5.1.1 no such mailbox (scripted)"
    if script["times"] is None or tried_before < int(script["times"]):
        return "451 4.3.0 try again later (scripted)"
    return None


@dataclass(frozen=True)
class StoredMail:
    """One mail as it came in. `recipients` are those of the envelope."""

    name: str
    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


class Mailbox:
    """A directory of .eml files, named so that they sort by arrival; the oldest beyond `kept` are deleted."""

    def __init__(self, directory: Path, *, kept: int = _KEPT) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._kept = kept
        self._lock = threading.Lock()
        self._names = sorted(path.name for path in directory.glob("*.eml"))

    def store(self, sender: str, recipients: list[str], content: bytes) -> str:
        """Keep a mail; returns the file's name. The envelope is kept in two headers put before the others."""
        envelope = f"X-Envelope-From: {sender}\r\nX-Envelope-To: {', '.join(recipients)}\r\n".encode()
        with self._lock:
            number = int(self._names[-1].partition("-")[0]) + 1 if self._names else 1
            name = f"{number:08d}-{secrets.token_hex(4)}.eml"
            partial = self._directory / f"{name}.partial"
            partial.write_bytes(envelope + content)
            partial.rename(self._directory / name)
            self._names.append(name)
            while len(self._names) > self._kept:
                (self._directory / self._names.pop(0)).unlink(missing_ok=True)
        return name

    def names(self) -> list[str]:
        """The files' names, oldest first."""
        with self._lock:
            return list(self._names)

    def read_bytes(self, name: str) -> bytes:
        """The file as it is. Raises `FileNotFoundError`, also for a name that is none of ours."""
        if name not in self.names():
            raise FileNotFoundError(name)
        return (self._directory / name).read_bytes()

    def read(self, name: str) -> StoredMail:
        """The mail, parsed. Raises `FileNotFoundError`."""
        message = email.message_from_bytes(self.read_bytes(name), policy=email.policy.default)
        sender, recipients = str(message["X-Envelope-From"]), str(message["X-Envelope-To"])
        return StoredMail(name, sender, tuple(recipients.split(", ")), message)

    def mails(self) -> list[StoredMail]:
        """All mails, oldest first."""
        return [self.read(name) for name in self.names()]


class _Handler:
    """aiosmtpd calls these; their names and arguments are its."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._tried: Counter[str] = Counter()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name and arguments
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        answer = answer_to(address, self._tried[address])
        self._tried[address] += 1
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content).encode()
        name = self._mailbox.store(envelope.mail_from or "", envelope.rcpt_tos, content)
        return f"250 2.0.0 kept as {name}"


class SmtpSink:
    """The SMTP server, in a thread of this process, on a port of its own unless one is given."""

    host = "127.0.0.1"

    def __init__(self, directory: Path, port: int | None = None, *, kept: int = _KEPT) -> None:
        self.mailbox = Mailbox(directory, kept=kept)
        self.port = port or free_port()
        self._controller = Controller(_Handler(self.mailbox), hostname=self.host, port=self.port, enable_SMTPUTF8=True)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()

    @property
    def mails(self) -> list[StoredMail]:
        """What arrived so far, oldest first."""
        return self.mailbox.mails()


def viewer(mailbox: Mailbox) -> FastAPI:
    """The page that lists and shows mails; `/messages` is the same as JSON."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("mentorstream_local", "pages"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    app = FastAPI(title="Mentorstream mail sink", docs_url=None, redoc_url=None)

    @app.get("/health/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.get("/")
    def index() -> HTMLResponse:
        newest_first = [mailbox.read(name) for name in reversed(mailbox.names()[-200:])]
        page = pages.get_template("mails.html").render(mails=newest_first, total=len(mailbox.names()))
        return HTMLResponse(page, headers=_NO_SCRIPTS)

    @app.get("/messages")
    def messages(to: str | None = None) -> list[dict[str, Any]]:
        return [_summary(mail) for mail in mailbox.mails() if to is None or to in mail.recipients]

    @app.get("/messages/{name}")
    def message(name: str) -> HTMLResponse:
        mail = _found(mailbox, name)
        page = pages.get_template("mail.html").render(
            mail=mail,
            text=_part(mail.message, "plain"),
            html=_part(mail.message, "html"),
            calendar=_calendar(mail.message),
        )
        return HTMLResponse(page, headers=_NO_SCRIPTS)

    @app.get("/messages/{name}/raw")
    def raw(name: str) -> Response:
        _found(mailbox, name)
        return Response(mailbox.read_bytes(name), media_type="message/rfc822")

    return app


def _found(mailbox: Mailbox, name: str) -> StoredMail:
    try:
        return mailbox.read(name)
    except FileNotFoundError:
        raise HTTPException(404, "no such mail; old ones are deleted") from None


def _summary(mail: StoredMail) -> dict[str, Any]:
    message = mail.message
    return {
        "name": mail.name,
        "from": mail.sender,
        "to": mail.recipients,
        "subject": str(message["Subject"] or ""),
        "date": str(message["Date"] or ""),
        "message_id": str(message["Message-ID"] or ""),
        "text": _part(message, "plain"),
    }


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    return str(body.get_content()) if body is not None else ""


def _calendar(message: EmailMessage) -> str:
    for part in message.walk():
        if part.get_content_type() == "text/calendar":
            return str(part.get_content())
    return ""


def main(arguments: list[str] | None = None) -> None:
    """Serve SMTP and the page until a signal says stop."""
    parser = argparse.ArgumentParser(description="Keep mails and show them; deliver nothing.")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--kept", type=int, default=_KEPT, help="newest mails that are kept")
    options = parser.parse_args(arguments)
    with (
        SmtpSink(options.directory, options.smtp_port, kept=options.kept) as sink,
        contextlib.suppress(KeyboardInterrupt),
    ):
        uvicorn.run(viewer(sink.mailbox), host=sink.host, port=options.http_port, log_level="warning")


if __name__ == "__main__":
    main()
