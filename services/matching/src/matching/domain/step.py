"""One event being decided: what its steps have in common, whichever way a program matches.

Who has nobody seeks, or waits; places are offered; matches begin, change and end. A step changes the pool and keeps the
decisions in their order. Refuses to judge whether a request makes sense: that is settled before a step begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias
from uuid import UUID

from msgspec.structs import replace

from . import peers, requesting, search
from .pool import Pool
from .values import (
    Changed,
    ChangeReason,
    Choice,
    Confirmed,
    Decision,
    Ended,
    EndReason,
    Match,
    Participant,
    Proposed,
    Reason,
    Round,
    RoundDone,
    RuleName,
    Shared,
    Side,
    Waiting,
    Waitlisted,
)

# What a waiting mentee knows: the rules in the way, and how many of their lists are done with.
_Told: TypeAlias = tuple[frozenset[RuleName], int]
# The id of the match between a mentor and a mentee (participant ids) that follows from the event being decided.
NewMatchId: TypeAlias = Callable[[UUID, UUID], UUID]
_NOTHING_SHARED: Final = Shared()
# Who comes to a program that matches in rounds.
NEXT_ROUND: Final = (Reason(rule="next_round", removed=0),)


@dataclass(slots=True)
class Step:
    """One event being decided. Notices to those who wait are kept back to the end: one for each mentee."""

    pool: Pool
    new_match_id: NewMatchId
    decisions: list[Decision] = field(default_factory=list)
    told_before: dict[UUID, _Told | None] = field(default_factory=dict)

    @classmethod
    def begin(cls, pool: Pool, now: datetime, new_match_id: NewMatchId) -> Step:
        """Move the program's time on; from here on nothing is refused.

        Where clocks have changed since the last event, whoever waits looks again before anything else is decided.
        """
        step = cls(pool, new_match_id)
        if pool.advance(now):
            step.retry_waiting()
        return step

    def finish(self) -> list[Decision]:
        """The decisions, and then the notices."""
        for participant_id in sorted(self.told_before):
            waiting, before = self.pool.waiting.get(participant_id), self.told_before[participant_id]
            if waiting is not None and (before is None or before != self._told(participant_id)):
                self.decisions.append(Waitlisted(waiting))
        return self.decisions

    def seek(self, participant_id: UUID, since: datetime) -> None:
        """Find a mentor, or a partner, for somebody who has none, or let them wait.

        Nothing for a peer who has a partner: of several who were to look again, one may have taken the other.
        """
        pool = self.pool
        if pool.program.kind == "peer" and pool.matches_of_mentee(participant_id):
            return
        if pool.program.policy.in_rounds:
            waiting = pool.waiting.get(participant_id)
            self.wait(participant_id, since, NEXT_ROUND if waiting is None else waiting.reasons)
            return
        row = pool.facts.row_of[participant_id]
        if requesting.by_request(pool.program.policy):
            self.ask(participant_id, since)
            return
        found = peers.look(pool, row) if pool.program.kind == "peer" else search.look(pool, row)
        if isinstance(found, search.Fit):
            self.take(found, since)
        else:
            self.wait(participant_id, since, found)

    def ask(self, participant_id: UUID, since: datetime) -> None:
        """Ask the next of those whom the mentee chose. With nobody to be asked they wait, and may choose."""
        pool = self.pool
        turn = requesting.next_turn(pool, participant_id)
        if turn is not None:
            for fit in turn.fits:
                self.take(fit, since)
            pool.put_choice(turn.choice)
        if not pool.matches_of_mentee(participant_id):
            self.wait(participant_id, since)

    def choose(self, mentee: Participant, mentors: Sequence[UUID]) -> None:
        """Take a mentee's list in the place of what is left of the one before. Who was asked already stays asked."""
        pool, policy, participant_id = self.pool, self.pool.program.policy, mentee.participant_id
        waiting = pool.waiting.get(participant_id)
        live = pool.matches_of_mentee(participant_id)
        welcome = requesting.by_request(policy) and mentee.is_mentee and all(each.status == "proposed" for each in live)
        if welcome:
            self._note_told(participant_id)
        asked = {each.mentor.participant_id for each in live}
        listed = [each for each in mentors[: policy.requests_limit] if each not in asked]
        self.count_list(participant_id, mentee.organisation_id, listed if welcome else ())
        if welcome:
            since = waiting.since if waiting is not None else live[0].waiting_since if live else pool.now
            self.ask(participant_id, since)

    def count_list(self, participant_id: UUID, organisation_id: UUID, mentors: Sequence[UUID] = ()) -> None:
        """One more list came from a mentee; `mentors` are those of it who may be asked."""
        before = self.pool.choices.get(participant_id)
        self.pool.put_choice(
            Choice(
                participant_id=participant_id,
                organisation_id=organisation_id,
                number=1 if before is None else before.number + 1,
                mentors=tuple(mentors),
                decided_at=self.pool.now,
            )
        )

    def retry_waiting(self) -> None:
        """Everybody who waits looks at the whole pool again, longest waiting first.

        Peers look at one another, so of many only the first ones do, as many as one event has time for.
        """
        pool = self.pool
        entries = sorted(pool.waiting.values(), key=place_in_queue)
        if pool.program.kind == "peer" and not pool.program.policy.in_rounds:
            entries = entries[: peers.looks_at_once(pool)]
        for entry in entries:
            self.seek(entry.participant_id, entry.since)

    def wait(self, participant_id: UUID, since: datetime, reasons: tuple[Reason, ...] | None = None) -> None:
        """A mentee waits (again, or still) and is told if the rules in the way are not those they know.

        `reasons` where they are known; else the whole pool is asked.
        """
        pool = self.pool
        before = pool.waiting.get(participant_id)
        self._note_told(participant_id)
        entry = Waiting(
            participant_id=participant_id,
            organisation_id=pool.participants[participant_id].organisation_id,
            since=since,
            reasons=self._reasons(pool.facts.row_of[participant_id]) if reasons is None else reasons,
        )
        if entry != before:
            pool.put_waiting(entry)

    def offer(self, mentor_id: UUID) -> None:
        """Give the mentor's free places to those who wait. Peers have none: each of them seeks by themselves."""
        pool = self.pool
        mentor = pool.participants.get(mentor_id)
        if mentor is None or pool.program.kind == "peer" or pool.program.policy.in_rounds:
            return
        places = pool.free_places(mentor_id)
        if not places or not pool.waiting or requesting.by_request(pool.program.policy):
            return
        seen = search.prospects(pool, pool.facts.row_of[mentor_id], places)
        for fit in seen.fits:
            self.take(fit, pool.waiting[pool.facts.id_at(fit.mentee)].since)
        for row in seen.untold:
            participant_id = pool.facts.id_at(row)
            self.wait(participant_id, pool.waiting[participant_id].since)

    def take(self, fit: search.Fit, since: datetime, round_id: UUID | None = None) -> None:
        """Make the match: a proposal where the mentor is to be asked, else confirmed at once.

        Who joins a circle that is there has its end, or its time to answer: its mentor was asked, or is being asked.
        """
        pool, program = self.pool, self.pool.program
        policy = program.policy
        requested = requesting.by_request(policy)
        mentor = pool.participants[pool.facts.id_at(fit.mentor)]
        mentee = pool.participants[pool.facts.id_at(fit.mentee)]
        now = pool.now
        circle = pool.circle_of(mentor.participant_id)
        proposed = (policy.mentor_consent or requested) if circle is None else circle.status == "proposed"
        expires_at = ends_at = None
        if proposed:
            expires_at = now + timedelta(days=policy.proposal_days) if circle is None else circle.expires_at
        else:
            ends_at = self._end() if circle is None else circle.ends_at
        match = Match(
            match_id=self.new_match_id(mentor.participant_id, mentee.participant_id),
            mentor=_side(mentor),
            mentee=_side(mentee),
            status="proposed" if proposed else "confirmed",
            slot=pool.free_slot(mentor.participant_id),
            capacity=1 if program.kind == "peer" else mentor.capacity,
            score=fit.score,
            facets=fit.facets(policy.weights),
            # It is for the page where the mentor answers.
            shared=search.common_ground(pool, mentor, mentee) if proposed else _NOTHING_SHARED,
            policy_version=policy.version,
            round_id=round_id,
            again=self._again(mentor.person_id, mentee.person_id),
            circle_id=self._circle_id(mentor.participant_id, circle),
            partners=program.kind == "peer",
            waiting_since=since,
            proposed_at=now,
            expires_at=expires_at,
            confirmed_at=None if proposed else now,
            ends_at=ends_at,
            requested=requested,
        )
        pool.stop_waiting(mentee.participant_id)
        if match.partners:
            pool.stop_waiting(mentor.participant_id)
        pool.add_match(match)
        self.decisions.append(Proposed(match) if proposed else Confirmed(match))

    def confirm(self, match: Match) -> None:
        """A proposal becomes a match. Whoever else was asked for the mentee is not needed any more.

        Who was only asked because somebody chose them was not matched by that: whether the two are matched again shows
        now, since both may have asked each other.
        """
        pool, mentee_id = self.pool, match.mentee.participant_id
        again = self._again(match.mentor.person_id, match.mentee.person_id) if match.requested else match.again
        confirmed = replace(match, status="confirmed", again=again, confirmed_at=pool.now, ends_at=self._end())
        self.pool.replace_match(confirmed)
        self.decisions.append(Confirmed(confirmed))
        others = [each for each in pool.matches_of_mentee(mentee_id) if each.match_id != match.match_id]
        for other in others:
            self.end(other, "other_accepted")
        self.drop_list(mentee_id)
        self.settle(others, mentees_look_again=False)

    def drop_list(self, participant_id: UUID) -> None:
        """Nobody is asked any more for a mentee's list."""
        choice = self.pool.choices.get(participant_id)
        if choice is not None and choice.mentors:
            self.pool.put_choice(replace(choice, mentors=()))

    def change(self, match: Match, reason: ChangeReason) -> None:
        """Tell others what changed in a running match."""
        self.pool.replace_match(match)
        self.decisions.append(Changed(match, reason))

    def end(self, match: Match, reason: EndReason) -> None:
        """End a live match; what the two had in common is not kept. Who looks again is the caller's to say."""
        ended = replace(match, status="ended", ended_at=self.pool.now, end_reason=reason, shared=_NOTHING_SHARED)
        self.pool.replace_match(ended)
        self.decisions.append(Ended(ended, was_confirmed=match.status == "confirmed"))

    def close_round(self, closed: Round) -> None:
        """Something came of the open round."""
        done = replace(closed, completed_at=self.pool.now)
        self.pool.put_round(done)
        self.decisions.append(RoundDone(done))

    def settle(self, ended: Iterable[Match], *, mentees_look_again: bool = True) -> None:
        """After matches ended: their mentees seek anew, then their mentors' places are offered.

        Who only had a proposal keeps their place in the queue; who had a mentor goes to its end.
        """
        ended = list(ended)
        if mentees_look_again:
            for match in ended:
                since = self.pool.now if match.status == "confirmed" else match.waiting_since
                self.seek_again(match.mentee.participant_id, since)
                if match.partners:
                    self.seek_again(match.mentor.participant_id, since)
        for mentor_id in sorted({match.mentor.participant_id for match in ended}):
            self.offer(mentor_id)
        if self.pool.program.policy.rematch_former:
            self.reconsider({side.person_id for match in ended for side in (match.mentor, match.mentee)})

    def reconsider(self, person_ids: Iterable[UUID]) -> None:
        """Persons who were kept apart may meet again: those of them who wait seek, those who mentor are offered."""
        people = [each for person_id in sorted(person_ids) for each in self.pool.participants_of(person_id)]
        waiting = [
            self.pool.waiting[each.participant_id] for each in people if each.participant_id in self.pool.waiting
        ]
        for entry in sorted(waiting, key=place_in_queue):
            self.seek(entry.participant_id, entry.since)
        for each in people:
            self.offer(each.participant_id)

    def seek_again(self, participant_id: UUID, since: datetime) -> None:
        """Seek, if they are still here, still a mentee, and without a match, or one of several who were asked left."""
        mentee = self.pool.participants.get(participant_id)
        if mentee is None or not mentee.is_mentee:
            return
        live = self.pool.matches_of_mentee(participant_id)
        if not live or (requesting.by_request(self.pool.program.policy) and live[0].status == "proposed"):
            self.seek(participant_id, since)

    def _note_told(self, participant_id: UUID) -> None:
        if participant_id not in self.told_before:
            self.told_before[participant_id] = self._told(participant_id)

    def _told(self, participant_id: UUID) -> _Told | None:
        waiting, choice = self.pool.waiting.get(participant_id), self.pool.choices.get(participant_id)
        if waiting is None:
            return None
        return frozenset(reason.rule for reason in waiting.reasons), 0 if choice is None else choice.number

    def _reasons(self, row: int) -> tuple[Reason, ...]:
        """Why somebody waits who has nobody."""
        if requesting.by_request(self.pool.program.policy):
            return requesting.TO_CHOOSE
        return search.why_nobody(self.pool, row)

    def _circle_id(self, mentor_id: UUID, circle: Match | None) -> UUID | None:
        """That of the mentor's circle; of a new one it follows from the event and the mentor."""
        if self.pool.program.kind != "group":
            return None
        return self.new_match_id(mentor_id, mentor_id) if circle is None else circle.circle_id

    def _again(self, one: UUID, other: UUID) -> bool:
        """Whether two persons who are matched now were matched before."""
        return self.pool.program.policy.rematch_former and self.pool.facts.were_paired(one, other)

    def _end(self) -> datetime:
        """When a match that begins now ends."""
        return self.pool.now + _weeks(self.pool.program.terms.weeks)


def place_in_queue(entry: Waiting) -> tuple[datetime, UUID]:
    """Who waits longer comes first."""
    return entry.since, entry.participant_id


@lru_cache(maxsize=128)
def _weeks(count: int) -> timedelta:
    return timedelta(weeks=count)


def _side(participant: Participant) -> Side:
    return Side(
        participant_id=participant.participant_id,
        person_id=participant.person_id,
        organisation_id=participant.organisation_id,
    )
