"""What the book makes of a new mail, given what became of earlier ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from notifications.domain import planning
from notifications.domain.book import Book, Ending, Entry
from notifications.domain.mail import Kind, Mail, Occasion
from notifications.domain.planning import Recipient, Slot

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
MEETING, MATCH, ORGANISATION = UUID(int=1), UUID(int=2), UUID(int=3)
ANNA, BEN = UUID(int=11), UUID(int=12)
OCCASION = Occasion(cause_id="event-1", program_id=UUID(int=9), time=NOW)


def calendar_mail(kind: str, revision: int, person_id: UUID = ANNA) -> Mail:
    plan = planning.invitation if kind == "invitation" else planning.cancellation
    recipient = Recipient(person_id=person_id, organisation_id=ORGANISATION, role="mentee", zone="UTC")
    slot = Slot(meeting_id=MEETING, revision=revision, starts_at=NOW, ends_at=NOW + timedelta(hours=1))
    return plan(OCCASION, [recipient], slot)[0]


def entry(
    kind: Kind,
    revision: int,
    *,
    tried: bool,
    is_open: bool = True,
    person_id: UUID = ANNA,
    subject_id: UUID = MEETING,
) -> Entry:
    return Entry(
        key=f"meeting:{MEETING}:{revision}:{person_id}" if subject_id == MEETING else f"{kind}:{person_id}",
        kind=kind,
        person_id=person_id,
        organisation_id=ORGANISATION,
        subject_id=subject_id,
        revision=revision,
        tried=tried,
        open=is_open,
    )


def fates(book: Book) -> list[tuple[int, str | None]]:
    return [(posted.mail.revision, posted.void) for posted in book.posted]


def test_a_mail_that_is_in_the_book_is_not_added_again() -> None:
    book = Book([entry("invitation", 0, tried=True, is_open=False)])
    book.post([calendar_mail("invitation", 0)])
    assert not book.posted
    assert not book.voided


def test_a_newer_revision_voids_one_that_nobody_tried() -> None:
    old = entry("invitation", 0, tried=False)
    book = Book([old])
    book.post([calendar_mail("invitation", 1)])
    assert book.voided == {old.key: "newer_revision"}
    assert fates(book) == [(1, None)]


def test_a_tried_revision_stays_and_the_newer_one_follows_it() -> None:
    book = Book([entry("invitation", 0, tried=True)])
    book.post([calendar_mail("invitation", 1)])
    assert not book.voided
    assert fates(book) == [(1, None)]


def test_another_persons_mails_are_another_matter() -> None:
    book = Book([entry("invitation", 0, tried=False, person_id=BEN)])
    book.post([calendar_mail("invitation", 1)])
    assert not book.voided


def test_a_cancel_follows_a_request_that_was_tried() -> None:
    book = Book([entry("invitation", 0, tried=True, is_open=False)])
    book.post([calendar_mail("cancellation", 1)])
    assert fates(book) == [(1, None)]


def test_a_cancel_after_a_tried_request_voids_the_untried_one_between() -> None:
    between = entry("invitation", 1, tried=False)
    book = Book([entry("invitation", 0, tried=True, is_open=False), between])
    book.post([calendar_mail("cancellation", 2)])
    assert book.voided == {between.key: "newer_revision"}
    assert fates(book) == [(2, None)]


def test_a_cancel_where_no_request_was_tried_voids_both() -> None:
    request = entry("invitation", 0, tried=False)
    book = Book([request])
    book.post([calendar_mail("cancellation", 1)])
    assert book.voided == {request.key: "newer_revision"}
    assert fates(book) == [(1, "not_invited")]


def test_a_request_and_its_cancel_in_one_batch_are_both_void() -> None:
    book = Book()
    book.post([calendar_mail("invitation", 0)])
    book.post([calendar_mail("cancellation", 1)])
    assert fates(book) == [(0, "newer_revision"), (1, "not_invited")]
    assert not book.voided, "they were never written as waiting"


def test_an_older_revision_than_one_seen_is_void() -> None:
    book = Book([entry("invitation", 5, tried=True, is_open=False)])
    book.post([calendar_mail("invitation", 4)])
    assert fates(book) == [(4, "newer_revision")]


def test_voiding_takes_back_what_was_not_tried_and_leaves_the_rest() -> None:
    untried = entry("proposal", 0, tried=False, subject_id=MATCH)
    tried = entry("proposal", 0, tried=True, person_id=BEN, subject_id=MATCH)
    other = entry("match", 1, tried=False, subject_id=MATCH)
    book = Book([untried, tried, other])
    book.void(MATCH, ("proposal",), "match_over")
    assert book.voided == {untried.key: "match_over"}


@given(
    st.lists(st.sampled_from(["invitation", "cancellation"]), min_size=1, max_size=8),
    st.integers(0, 8),
    st.data(),
)
def test_whatever_came_before_one_untried_mail_at_most_is_left_to_send(
    kinds: list[str], tried_count: int, data: st.DataObject
) -> None:
    """Revisions in order, batches cut anywhere: only the newest is left untried, a CANCEL only after a REQUEST."""
    cut = data.draw(st.integers(0, len(kinds)))
    first = Book()
    first.post([calendar_mail(kind, revision) for revision, kind in enumerate(kinds[:cut])])
    stored = [
        entry(
            posted.mail.kind,
            posted.mail.revision,
            tried=posted.void is None and posted.mail.revision < tried_count,
            is_open=posted.void is None,
        )
        for posted in first.posted
    ]
    second = Book(stored)
    second.post([calendar_mail(kind, revision) for revision, kind in enumerate(kinds[cut:], start=cut)])

    waiting = [old.revision for old in stored if old.open and not old.tried and old.key not in second.voided]
    waiting += [posted.mail.revision for posted in second.posted if posted.void is None]
    assert len(waiting) <= 1
    assert all(revision == len(kinds) - 1 for revision in waiting)
    invited = any(old.tried and old.kind == "invitation" for old in stored)
    if waiting and kinds[-1] == "cancellation" and cut < len(kinds):
        assert invited


def test_a_mail_that_had_gone_before_a_restore_counts_as_tried_when_it_is_planned_again() -> None:
    sent = calendar_mail("invitation", 0)
    book = Book(ending_of={sent.key: Ending("sent", None)}.get)
    book.post([sent])
    book.post([calendar_mail("cancellation", 1)])
    assert [(posted.void, posted.ending) for posted in book.posted] == [(None, Ending("sent", None)), (None, None)]
