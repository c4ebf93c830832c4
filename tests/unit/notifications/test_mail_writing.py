"""Mails as receivers read them: every kind, safe headers, calendars that parse."""

from __future__ import annotations

import email
import email.header
import email.policy
import email.utils
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar
from icalendar import Event as CalendarEvent
from pydantic import SecretStr

from mentorstream_runtime.links import Links
from notifications.adapters.ledger import DueMail
from notifications.adapters.writing import Letter, Letterhead, Writer, one_line
from notifications.domain import planning
from notifications.domain.mail import Mail, Occasion
from notifications.domain.people import Person
from notifications.domain.planning import Agreed, Recipient, Slot

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
PROGRAM, MATCH, MEETING, PARTICIPANT, REQUEST = (UUID(int=number) for number in range(1, 6))
ANNA, BEN = UUID(int=11), UUID(int=12)
ORGANISATION = UUID(int=21)
LINKS = Links([SecretStr("a secret for tests")])
LETTERHEAD = Letterhead(
    sender="no-reply@mentorstream.example",
    sender_name="Mentorstream",
    organizer="meetings@mentorstream.example",
    matching_url="https://matching.example",
    scheduling_url="https://scheduling.example",
    feedback_url="https://feedback.example",
    notifications_url="https://notifications.example",
)
WRITER = Writer(LETTERHEAD, LINKS)
OCCASION = Occasion(cause_id="event-1", program_id=PROGRAM, time=NOW)
MENTOR = Recipient(person_id=ANNA, organisation_id=ORGANISATION, role="mentor", zone="Europe/Paris")
MENTEE = Recipient(person_id=BEN, organisation_id=ORGANISATION, role="mentee", zone="America/Lima")
# The Sunday on which Paris goes to summer time: 12:00 UTC is 14:00 there.
SLOT = Slot(
    meeting_id=MEETING,
    revision=2,
    starts_at=datetime(2027, 3, 28, 12, tzinfo=UTC),
    ends_at=datetime(2027, 3, 28, 12, 45, tzinfo=UTC),
    previous_starts_at=datetime(2027, 3, 27, 12, tzinfo=UTC),
)
AGREED = Agreed(cadence_days=14, meeting_minutes=45, weeks=26, ends_at=NOW + timedelta(weeks=26))
MAILS: list[Mail] = [
    planning.welcome(OCCASION, PARTICIPANT, MENTOR),
    planning.match(OCCASION, MATCH, [MENTOR, MENTEE], AGREED)[0],
    planning.match_ended(OCCASION, MATCH, [MENTOR], term_over=False)[0],
    planning.match_ended(OCCASION, MATCH, [MENTOR], term_over=True)[0],
    planning.choose_mentors(OCCASION, PARTICIPANT, MENTOR, NOW, 0),
    planning.choose_mentors(OCCASION, PARTICIPANT, MENTOR, NOW, 1),
    planning.proposal(OCCASION, MATCH, MENTOR, [MENTEE], NOW + timedelta(days=7)),
    planning.proposal_closed(OCCASION, MATCH, MENTOR, [BEN]),
    planning.no_common_time(OCCASION, MATCH, [MENTOR, MENTEE], 20)[0],
    planning.no_common_time(OCCASION, MATCH, [MENTOR, MENTEE], 0)[0],
    planning.invitation(OCCASION, [MENTOR, MENTEE], SLOT)[0],
    planning.invitation(OCCASION, [MENTOR, MENTEE], replace(SLOT, previous_starts_at=None))[0],
    planning.cancellation(OCCASION, [MENTOR, MENTEE], SLOT)[0],
    planning.feedback_request(OCCASION, REQUEST, MENTOR, NOW, NOW + timedelta(days=14)),
]
for _rule in ("capacity", "next_round", "awaits_circle", "better_used_elsewhere"):
    _waiting = planning.waiting(OCCASION, PARTICIPANT, replace(MENTOR, role="mentee"), NOW, {_rule})
    if _waiting is not None:
        MAILS.append(_waiting)


