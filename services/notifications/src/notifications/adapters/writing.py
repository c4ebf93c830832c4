"""Writes mails: templates, signed links, calendar parts, headers. Text is made when a mail goes and never stored.

One folder of templates for each language (`templates/mails/<language>/<kind>.txt|html`); the subject is a block of the
text template. A language without a folder reads English. Nothing that a person or partner wrote can end a header: each
such text is brought onto one line first, and non-ASCII goes as encoded words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.header import Header
from email.headerregistry import Address
from email.utils import format_datetime, quote
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, TemplateNotFound, select_autoescape

import notifications
from mentorstream_runtime.links import Links, Purpose
from mentorstream_runtime.local_times import LocalTime, local_time

from ..domain.people import Person
from .calendar import Mailbox, Meeting, Method, calendar_object
from .ledger import DueMail
from .mime import multipart, text_part

_DEFAULT_LANGUAGE: Final = "en"
# Long, because mails are kept long and RFC 8058 wants the link to work; it can do nothing but stop mails.
_UNSUBSCRIBE_DAYS: Final = 730
# More names than these are in the mail, and among the calendar's attendees, only.
_NAMES_IN_SUMMARY: Final = 3
# What RFC 5322 asks a line to stay within.
_HEADER_WIDTH: Final = 76
_ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(Path(notifications.__file__).parent / "templates" / "mails"),
    autoescape=select_autoescape(("html",), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letterhead:
    """What all mails share: whose they are, and the public addresses of the pages that they link to."""

    sender: str
    sender_name: str
    organizer: str
    matching_url: str
    scheduling_url: str
    feedback_url: str
    notifications_url: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it goes over the wire."""

    recipient: str
    content: bytes
    needs_utf8: bool


@dataclass(frozen=True, slots=True)
class Other:
    """Somebody whom a mail mentions. `address` only where the mail may show it."""

    name: str
    address: str
    role: str


class Writer:
    """Writes one mail at a time. Raises nothing for any text that an event may carry."""

    def __init__(self, letterhead: Letterhead, links: Links) -> None:
        self._letterhead = letterhead
        self._links = links

    def write(self, mail: DueMail, now: datetime) -> Letter:
        """The mail for its receiver. Raises KeyError when the receiver is not among its people."""
        person = mail.people[mail.person_id]
        unsubscribe = self._unsubscribe_url(mail, now)
        language = _language(person.locale)
        context = self._context(mail, person) | {"unsubscribe_url": unsubscribe, "lang": language}
        text_template = _template(language, f"{mail.kind}.txt")
        subject = one_line("".join(text_template.blocks["subject"](text_template.new_context(context))))
        context["subject"] = subject
        text = text_template.render(context)
        html = _template(language, f"{mail.kind}.html").render(context)

        needs_utf8, address = _wire_address(person.email)
        headers = {
            "From": _mailbox("From", self._letterhead.sender_name, self._letterhead.sender),
            "To": _mailbox("To", one_line(person.full_name), Address(username=address[0], domain=address[1]).addr_spec),
            "Subject": _encoded("Subject", subject),
            "Date": format_datetime(now),
            "Message-ID": mail.message_id,
            "Auto-Submitted": "auto-generated",
            "List-Unsubscribe": f"<{unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "MIME-Version": "1.0",
        }
        alternatives = [text_part("text/plain", text), text_part("text/html", html)]
        body = (
            self._with_calendar(alternatives, mail, context)
            if mail.kind in ("invitation", "cancellation")
            else multipart("alternative", alternatives)
        )
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return Letter("@".join(address), head.encode() + body, needs_utf8)

    def _context(self, mail: DueMail, person: Person) -> dict[str, Any]:
        """What templates may use. Every text in it is on one line."""
        roles = _strings(mail.params.get("roles"))
        zone = str(mail.params.get("zone") or person.zone)
        context: dict[str, Any] = {
            "program": one_line(mail.title),
            "name": one_line(person.full_name),
            "others": [
                Other(one_line(other.full_name), other.email, roles.get(str(other.person_id), ""))
                for other in (mail.people.get(person_id) for person_id in mail.mentions)
                if other is not None
            ],
            "url": self._action_url(mail),
        }
        for name, value in mail.params.items():
            context[name] = _local(value, zone) if name.endswith("_at") or name == "answer_by" else value
        return context

    def _action_url(self, mail: DueMail) -> str:
        """The signed page on which this receiver can act, where the mail has one."""
        letterhead = self._letterhead
        pages: Mapping[str, tuple[Purpose, str]] = {
            "choose_mentors": ("choice", f"{letterhead.matching_url}/choices"),
            "proposal": ("proposal", f"{letterhead.matching_url}/proposals"),
            "invitation": ("meeting", f"{letterhead.scheduling_url}/meetings"),
            "feedback_request": ("feedback", f"{letterhead.feedback_url}/feedback"),
        }
        if mail.kind not in pages:
            return ""
        purpose, base = pages[mail.kind]
        token = self._links.sign(
            purpose,
            organisation_id=mail.organisation_id,
            subject_id=mail.subject_id,
            person_id=mail.person_id,
            expires_at=mail.expires_at,
        )
        return f"{base}/{token}"

    def _unsubscribe_url(self, mail: DueMail, now: datetime) -> str:
        token = self._links.sign(
            "unsubscribe",
            organisation_id=mail.organisation_id,
            subject_id=mail.person_id,
            person_id=mail.person_id,
            expires_at=now + timedelta(days=_UNSUBSCRIBE_DAYS),
        )
        return f"{self._letterhead.notifications_url}/unsubscribe/{token}"

    def _with_calendar(self, alternatives: Sequence[bytes], mail: DueMail, context: Mapping[str, Any]) -> bytes:
        """The calendar as the last alternative, which clients act on, and as a file, which the others offer."""
        method: Method = "REQUEST" if mail.kind == "invitation" else "CANCEL"
        takes_place = method == "REQUEST" or bool(mail.params["takes_place"])
        # A CANCEL of a meeting that takes place names those only whom it takes out.
        named = (mail.person_id, *(mail.mentions if method == "REQUEST" or not takes_place else ()))
        people = [mail.people[person_id] for person_id in named if person_id in mail.people]
        others = [other.name for other in context["others"]]
        calendar = calendar_object(
            method,
            Meeting(
                meeting_id=mail.subject_id,
                revision=mail.revision,
                stamped_at=_instant(mail.params["stamped_at"]),
                starts_at=_instant(mail.params["starts_at"]),
                ends_at=_instant(mail.params["ends_at"]),
                summary=" - ".join([context["program"], *(others if len(others) <= _NAMES_IN_SUMMARY else ())]),
                description="\n".join(filter(None, [context["program"], context["url"]])),
                url=context["url"],
                organizer=Mailbox(self._letterhead.sender_name, self._letterhead.organizer),
                attendees=[Mailbox(one_line(person.full_name), person.email) for person in people],
                takes_place=takes_place,
            ),
        )
        inline = text_part("text/calendar", calendar, parameters=f'; method="{method}"')
        attachment = text_part(
            "application/ics",
            calendar,
            parameters='; name="invite.ics"',
            disposition='attachment; filename="invite.ics"',
        )
        return multipart("mixed", [multipart("alternative", [*alternatives, inline]), attachment])


