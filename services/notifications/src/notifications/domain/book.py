"""The book of mails: which planned mail waits, and which earlier one it makes void. Pure; one book for each batch.

It holds the mails of every subject that the batch touches, as they were when their rows were locked, and records what
the batch adds and changes. The rules:

- a key that is in the book already is the same mail again, and nothing happens;
- a newer calendar revision voids older ones that nobody tried to send; an older one than those seen is void itself;
- a CANCEL goes only where a REQUEST was tried; otherwise both are void, for there is nothing to take back;
- the newest word about waiting or choosing takes the place of those that did not go out;
- who left gets no word from before about joining, waiting or choosing. That they left is noted, too: such a word may be
  read after that, and the sender drops it then.

A mail that was tried is left alone, whatever became of it: the receiver may have it. So the newer one waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from .mail import CALENDAR, Kind, Mail

VoidReason = Literal["newer_revision", "not_invited", "match_over", "withdrawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A mail as the book knows it. `tried`: a server may have it. `open`: neither sent nor given up.

    `why`: what a word about waiting says.
    """

    key: str
    kind: Kind
    person_id: UUID
    organisation_id: UUID
    subject_id: UUID
    revision: int
    tried: bool
    open: bool
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a mail ended."""

    status: str
    reason: str | None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """A new mail; `void` says why it is not to be sent, where it is not; `ending` how it ended before, if it did."""

    mail: Mail
    void: VoidReason | None
    ending: Ending | None = None


class Book:
    """Mails of the touched subjects. Not shared between batches.

    `ending_of` tells by key how a mail that is not in the book yet had ended: one that was tried, whatever comes.
    """

    def __init__(
        self, entries: Iterable[Entry] = (), *, ending_of: Callable[[str], Ending | None] = lambda _key: None
    ) -> None:
        self._ending_of = ending_of
        self._subjects: dict[UUID, dict[str, Entry]] = {}
        for entry in entries:
            self._subjects.setdefault(entry.subject_id, {})[entry.key] = entry
        self._posted: dict[str, Mail] = {}
        self._voided: dict[str, VoidReason] = {}
        self.left: dict[UUID, datetime] = {}
        self.returned: set[UUID] = set()

    def post(self, mails: Iterable[Mail]) -> None:
        """Add planned mails."""
        for mail in mails:
            self._post(mail)

    def supersede(self, mail: Mail, kinds: Iterable[Kind]) -> None:
        """Add a mail in the place of those of these kinds about its subject that nobody tried to send."""
        if mail.key not in self._subjects.get(mail.subject_id, {}):
            self.void(mail.subject_id, kinds, "newer_revision")
            self._post(mail)

    def void(self, subject_id: UUID, kinds: Iterable[Kind], reason: VoidReason) -> None:
        """Take back the mails of these kinds about a subject that nobody tried to send."""
        wanted = frozenset(kinds)
        for entry in list(self._subjects.get(subject_id, {}).values()):
            if entry.kind in wanted:
                self._void(entry, reason)

    def leave(self, participant_id: UUID, at: datetime) -> None:
        """Somebody left a program, at that business time."""
        self.void(participant_id, ("registered", "waitlisted", "choose_mentors"), "withdrawn")
        self.left[participant_id] = at
        self.returned.discard(participant_id)

    def join(self, participant_id: UUID) -> None:
        """Somebody joined a program, perhaps after they left it."""
        self.returned.add(participant_id)
        self.left.pop(participant_id, None)

    def about(self, subject_id: UUID, kind: Kind) -> list[Entry]:
        """The mails of one kind about a subject, in the order of their keys."""
        entries = self._subjects.get(subject_id, {}).values()
        return sorted((entry for entry in entries if entry.kind == kind), key=lambda entry: entry.key)

    @property
    def posted(self) -> list[Posted]:
        """New mails, in the order in which they came, as the whole batch left them."""
        return [Posted(mail, self._voided.get(key), self._ending_of(key)) for key, mail in self._posted.items()]

    @property
    def voided(self) -> dict[str, VoidReason]:
        """Keys of mails from before the batch that are not to be sent any more."""
        return {key: reason for key, reason in self._voided.items() if key not in self._posted}

    def _post(self, mail: Mail) -> None:
        subject = self._subjects.setdefault(mail.subject_id, {})
        if mail.key in subject:
            return
        ended = self._ending_of(mail.key) is not None
        why = mail.params.get("why")
        entry = Entry(
            key=mail.key,
            kind=mail.kind,
            person_id=mail.person_id,
            organisation_id=mail.organisation_id,
            subject_id=mail.subject_id,
            revision=mail.revision,
            tried=ended,
            open=not ended,
            why=why if isinstance(why, str) else None,
        )
        thread = [other for other in subject.values() if other.person_id == mail.person_id and other.kind in CALENDAR]
        subject[mail.key] = entry
        self._posted[mail.key] = mail
        if mail.kind in CALENDAR:
            self._revise(entry, thread)

    def _revise(self, newest: Entry, thread: Sequence[Entry]) -> None:
        if any(other.revision >= newest.revision for other in thread):
            self._void(newest, "newer_revision")
            return
        for older in thread:
            self._void(older, "newer_revision")
        invited = any(older.tried and older.kind == "invitation" for older in thread)
        if newest.kind == "cancellation" and not invited:
            self._void(newest, "not_invited")

    def _void(self, entry: Entry, reason: VoidReason) -> None:
        if entry.open and not entry.tried:
            self._voided[entry.key] = reason
            self._subjects[entry.subject_id][entry.key] = replace(entry, open=False)