def person(person_id: UUID, name: str, address: str = "anna@example.org", locale: str = "en") -> Person:
    return Person(
        person_id=person_id,
        organisation_id=ORGANISATION,
        version=1,
        full_name=name,
        email=address,
        locale=locale,
        zone="Europe/Paris",
    )


PEOPLE = {ANNA: person(ANNA, "Anna Ågren"), BEN: person(BEN, "Ben Ortiz", "ben@example.net")}


def due(mail: Mail, *, title: str = "Women in Data", people: dict[UUID, Person] | None = None) -> DueMail:
    """The mail as the ledger would hand it over, its parameters having gone through JSON."""
    return DueMail(
        notification_id=UUID(int=99),
        program_id=PROGRAM,
        person_id=mail.person_id,
        organisation_id=mail.organisation_id,
        kind=mail.kind,
        subject_id=mail.subject_id,
        revision=mail.revision,
        mentions=mail.mentions,
        params=msgspec.json.decode(msgspec.json.encode(mail.params)),
        attempt=1,
        due_at=mail.due_at,
        expires_at=mail.expires_at,
        message_id="<99@mentorstream.example>",
        title=title,
        people=PEOPLE if people is None else people,
    )


def parse(letter: Letter) -> EmailMessage:
    message = email.message_from_bytes(letter.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, content_type: str) -> str:
    found = next(item for item in message.walk() if item.get_content_type() == content_type)
    assert isinstance(found, EmailMessage)
    content = found.get_content()
    return content.decode() if isinstance(content, bytes) else str(content)


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.lang: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "html":
            self.lang = dict(attrs).get("lang")


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.key.split(":", 2)[-1][:40] + mail.kind)
def test_every_kind_has_both_parts_and_the_headers_that_mail_programs_expect(mail: Mail) -> None:
    letter = WRITER.write(due(mail), NOW)
    message = parse(letter)

    assert message["To"].addresses[0].addr_spec == letter.recipient == "anna@example.org"
    assert message["To"].addresses[0].display_name == "Anna Ågren"
    assert message["From"].addresses[0].addr_spec == LETTERHEAD.sender
    assert "Women in Data" in message["Subject"]
    assert message["Message-ID"] == "<99@mentorstream.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert not message.defects
    text, html = part(message, "text/plain"), part(message, "text/html")
    assert "Hello Anna Ågren," in text
    outline = _Outline()
    outline.feed(html)
    assert outline.lang == "en"
    assert outline.tags.count("h1") == 1
    assert not {"img", "script", "link", "table"} & set(outline.tags)
    for line in letter.content.split(b"\r\n"):
        assert len(line) <= 998
        assert line.isascii()


def test_the_unsubscribe_link_is_the_receivers_own() -> None:
    message = parse(WRITER.write(due(MAILS[0]), NOW))
    url = re.sub(r"\s", "", message["List-Unsubscribe"]).strip("<>")
    base, _, token = url.rpartition("/")

    claims = LINKS.read("unsubscribe", token, now=NOW + timedelta(days=365))
    assert base == "https://notifications.example/unsubscribe"
    assert (claims.person_id, claims.organisation_id) == (ANNA, ORGANISATION)
    assert url in part(message, "text/plain")


@pytest.mark.parametrize(
    ("kind", "purpose", "base", "subject_id"),
    [
        ("choose_mentors", "choice", "https://matching.example/choices/", PARTICIPANT),
        ("proposal", "proposal", "https://matching.example/proposals/", MATCH),
        ("invitation", "meeting", "https://scheduling.example/meetings/", MEETING),
        ("feedback_request", "feedback", "https://feedback.example/feedback/", REQUEST),
    ],
)
def test_a_mail_that_asks_for_something_links_to_its_page(kind: str, purpose: str, base: str, subject_id: UUID) -> None:
    mail = next(mail for mail in MAILS if mail.kind == kind)
    message = parse(WRITER.write(due(mail), NOW))

    url = next(word for word in part(message, "text/plain").split() if word.startswith(base))
    claims = LINKS.read(purpose, url.removeprefix(base), now=NOW)  # type: ignore[arg-type]
    assert (claims.subject_id, claims.person_id) == (subject_id, ANNA)
    assert url in part(message, "text/html")


