"""First come, first matched: what follows from each thing that happens in a program, decided at once.

Every function takes the pool, the time of the event and what happened, changes the pool, and returns the decisions in
their order. What cannot be is refused with Contradiction before anything changes. An answer that comes too late
changes nothing and decides nothing: an empty result.

Two rules keep the order fair. A mentee who is on their own again looks for a mentor first; only then are places that
became free offered to those who wait, longest waiting first. And nobody waits while a free mentor fits, because each
change that could make a pair possible is followed by a look at those whom it concerns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from . import requesting, rules
from .pool import Pool, in_order
from .step import NEXT_ROUND, NewMatchId, Step, place_in_queue
from .values import Contradiction, Decision, EndReason, Match, OwnVocabulary, Participant, Program


def configure(pool: Pool, now: datetime, new_match_id: NewMatchId, program: Program) -> list[Decision]:
    """A program's policy, terms or description changed.

    New terms hold for running matches too: their end is counted anew from their beginning, but never into the past.
    A new policy holds for those who wait, who look again; what was matched or proposed under the old one stays. Where
    pairs are made in rounds from now on, they wait for the next one.
    """
    step = Step.begin(pool, now, new_match_id)
    before = pool.program
    pool.configure(program)
    if program.terms != before.terms:
        for match in in_order(pool.matches.values()):
            if match.confirmed_at is not None:
                began = min(each.confirmed_at or pool.now for each in pool.told_as(match.told_as))
                ends_at = max(pool.now, began + timedelta(weeks=program.terms.weeks))
                step.change(replace(match, ends_at=ends_at), "terms")
    if program.policy != before.policy:
        if not requesting.by_request(program.policy):
            for participant_id in sorted(pool.choices):
                step.drop_list(participant_id)
        if not program.policy.in_rounds and pool.round is not None:
            step.close_round(replace(pool.round, status="discarded"))
        if program.policy.in_rounds and not before.policy.in_rounds:
            for entry in sorted(pool.waiting.values(), key=place_in_queue):
                step.wait(entry.participant_id, entry.since, NEXT_ROUND)
        step.retry_waiting()
    return step.finish()


def configure_vocabulary(pool: Pool, now: datetime, new_match_id: NewMatchId, own: OwnVocabulary) -> list[Decision]:
    """The program's own vocabulary changed; where its policy uses it, those who wait look again.

    An older one than is known comes too late and changes nothing.
    """
    if own.version <= pool.own_vocabulary.version:
        return []
    step = Step.begin(pool, now, new_match_id)
    pool.put_vocabulary(own)
    if pool.program.policy.vocabulary == "own":
        step.retry_waiting()
    return step.finish()


def register(pool: Pool, now: datetime, new_match_id: NewMatchId, participant: Participant) -> list[Decision]:
    """Somebody joined. Somebody who is here already is taken as updated: a registration carries all there is."""
    if participant.participant_id in pool.participants:
        return update(pool, now, new_match_id, participant)
    pool.check_zone(participant.profile.zone)  # refuses while nothing has changed
    step = Step.begin(pool, now, new_match_id)
    if participant.joined_at != pool.now:
        participant = replace(participant, joined_at=pool.now)
    pool.put_participant(participant)
    if participant.is_mentee:
        step.seek(participant.participant_id, pool.now)
    if participant.is_mentor:
        step.offer(participant.participant_id)
    return step.finish()


def update(pool: Pool, now: datetime, new_match_id: NewMatchId, participant: Participant) -> list[Decision]:
    """Somebody's details changed; all of them are replaced.

    A capacity below the number of matches ends none of them. Matches end when a role is given up ("withdrawn"), or
    when one of the two now blocks the other ("rematch": it does not say who asked).
    """
    participant_id = participant.participant_id
    before = pool.participants.get(participant_id)
    if before is None:
        raise Contradiction("unknown_participant", f"participant {participant_id} is not in the program")
    if before.person_id != participant.person_id:
        raise Contradiction("other_person", f"participant {participant_id} belongs to another person")
    pool.check_zone(participant.profile.zone)
    step = Step.begin(pool, now, new_match_id)
    pool.put_participant(replace(participant, joined_at=before.joined_at))

    ended: list[Match] = []
    for match in pool.matches_of(participant_id):
        mentors = match.mentor.participant_id == participant_id
        keeps_role = participant.is_mentor if mentors else participant.is_mentee
        if not keeps_role or (match.partners and not (participant.is_mentor and participant.is_mentee)):
            step.end(match, "withdrawn")
        elif _blocked(pool, match):
            step.end(match, "rematch")
        else:
            if match.status == "confirmed" and _meets_otherwise(before, participant):
                step.change(match, "participant_updated")
            continue
        ended.append(match)

    waiting = pool.waiting.get(participant_id)
    if not participant.is_mentee:
        pool.stop_waiting(participant_id)
        step.drop_list(participant_id)
    elif waiting is not None or not before.is_mentee:
        step.seek_again(participant_id, pool.now if waiting is None else waiting.since)
    step.settle(ended)
    step.offer(participant_id)
    return step.finish()


def withdraw(pool: Pool, now: datetime, new_match_id: NewMatchId, participant_id: UUID) -> list[Decision]:
    """Somebody left, or was erased. Their matches end; whoever is left alone looks again."""
    if participant_id not in pool.participants:
        if participant_id in pool.left:
            return []
        raise Contradiction("unknown_participant", f"participant {participant_id} was never in the program")
    step = Step.begin(pool, now, new_match_id)
    ended = pool.matches_of(participant_id)
    for match in ended:
        step.end(match, "withdrawn")
    step.drop_list(participant_id)
    pool.remove_participant(participant_id)
    step.settle(ended)
    return step.finish()


def rematch(
    pool: Pool, now: datetime, new_match_id: NewMatchId, participant_id: UUID, match_id: UUID | None
) -> list[Decision]:
    """Somebody asks to leave a match, or all they have, and look again. A mentee without any just looks again."""
    participant = pool.participants.get(participant_id)
    if participant is None:
        if participant_id in pool.left:
            return []
        raise Contradiction("unknown_participant", f"participant {participant_id} was never in the program")
    asked = [match for match in pool.matches_of(participant_id) if match_id in (None, match.match_id, match.circle_id)]
    if not asked and match_id is not None:
        return []
    step = Step.begin(pool, now, new_match_id)
    for match in asked:
        step.end(match, "rematch")
    step.settle(asked)
    if not asked and participant_id not in pool.waiting:
        step.seek_again(participant_id, pool.now)
    return step.finish()


def change_lines(
    pool: Pool, now: datetime, new_match_id: NewMatchId, lines: Iterable[tuple[UUID, tuple[UUID, ...]]]
) -> list[Decision]:
    """Managers of some persons changed. People of whom nothing is known here are passed over.

    A running match that a line now runs through, or whose people now have one boss where the policy keeps such people
    apart, is flagged, not ended: that is for its coordinator to decide. A
    proposal is ended. Those concerned look again, since other pairs may have become possible.
    """
    step = Step.begin(pool, now, new_match_id)
    touched = [(each, managers) for person_id, managers in lines for each in pool.participants_of(person_id)]
    touched = [(each, managers) for each, managers in touched if each.managers != managers]
    concerned = {match.match_id: match for each, _ in touched for match in pool.matches_of(each.participant_id)}
    broken_before = {match_id for match_id, match in concerned.items() if _line_forbids(pool, match)}
    for each, managers in touched:
        pool.put_managers(pool.participants[each.participant_id], managers)

    ended: list[Match] = []
    for match in in_order(match for match_id, match in concerned.items() if match_id not in broken_before):
        if not _line_forbids(pool, match):
            continue
        if match.status == "confirmed":
            step.change(match, "reporting_line")
        else:
            step.end(match, "unfit")
            ended.append(match)
    touched_ids = {each.participant_id for each, _ in touched}
    for entry in sorted((pool.waiting[each] for each in touched_ids & pool.waiting.keys()), key=place_in_queue):
        step.seek(entry.participant_id, entry.since)
    step.settle(ended)
    for participant_id in sorted(touched_ids):
        step.offer(participant_id)
    return step.finish()


def request(
    pool: Pool, now: datetime, new_match_id: NewMatchId, participant_id: UUID, mentors: Sequence[UUID]
) -> list[Decision]:
    """A mentee chose mentors, the one they would like best first; of more than the policy allows the first ones count.

    The list is counted in any case, so that whoever chose in vain is asked to choose again. Nobody is asked for who has
    a match by now, has left or is a mentee no more, or is in a program that does not match by request any more.
    """
    mentee = pool.participants.get(participant_id)
    if mentee is None:
        if participant_id not in pool.left:
            raise Contradiction("unknown_participant", f"participant {participant_id} was never in the program")
        step = Step.begin(pool, now, new_match_id)
        step.count_list(participant_id, pool.left[participant_id])
        return step.finish()
    requesting.check(pool, mentors)
    step = Step.begin(pool, now, new_match_id)
    step.choose(mentee, mentors)
    return step.finish()


def accept(pool: Pool, now: datetime, new_match_id: NewMatchId, match_id: UUID) -> list[Decision]:
    """The mentor said yes. A pair that may not be any more ends instead; of a circle, the others begin."""
    proposals = _open_proposals(pool, match_id)
    if not proposals:
        return []
    step = Step.begin(pool, now, new_match_id)
    unfit = []
    for match in proposals:
        mentor, mentee = pool.rows((match.mentor.participant_id, match.mentee.participant_id)).tolist()
        if rules.broken_rule(pool.facts, pool.program.policy, mentor, mentee, met=not match.bars_repeat) is None:
            step.confirm(match)
        else:
            step.end(match, "unfit")
            unfit.append(match)
    step.settle(unfit)
    return step.finish()


def decline(pool: Pool, now: datetime, new_match_id: NewMatchId, match_id: UUID) -> list[Decision]:
    """The mentor said no."""
    return _fall_through(pool, now, new_match_id, _open_proposals(pool, match_id), "declined")


def expire(pool: Pool, now: datetime, new_match_id: NewMatchId, match_id: UUID) -> list[Decision]:
    """The mentor did not answer in time. Nothing, if it is not time yet."""
    at = max(now, pool.now)
    due = [each for each in _open_proposals(pool, match_id) if each.expires_at is not None and each.expires_at <= at]
    return _fall_through(pool, now, new_match_id, due, "expired")


def end(pool: Pool, now: datetime, new_match_id: NewMatchId, match_id: UUID, reason: EndReason) -> list[Decision]:
    """A coordinator, or the clock, ends a match; a circle for all of its mentees.

    The mentor's place is offered to those who wait. The mentee does not look again by themselves: a mentoring that ran
    its weeks is complete, and what follows on a coordinator's step is for the coordinator to say (a rematch request).
    The clock ends confirmed matches only, and nothing before its time: the terms may have changed since it asked.
    """
    at = max(now, pool.now)
    matches = [
        match
        for match in pool.told_as(match_id)
        if reason != "term_over" or (match.ends_at is not None and match.ends_at <= at)
    ]
    if not matches:
        return []
    step = Step.begin(pool, now, new_match_id)
    for match in matches:
        step.end(match, reason)
        if not pool.matches_of_mentee(match.mentee.participant_id):
            step.drop_list(match.mentee.participant_id)
    step.settle(matches, mentees_look_again=False)
    return step.finish()


def _fall_through(
    pool: Pool, now: datetime, new_match_id: NewMatchId, proposals: list[Match], reason: EndReason
) -> list[Decision]:
    if not proposals:
        return []
    step = Step.begin(pool, now, new_match_id)
    for match in proposals:
        step.end(match, reason)
    step.settle(proposals)
    return step.finish()


def _open_proposals(pool: Pool, match_id: UUID) -> list[Match]:
    """The proposal that others know by this id: of a circle, one for each of its mentees."""
    return [match for match in pool.told_as(match_id) if match.status == "proposed"]


def _meets_otherwise(before: Participant, after: Participant) -> bool:
    old, new = before.profile, after.profile
    return (old.zone, old.availability, old.languages) != (new.zone, new.availability, new.languages)


def _blocked(pool: Pool, match: Match) -> bool:
    mentors, mentees = pool.rows((match.mentor.participant_id,)), pool.rows((match.mentee.participant_id,))
    return not rules.block(pool.facts, pool.program.policy, mentors, mentees)[0]


def _line_forbids(pool: Pool, match: Match) -> bool:
    mentors, mentees = pool.rows((match.mentor.participant_id,)), pool.rows((match.mentee.participant_id,))
    policy = pool.program.policy
    return not all(rule(pool.facts, policy, mentors, mentees)[0] for rule in (rules.reporting_line, rules.same_boss))
