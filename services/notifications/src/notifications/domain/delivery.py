"""What a try to send means for a mail: sent, try again later, or given up. Pure; chance is an argument.

Times here are real time, never business time: a server's trouble does not end because a driven clock moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from .mail import Kind

FailureReason = Literal["rejected", "expired", "erased"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The next hop took the mail over."""

    code: int = 250


@dataclass(frozen=True, slots=True)
class Refused:
    """The next hop refused this mail for good (5xx), or the address cannot be written on the wire."""

    code: int


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not this time: 4xx, a time-out, or a broken connection in the middle. `code` is 0 without an answer."""

    code: int


@dataclass(frozen=True, slots=True)
class Untried:
    """The mail never left: no connection, the server would not have us, or its lease was nearly over."""


Outcome = Accepted | Refused | Deferred | Untried


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how far apart, in real seconds."""

    attempts: int
    base_seconds: float
    limit_seconds: float

    def delay_seconds(self, attempt: int, chance: float) -> float:
        """Time to wait after the given attempt (1 is the first); `chance` in [0, 1) spreads it over its upper half."""
        return min(self.limit_seconds, self.base_seconds * 2.0 ** min(attempt - 1, 60)) * (0.5 + chance / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of the mail. `code` is the server's last word, where it gave one."""

    status: Literal["sent", "waiting", "failed"]
    tried: bool = True
    code: int | None = None
    failure: FailureReason | None = None
    delay_seconds: float = 0.0


def judge(outcome: Outcome, *, attempt: int, policy: RetryPolicy, chance: float) -> Verdict:
    """The verdict after the given attempt. An untried mail keeps its attempt and waits for the sender's own pause."""
    match outcome:
        case Accepted(code):
            return Verdict(status="sent", code=code)
        case Refused(code):
            return Verdict(status="failed", code=code, failure="rejected")
        case Deferred(code) if attempt >= policy.attempts:
            return Verdict(status="failed", code=code or None, failure="expired")
        case Deferred(code):
            return Verdict(status="waiting", code=code or None, delay_seconds=policy.delay_seconds(attempt, chance))
        case Untried():
            return Verdict(status="waiting", tried=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A mail whose status just changed, as far as others may know of it."""

    notification_id: UUID
    program_id: UUID
    person_id: UUID
    organisation_id: UUID
    kind: Kind
    cause_id: str
    traceparent: str | None
    status: Literal["waiting", "sent", "superseded", "failed"]
    status_reason: str | None
    last_status: int | None