def test_a_match_mail_tells_who_the_others_are_and_what_was_agreed() -> None:
    mail = next(mail for mail in MAILS if mail.kind == "match")
    text = part(parse(WRITER.write(due(mail), NOW)), "text/plain")

    assert "Ben Ortiz, mentee, ben@example.net" in text
    assert "45 minutes every 2 weeks" in text
    assert "You are the mentor" in text


def test_a_mentee_who_may_choose_again_reads_why_and_until_when() -> None:
    first, again = (
        part(
            parse(WRITER.write(due(planning.choose_mentors(OCCASION, PARTICIPANT, MENTOR, NOW, lists)), NOW)),
            "text/plain",
        )
        for lists in (0, 1)
    )

    assert "you choose who is asked to mentor you" in first
    assert "None of those whom you chose" in again
    for text in (first, again):
        assert "The link works until Sunday 30 May 2027, 11:00 (Europe/Paris, UTC+02:00)." in text


def test_a_closed_proposal_says_whose() -> None:
    mail = next(mail for mail in MAILS if mail.kind == "proposal_closed")
    text = part(parse(WRITER.write(due(mail), NOW)), "text/plain")

    assert "We had asked you to mentor Ben Ortiz" in text
    assert "https://matching.example" not in text


def test_who_was_erased_is_left_out() -> None:
    mail = next(mail for mail in MAILS if mail.kind == "invitation")
    message = parse(WRITER.write(due(mail, people={ANNA: PEOPLE[ANNA]}), NOW))

    assert "Ben" not in part(message, "text/plain")
    event = Calendar.from_ical(part(message, "text/calendar")).walk("VEVENT")[0]
    assert isinstance(event, CalendarEvent)
    assert event.attendees == ["mailto:anna@example.org"]


def test_times_are_shown_as_the_receivers_clock_shows_them() -> None:
    mails = planning.invitation(OCCASION, [MENTOR, MENTEE], SLOT)
    paris, lima = (part(parse(WRITER.write(due(mail), NOW)), "text/plain") for mail in mails)

    assert "When: Sunday 28 March 2027, 14:00 to 14:45 (Europe/Paris, UTC+02:00)" in paris
    assert "Before: Saturday 27 March 2027, 13:00 (Europe/Paris, UTC+01:00)" in paris
    assert "When: Sunday 28 March 2027, 07:00 to 07:45 (America/Lima, UTC-05:00)" in lima


def test_a_zone_that_this_machine_does_not_know_is_shown_as_utc() -> None:
    mail = planning.invitation(OCCASION, [replace(MENTOR, zone="Mars/Olympus")], SLOT)[0]
    assert "12:00 to 12:45 (UTC, UTC+00:00)" in part(parse(WRITER.write(due(mail), NOW)), "text/plain")


