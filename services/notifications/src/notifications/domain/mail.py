"""What a mail is before anybody writes it: a fact for one person, with a natural key. Knows no names and no addresses.

Classes of mail. *Needed* mails are those without which a program cannot run: choosing mentors, proposals and the word
that one is closed, matches, who is in them and their end, invitations, cancellations, missing common time. *Courtesy*
mails are the rest: the welcome, the word that one has to wait, the request for feedback. A person who unsubscribes
stops the courtesy mails only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

Kind = Literal[
    "registered",
    "waitlisted",
    "choose_mentors",
    "proposal",
    "proposal_closed",
    "match",
    "members_changed",
    "match_ended",
    "no_common_time",
    "invitation",
    "cancellation",
    "feedback_request",
]
Params = Mapping[str, object]

COURTESY: Final[frozenset[Kind]] = frozenset({"registered", "waitlisted", "feedback_request"})
CALENDAR: Final[frozenset[Kind]] = frozenset({"invitation", "cancellation"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What happened: the event's id, its program, its business time."""

    cause_id: str
    program_id: UUID
    time: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One planned mail. Equal keys are the same mail, whatever made them.

    `subject_id` names what it is about (participant, match, meeting or feedback request). Mails of one person about
    one subject go in the order of `revision`, one at a time; for calendar mails it is the iCalendar SEQUENCE.
    `mentions` are the people whose names the mail shows beside its receiver's. `params` hold no personal data.
    It is due from `due_at` and given up at `expires_at`, both business time.
    """

    key: str
    kind: Kind
    occasion: Occasion
    person_id: UUID
    organisation_id: UUID
    subject_id: UUID
    due_at: datetime
    expires_at: datetime
    revision: int = 0
    mentions: tuple[UUID, ...] = ()
    params: Params = field(default_factory=dict)

    @property
    def courtesy(self) -> bool:
        """Whether the person may unsubscribe from it."""
        return self.kind in COURTESY