def one_line(text: str) -> str:
    """The text with every run of white space, line ends and other unprintable characters as one space."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _encoded(header: str, text: str) -> str:
    """One line of text as the value of a header, folded; as encoded words (RFC 2047) unless plain ASCII will do.

    `EmailMessage` is not used: up to Python 3.13 its folding puts spaces between the encoded words of long names and
    takes "=?" in a text for the beginning of one; it also needs three times as long for a mail.
    """
    plain = text.isascii() and "=?" not in text
    if plain and len(header) + len(": ") + len(text) <= _HEADER_WIDTH:
        return text
    return Header(text, "us-ascii" if plain else "utf-8", header_name=header).encode(linesep="\r\n")


def _mailbox(header: str, name: str, address: str) -> str:
    """A name, on one line, and an address, quoted where that is needed, as the value of an address header."""
    if name.isascii() and "=?" not in name:
        return f'"{quote(name)}" <{address}>' if name else f"<{address}>"
    return f"{_encoded(header, name)} <{address}>"


def _local(value: object, zone: str) -> LocalTime | None:
    return None if value is None else local_time(_instant(value), zone)


def _instant(value: object) -> datetime:
    """A time of the parameters, which JSON carried as text."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _strings(value: object) -> Mapping[str, str]:
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, Mapping) else {}


@lru_cache(maxsize=1024)
def _language(locale: str) -> str:
    """The folder to read for a locale: its language, or English."""
    language = locale.split("-")[0].lower()
    try:
        _ENVIRONMENT.get_template(f"{language}/_layout.txt")
    except TemplateNotFound:
        return _DEFAULT_LANGUAGE
    return language


def _template(language: str, name: str) -> Template:
    return _ENVIRONMENT.get_template(f"{language}/{name}")


def _wire_address(address: str) -> tuple[bool, Sequence[str]]:
    """Whether SMTPUTF8 is needed, and (local part, domain), the domain in ASCII where it has such a form."""
    local, _, domain = address.rpartition("@")
    try:
        domain = domain.encode("idna").decode() if not domain.isascii() else domain
    except UnicodeError:
        return True, (local, domain)
    return not local.isascii(), (local, domain)