@pytest.mark.parametrize(
    ("kind", "method", "status"), [("invitation", "REQUEST", "CONFIRMED"), ("cancellation", "CANCEL", "CANCELLED")]
)
def test_calendar_parts_are_where_mail_programs_look(kind: str, method: str, status: str) -> None:
    mail = next(mail for mail in MAILS if mail.kind == kind)
    message = parse(WRITER.write(due(mail), NOW))

    assert message.get_content_type() == "multipart/mixed"
    alternative, attachment = message.iter_parts()
    assert isinstance(alternative, EmailMessage)
    alternatives = list(alternative.iter_parts())
    assert [item.get_content_type() for item in alternatives] == ["text/plain", "text/html", "text/calendar"]
    inline = alternatives[-1]
    assert inline.get_param("method") == method
    assert attachment.get_filename() == "invite.ics"
    calendar = Calendar.from_ical(part(message, "text/calendar"))
    assert calendar.to_ical() == Calendar.from_ical(part(message, "application/ics")).to_ical()
    assert str(calendar["METHOD"]) == method
    [event] = calendar.walk("VEVENT")
    assert str(event["UID"]) == f"{MEETING}@mentorstream"
    assert event["SEQUENCE"] == SLOT.revision
    assert str(event["STATUS"]) == status
    assert event.decoded("DTSTART") == SLOT.starts_at
    assert event.decoded("DTEND") == SLOT.ends_at
    assert event.decoded("DTSTAMP") == NOW
    assert str(event["ORGANIZER"]) == f"mailto:{LETTERHEAD.organizer}"
    assert isinstance(event, CalendarEvent)
    assert [(str(item), item.CN) for item in event.attendees] == [
        ("mailto:anna@example.org", "Anna Ågren"),
        ("mailto:ben@example.net", "Ben Ortiz"),
    ]
    assert b"DTSTART:20270328T120000Z" in calendar.to_ical()


def test_a_language_without_templates_reads_english() -> None:
    people = {ANNA: person(ANNA, "Anna", locale="../../etc")}
    assert "Hello Anna" in part(parse(WRITER.write(due(MAILS[0], people=people), NOW)), "text/plain")


@pytest.mark.parametrize(
    ("address", "recipient", "needs_utf8"),
    [
        ("anna@example.org", "anna@example.org", False),
        ("anna@bücher.example", "anna@xn--bcher-kva.example", False),
        ("änna@example.org", "änna@example.org", True),
        ("a..b@example.org", "a..b@example.org", False),
    ],
)
def test_addresses_beyond_ascii(address: str, recipient: str, needs_utf8: bool) -> None:
    letter = WRITER.write(due(MAILS[0], people={ANNA: person(ANNA, "Anna", address)}), NOW)
    assert (letter.recipient, letter.needs_utf8) == (recipient, needs_utf8)


def _decoded(header: str) -> str:
    return str(email.header.make_header(email.header.decode_header(re.sub(r"\r\n[ \t]", " ", header))))


ANY_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=200) | st.sampled_from(
    [
        "Anna\r\nBcc: x@example.org",
        'Müller, "Hans" <hans@example.org>\n',
        "\u2028\u0085",
        "=?utf-8?q?x?=",
        "a" * 200,
        "山田太郎" * 50,
        "; \\",
    ]
)
EXPECTED = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
]


@given(name=ANY_TEXT, other=ANY_TEXT, title=ANY_TEXT, mail=st.sampled_from(MAILS))
def test_no_name_and_no_title_can_add_a_header_or_break_a_part(name: str, other: str, title: str, mail: Mail) -> None:
    people = {ANNA: person(ANNA, name), BEN: person(BEN, other, "ben@example.net")}
    letter = WRITER.write(due(mail, title=title, people=people), NOW)
    message = parse(letter)

    assert [header for header in message if not header.startswith(("MIME-", "Content-"))] == EXPECTED
    assert [address.addr_spec for address in message["To"].addresses] == ["anna@example.org"]
    # Read by RFC 2047's rules; the headers of EmailMessage put spaces between encoded words.
    raw = email.message_from_bytes(letter.content, policy=email.policy.compat32)
    assert one_line(title) in _decoded(raw["Subject"])
    shown, address = email.utils.parseaddr(raw["To"])
    assert (_decoded(shown), address) == (one_line(name), "anna@example.org")
    assert one_line(name) in part(message, "text/plain")
    if mail.kind in ("invitation", "cancellation"):
        [event] = Calendar.from_ical(part(message, "text/calendar")).walk("VEVENT")
        assert isinstance(event, CalendarEvent)
        assert event.attendees == ["mailto:anna@example.org", "mailto:ben@example.net"]


@given(ANY_TEXT)
def test_one_line_is_printable_and_stays_as_it_is(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert one_line(line) == line
