"""What follows from an answer: it is kept once, a pair in trouble is noticed, another match is asked for.

The first answer counts. Sending it again changes nothing, and sending another one is told that it came too late.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from .questionnaire import Answer

Signal = Literal["low_rating", "not_held"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of a request when an answer to it arrives."""

    expires_at: datetime
    respondent_erased: bool
    earlier: Answer | None
    low_rating: int
    signals: Collection[Signal]
    rematch_asked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer is to be stored. `signals` are those that the meeting did not show before."""

    signals: tuple[Signal, ...]
    ask_rematch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """The very answer that is stored came again: nothing changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The answer is not taken: another one was given before, or the time is over."""

    reason: Literal["answered", "closed"]


Outcome: TypeAlias = Accepted | Repeated | Refused


def judge(standing: Standing, answer: Answer, now: datetime) -> Outcome:
    """Decide what one answer changes. An erased person's request is closed, so that no new text of theirs is kept."""
    if standing.respondent_erased or is_expired(standing.expires_at, now):
        return Refused(reason="closed")
    if standing.earlier is not None:
        return Repeated() if standing.earlier == answer else Refused(reason="answered")
    signal = signal_of(answer, standing.low_rating)
    return Accepted(
        signals=(signal,) if signal is not None and signal not in standing.signals else (),
        ask_rematch=answer.wants_rematch and not standing.rematch_asked,
    )


def is_expired(expires_at: datetime, now: datetime) -> bool:
    """Whether the time to answer is over. Then the answer, if there is one, is not shown either."""
    return now >= expires_at


def signal_of(answer: Answer, low_rating: int) -> Signal | None:
    """The sign of trouble in an answer. A meeting that was not held says nothing about its quality."""
    if not answer.took_place:
        return "not_held"
    return "low_rating" if answer.rating <= low_rating else None
