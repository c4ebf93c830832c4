"""What matching does on each event of `registrations`: one function for each, over the pools of the batch.

They translate and call; the deciding is done in `domain`. A program that was never configured contradicts the contract,
because intake refuses whoever names one. Answers and requests about matches are different: a link is clicked twice, a
clock asks while somebody answers. Such a one that comes too late changes nothing and is logged, not put aside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol, TypeAlias
from uuid import UUID

import structlog

from matching.domain import arrivals
from matching.domain.pool import Pool
from matching.domain.step import NewMatchId
from matching.domain.values import Decision
from mentorstream_events import Event, Value, derived_bytes
from mentorstream_events.registrations import (
    EndMatch,
    ExpireProposal,
    ParticipantRegistered,
    ParticipantUpdated,
    ParticipantWithdrawn,
    ProgramConfigured,
    ProposalAccepted,
    ProposalDeclined,
    RematchRequested,
    ReportingLineChanged,
    RequestMentors,
    VocabularyConfigured,
)
from mentorstream_events.values import AuditGroup
from mentorstream_runtime.database import as_driver_id
from mentorstream_runtime.errors import Rejected
from mentorstream_runtime.outbox import Outgoing

from .decisions import tell
from .details import line_of, participant_of, program_of, vocabulary_of

log = structlog.get_logger(__name__)
_AboutMatch: TypeAlias = ProposalAccepted | ProposalDeclined | ExpireProposal | EndMatch
_Decide: TypeAlias = Callable[[Pool, datetime, NewMatchId, UUID], list[Decision]]


class Pools(Protocol):
    """The pools that the batch has loaded."""

    def find(self, program_id: UUID) -> Pool | None:
        """The program's pool; None for a program that was never configured."""
        ...

    def add(self, pool: Pool) -> None:
        """A new program."""
        ...

    def put_audit_groups(self, program_id: UUID, participant_id: UUID, groups: Sequence[AuditGroup]) -> None:
        """Replace the groups to which somebody counts in audits. No pool knows of them."""
        ...


def on_program_configured(pools: Pools, event: Event[ProgramConfigured]) -> list[Outgoing]:
    """A new program, or another policy, terms or description for one that is there."""
    program = program_of(event.data)
    pool = pools.find(program.program_id)
    if pool is None:
        pool = Pool(program, event.time)
        pool.configure(program)
        pools.add(pool)
        return []
    return tell(pool, event, arrivals.configure(pool, event.time, new_match_id(event), program))


def on_vocabulary_configured(pools: Pools, event: Event[VocabularyConfigured]) -> list[Outgoing]:
    """Other skills count as near, where the program's policy uses its own vocabulary."""
    pool = _pool_of(pools, event.data.program_id)
    own = vocabulary_of(event.data)
    return tell(pool, event, arrivals.configure_vocabulary(pool, event.time, new_match_id(event), own))


def on_participant_registered(pools: Pools, event: Event[ParticipantRegistered]) -> list[Outgoing]:
    """Match the newcomer, or offer them to those who wait."""
    pool = _pool_of(pools, event.data.program_id)
    participant = participant_of(event.data, event.time)
    known = participant.participant_id in pool.participants
    told = tell(pool, event, arrivals.register(pool, event.time, new_match_id(event), participant))
    if known or event.data.audit_groups:
        pools.put_audit_groups(pool.program.program_id, participant.participant_id, event.data.audit_groups)
    return told


def on_participant_updated(pools: Pools, event: Event[ParticipantUpdated]) -> list[Outgoing]:
    """Replace what is known of them and see what has become possible or impossible."""
    pool = _pool_of(pools, event.data.program_id)
    participant = participant_of(event.data, event.time)
    told = tell(pool, event, arrivals.update(pool, event.time, new_match_id(event), participant))
    pools.put_audit_groups(pool.program.program_id, participant.participant_id, event.data.audit_groups)
    return told


def on_participant_withdrawn(pools: Pools, event: Event[ParticipantWithdrawn]) -> list[Outgoing]:
    """End their matches; whoever is left alone looks again."""
    pool = _pool_of(pools, event.data.program_id)
    participant_id = event.data.participant_id
    told = tell(pool, event, arrivals.withdraw(pool, event.time, new_match_id(event), participant_id))
    pools.put_audit_groups(pool.program.program_id, participant_id, ())
    return told


def on_rematch_requested(pools: Pools, event: Event[RematchRequested]) -> list[Outgoing]:
    """End the match, or all of theirs, and look for others."""
    data = event.data
    pool = _pool_of(pools, data.program_id)
    decisions = arrivals.rematch(pool, event.time, new_match_id(event), data.participant_id, data.match_id)
    return _told_or_logged(event, data.match_id, tell(pool, event, decisions))


def request_mentors(pools: Pools, event: Event[RequestMentors]) -> list[Outgoing]:
    """Ask the mentors whom a mentee chose."""
    data = event.data
    pool = _pool_of(pools, data.program_id)
    mentors = [as_driver_id(each) for each in data.mentor_ids]
    decisions = arrivals.request(pool, event.time, new_match_id(event), data.participant_id, mentors)
    return _told_or_logged(event, None, tell(pool, event, decisions))


def on_reporting_line_changed(pools: Pools, event: Event[ReportingLineChanged]) -> list[Outgoing]:
    """Flag running matches, and end proposals, that a reporting line now runs through."""
    pool = _pool_of(pools, event.data.program_id)
    lines = map(line_of, event.data.lines)
    return tell(pool, event, arrivals.change_lines(pool, event.time, new_match_id(event), lines))


def on_proposal_accepted(pools: Pools, event: Event[ProposalAccepted]) -> list[Outgoing]:
    """The match begins."""
    return _answered(pools, event, event.data, arrivals.accept)


def on_proposal_declined(pools: Pools, event: Event[ProposalDeclined]) -> list[Outgoing]:
    """The proposal ends; the mentee looks for another mentor."""
    return _answered(pools, event, event.data, arrivals.decline)


def expire_proposal(pools: Pools, event: Event[ExpireProposal]) -> list[Outgoing]:
    """As if declined, if it is still open."""
    return _answered(pools, event, event.data, arrivals.expire)


def end_match(pools: Pools, event: Event[EndMatch]) -> list[Outgoing]:
    """End a match for a coordinator, or because its weeks are over."""
    return _answered(pools, event, event.data, partial(arrivals.end, reason=event.data.reason))


def _pool_of(pools: Pools, program_id: UUID) -> Pool:
    pool = pools.find(program_id)
    if pool is None:
        raise Rejected("unknown_program", f"program {program_id} was never configured")
    return pool


def new_match_id(event: Event[Value]) -> NewMatchId:
    """Ids of matches that follow from this event."""

    def derived(mentor_id: UUID, mentee_id: UUID) -> UUID:
        return as_driver_id(derived_bytes("match", event.id, mentor_id, mentee_id))

    return derived


def _answered(pools: Pools, event: Event[Value], data: _AboutMatch, decide: _Decide) -> list[Outgoing]:
    pool = pools.find(data.program_id)
    if pool is None:
        return _told_or_logged(event, data.match_id, [])
    decisions = decide(pool, event.time, new_match_id(event), data.match_id)
    return _told_or_logged(event, data.match_id, tell(pool, event, decisions))


def _told_or_logged(event: Event[Value], match_id: UUID | None, outgoing: list[Outgoing]) -> list[Outgoing]:
    if not outgoing:
        log.info("request_without_effect", type=event.type, id=event.id, program=event.key, match=str(match_id))
    return outgoing
