"""What pulse knows of one program: facts that wait for their counterpart, and the windows that pairs end up in.

The topics are read in no order relative to each other, so a match may be seen before the registration that it
answers. Each fact is kept until its counterpart came, whichever is first, and a pair makes exactly one sample. Within
a topic a program has one order; "first" below means first in that order.

Refuses to remember for ever: what was not touched within the horizon is forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from pulse.domain.windows import Counts, Samples

_BUCKETS: Final = 100


@dataclass(frozen=True, slots=True)
class Spans:
    """How far back windows and memory reach, in seconds of business time.

    `window_seconds`: durations, feedback, notifications; `rate_seconds`: events a minute; `horizon_seconds`: how long
    a fact waits for its counterpart.
    """

    window_seconds: float
    rate_seconds: float
    horizon_seconds: float


class _Participant:
    """A mentee.

    `seeks` is the last word of `registrations`, None where that is forgotten or was not read yet; `waitlisted` whether
    `matches` said so since the last confirmation. Whoever had a match waits again only when they are waitlisted:
    a mentoring that came to its end is complete.
    """

    __slots__ = ("had_match", "matched_at", "registered_at", "running", "seeks", "touched_at", "waitlisted")

    def __init__(self, at: float) -> None:
        self.registered_at: float | None = None
        self.matched_at: float | None = None
        self.seeks: bool | None = None
        self.waitlisted = False
        self.had_match = False
        self.running = 0
        self.touched_at = at

    @property
    def waits(self) -> bool:
        if self.running or self.seeks is False:
            return False
        return self.waitlisted or (self.seeks is True and not self.had_match)


class _Match:
    """A match, from its confirmation, or from a meeting that was read before it.

    `told`: whether `matches` said who is in it. Until then it is whoever the first meeting was booked for.
    """

    __slots__ = ("confirmed_at", "ended", "held_at", "mentees", "scheduled_at", "told", "touched_at")

    def __init__(self, at: float) -> None:
        self.confirmed_at: float | None = None
        self.scheduled_at: float | None = None
        self.held_at: float | None = None
        self.mentees: frozenset[UUID] = frozenset()
        self.told = False
        self.ended = False
        self.touched_at = at


class ProgramPulse:
    """The facts and windows of one program. Times are seconds since 1970, UTC; `at` is the time of the event."""

    def __init__(self, spans: Spans) -> None:
        self._spans = spans
        self._participants: dict[UUID, _Participant] = {}
        self._matches: dict[UUID, _Match] = {}
        self._open_requests: dict[UUID, float] = {}
        self.time_to_match = Samples()
        self.match_to_scheduled = Samples()
        self.match_to_held = Samples()
        self.answers = Samples()  # by when they were asked for
        self.sent = Counts(spans.window_seconds, _BUCKETS)
        self.failed = Counts(spans.window_seconds, _BUCKETS)
        self.events = Counts(spans.window_seconds, _BUCKETS)
        self.by_kind: dict[tuple[str, str], Counts] = {}
        self.newest_at = 0.0

    def count(self, kind: tuple[str, str], at: float, now: float) -> None:
        """Count an event of a kind, (topic, type)."""
        self.newest_at = max(self.newest_at, at)
        self.events.add(at)
        if at > now - self._spans.rate_seconds:
            counts = self.by_kind.get(kind)
            if counts is None:
                minutes = max(1, round(self._spans.rate_seconds / 60))
                counts = self.by_kind[kind] = Counts(self._spans.rate_seconds, minutes)
            counts.add(at)

    def registered(self, participant_id: UUID, at: float, *, seeks: bool) -> None:
        """A participant registered, or changed; `seeks`: to be mentored."""
        if not seeks and participant_id not in self._participants:
            return
        participant = self._participant(participant_id, at)
        participant.seeks = seeks
        if seeks and participant.registered_at is None:
            participant.registered_at = at
            self._pair(self.time_to_match, at, participant.matched_at)

    def withdrew(self, participant_id: UUID, at: float) -> None:
        """A participant left. Kept, so that what `matches` says of them, read later, does not bring them back."""
        self._participant(participant_id, at).seeks = False

    def waitlisted(self, participant_id: UUID, at: float) -> None:
        """A mentee has to wait."""
        self._participant(participant_id, at).waitlisted = True

    def confirmed(self, match_id: UUID, mentee_ids: Collection[UUID], at: float) -> None:
        """A match began."""
        match = self._match(match_id, at, ())
        if match.confirmed_at is None:
            match.confirmed_at = at
            self._pair(self.match_to_scheduled, at, match.scheduled_at)
            self._pair(self.match_to_held, at, match.held_at)
        self.changed(match_id, mentee_ids, at)

    def changed(self, match_id: UUID, mentee_ids: Collection[UUID], at: float) -> None:
        """Who is mentored in a match, from now on."""
        match = self._match(match_id, at, ())
        match.told = True
        self._put_mentees(match, mentee_ids, at)
        for mentee_id in mentee_ids:
            mentee = self._participant(mentee_id, at)
            mentee.waitlisted = False
            if mentee.matched_at is None:
                mentee.matched_at = at
                self._pair(self.time_to_match, mentee.registered_at, at)

    def ended(self, match_id: UUID, at: float) -> None:
        """A match, or a proposal, is over."""
        match = self._match(match_id, at, ())
        if not match.ended:
            match.ended = True
            for mentee_id in match.mentees:
                self._participant(mentee_id, at).running -= 1

    def scheduled(self, match_id: UUID, mentee_ids: Collection[UUID], at: float) -> None:
        """A meeting of a match was booked."""
        match = self._match(match_id, at, mentee_ids)
        if match.scheduled_at is None:
            match.scheduled_at = at
            self._pair(self.match_to_scheduled, match.confirmed_at, at)

    def held(self, match_id: UUID, mentee_ids: Collection[UUID], at: float) -> None:
        """A meeting of a match took place."""
        match = self._match(match_id, at, mentee_ids)
        if match.held_at is None:
            match.held_at = at
            self._pair(self.match_to_held, match.confirmed_at, at)

    def asked(self, request_id: UUID, at: float) -> None:
        """Feedback was asked for."""
        self._open_requests[request_id] = at

    def answered(self, request_id: UUID, at: float) -> None:
        """Feedback was given. One that was asked for before the window is nothing."""
        asked_at = self._open_requests.pop(request_id, None)
        if asked_at is not None:
            self.answers.add(asked_at, at - asked_at)

    def waiting(self, now: float) -> int:
        """Mentees who want a match and have none, of whom the horizon still knows."""
        start = now - self._spans.horizon_seconds
        return sum(each.waits and each.touched_at > start for each in self._participants.values())

    def unanswered(self, now: float) -> int:
        """Requests of the window that have no answer yet."""
        start = now - self._spans.window_seconds
        return sum(asked_at > start for asked_at in self._open_requests.values())

    def forget(self, now: float) -> bool:
        """Drop what left the windows and the horizon; whether nothing is left of the program."""
        horizon, window = now - self._spans.horizon_seconds, now - self._spans.window_seconds
        self._participants = {key: each for key, each in self._participants.items() if each.touched_at > horizon}
        self._matches = {key: each for key, each in self._matches.items() if each.touched_at > horizon}
        self._open_requests = {key: asked_at for key, asked_at in self._open_requests.items() if asked_at > window}
        for samples in (self.time_to_match, self.match_to_scheduled, self.match_to_held, self.answers):
            samples.forget_until(window)
        for counts in (self.sent, self.failed, self.events, *self.by_kind.values()):
            counts.forget(now)
        self.by_kind = {kind: counts for kind, counts in self.by_kind.items() if len(counts)}
        return self.newest_at <= min(horizon, window)

    def size(self) -> int:
        """Facts and samples held: what memory grows with."""
        held: Iterable[Collection[UUID] | Samples] = (
            self._participants,
            self._matches,
            self._open_requests,
            self.time_to_match,
            self.match_to_scheduled,
            self.match_to_held,
            self.answers,
        )
        return sum(map(len, held))

    def _pair(self, samples: Samples, began_at: float | None, ended_at: float | None) -> None:
        # Further apart than the horizon, the older fact may or may not be forgotten yet: never a pair.
        if began_at is not None and ended_at is not None and ended_at - began_at <= self._spans.horizon_seconds:
            samples.add(ended_at, ended_at - began_at)

    def _participant(self, participant_id: UUID, at: float) -> _Participant:
        participant = self._participants.get(participant_id)
        if participant is None:
            participant = self._participants[participant_id] = _Participant(at)
        participant.touched_at = max(participant.touched_at, at)
        return participant

    def _match(self, match_id: UUID, at: float, mentee_ids: Collection[UUID]) -> _Match:
        """The match; it runs for these mentees, unless `matches` said otherwise or it is known to have ended."""
        match = self._matches.get(match_id)
        if match is None:
            match = self._matches[match_id] = _Match(at)
        match.touched_at = max(match.touched_at, at)
        if mentee_ids and not match.mentees and not match.told:
            self._put_mentees(match, mentee_ids, at)
        for mentee_id in match.mentees:
            self._participant(mentee_id, at)
        return match

    def _put_mentees(self, match: _Match, mentee_ids: Collection[UUID], at: float) -> None:
        now = frozenset(mentee_ids)
        for mentee_id in now - match.mentees:
            mentee = self._participant(mentee_id, at)
            mentee.had_match = True
            mentee.running += not match.ended
        for mentee_id in match.mentees - now:
            self._participant(mentee_id, at).running -= not match.ended
        match.mentees = now
