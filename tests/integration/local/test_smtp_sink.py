"""The mail sink keeps what it is sent, shows it, and answers as its recipients' addresses ask."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from typing import TYPE_CHECKING

import httpx
import pytest

from mentorstream_local.smtp_sink import Mailbox, viewer

if TYPE_CHECKING:
    from pathlib import Path

    from mentorstream_local.smtp_sink import SmtpSink


def _mail(to: str, subject: str = "Grüße") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "program@example.org", to, subject
    message["Message-ID"] = "<1@example.org>"
    message.set_content("See you on Monday.")
    message.add_alternative("<p>See you <script>alert(1)</script></p>", subtype="html")
    return message


def _send(sink: SmtpSink, to: str) -> None:
    with smtplib.SMTP(sink.host, sink.port) as client:
        client.send_message(_mail(to))


def test_a_mail_is_kept_with_its_envelope(smtp_sink: SmtpSink) -> None:
    _send(smtp_sink, "anna@example.org")
    (mail,) = smtp_sink.mails
    assert (mail.sender, mail.recipients) == ("program@example.org", ("anna@example.org",))
    assert mail.message["Subject"] == "Grüße"
    assert mail.message["Message-ID"] == "<1@example.org>"


def test_a_rejected_recipient_is_refused_for_good(smtp_sink: SmtpSink) -> None:
    for _ in range(2):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            _send(smtp_sink, "reject-5xx+anna@example.org")
        assert refused.value.recipients["reject-5xx+anna@example.org"][0] == 550
    assert smtp_sink.mails == []


def test_a_deferred_recipient_is_accepted_after_as_many_attempts_as_asked(smtp_sink: SmtpSink) -> None:
    for _ in range(2):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            _send(smtp_sink, "defer-4xx-2@example.org")
        assert refused.value.recipients["defer-4xx-2@example.org"][0] == 451
    _send(smtp_sink, "defer-4xx-2@example.org")
    assert len(smtp_sink.mails) == 1


def test_only_the_newest_mails_are_kept(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path, kept=3)
    for number in range(5):
        mailbox.store("a@example.org", ["b@example.org"], bytes(_mail("b@example.org", f"number {number}")))
    assert [mail.message["Subject"] for mail in mailbox.mails()] == ["number 2", "number 3", "number 4"]
    # A new process finds them again, and goes on counting.
    reopened = Mailbox(tmp_path, kept=3)
    name = reopened.store("a@example.org", ["b@example.org"], bytes(_mail("b@example.org", "number 5")))
    assert reopened.names()[-1] == name
    assert len(reopened.names()) == 3


async def test_the_page_shows_mails_and_runs_none_of_their_scripts(smtp_sink: SmtpSink) -> None:
    _send(smtp_sink, "anna@example.org")
    (name,) = smtp_sink.mailbox.names()
    transport = httpx.ASGITransport(viewer(smtp_sink.mailbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://sink") as client:
        assert "Grüße" in (await client.get("/")).text
        page = await client.get(f"/messages/{name}")
        assert "See you on Monday." in page.text
        assert "<script>" not in page.text
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert (await client.get(f"/messages/{name}/raw")).content == smtp_sink.mailbox.read_bytes(name)
        assert (await client.get("/messages", params={"to": "anna@example.org"})).json()[0]["subject"] == "Grüße"
        assert (await client.get("/messages", params={"to": "ben@example.org"})).json() == []
        assert (await client.get("/messages/..%2fsecrets.json")).status_code == 404
