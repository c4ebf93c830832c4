"""Rows of a program's tables: what they are made of, and what is made of them.

New ones go as `Table` says, by one statement or by COPY; others by the queries' own columns, in the order here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from uuid import UUID

import asyncpg
import msgspec

from matching.domain.pool import Pool
from matching.domain.values import (
    Choice,
    Match,
    OwnVocabulary,
    Participant,
    Policy,
    Program,
    Reason,
    Role,
    Shared,
    Side,
    Terms,
    Waiting,
)
from mentorstream_events.values import Profile
from mentorstream_runtime.database import Table

from .rounds import round_of

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection

Row: TypeAlias = tuple[Any, ...]
PARTICIPANT: Final = Table("participant", (
    ("program_id", "uuid"), ("participant_id", "uuid"), ("person_id", "uuid"), ("organisation_id", "uuid"),
    ("joined_at", "timestamptz"), ("capacity", "smallint"), ("details", "jsonb"),
))  # fmt: skip
MATCH: Final = Table("match", (
    ("match_id", "uuid"), ("program_id", "uuid"), ("mentor_id", "uuid"), ("mentor_person_id", "uuid"),
    ("mentor_organisation_id", "uuid"), ("mentee_id", "uuid"), ("mentee_person_id", "uuid"),
    ("mentee_organisation_id", "uuid"), ("status", "text"), ("slot", "smallint"), ("capacity", "smallint"),
    ("score", "double precision"), ("facets", "jsonb"), ("shared", "jsonb"), ("policy_version", "int"),
    ("round_id", "uuid"), ("again", "boolean"), ("circle_id", "uuid"), ("partners", "boolean"),
    ("waiting_since", "timestamptz"), ("proposed_at", "timestamptz"), ("expires_at", "timestamptz"),
    ("confirmed_at", "timestamptz"), ("ends_at", "timestamptz"), ("ended_at", "timestamptz"), ("end_reason", "text"),
    ("requested", "boolean"),
))  # fmt: skip
MATCH_ORGANISATION: Final = Table("match_organisation", (("match_id", "uuid"), ("organisation_id", "uuid")))
PARTNER: Final = Table("partner", (("program_id", "uuid"), ("participant_id", "uuid"), ("match_id", "uuid")))
WAITING: Final = Table("waiting", (
    ("program_id", "uuid"), ("participant_id", "uuid"), ("organisation_id", "uuid"), ("since", "timestamptz"),
    ("reasons", "jsonb"),
))  # fmt: skip


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """The column `participant.details`."""

    roles: tuple[Role, ...]
    profile: Profile
    managers: tuple[UUID, ...]
    blocks: tuple[UUID, ...]
    credentials: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredRows:
    """A program, and the rows of its pool. Details of participants are text."""

    program: asyncpg.Record
    participants: Sequence[asyncpg.Record]
    matches: Sequence[asyncpg.Record]
    waiting: Sequence[asyncpg.Record]
    open_round: asyncpg.Record | None = None
    choices: Sequence[asyncpg.Record] = ()


async def read_rows(
    connection: Connection, queries: Mapping[str, str], program_ids: Sequence[UUID]
) -> list[StoredRows]:
    """All rows of those programs that there are."""

    async def by_program(query: str) -> dict[UUID, list[asyncpg.Record]]:
        found: dict[UUID, list[asyncpg.Record]] = {program_id: [] for program_id in program_ids}
        for row in await connection.fetch(queries[query], program_ids):
            found[row["program_id"]].append(row)
        return found

    programs = await connection.fetch(queries["load_programs"], program_ids)
    participants = await by_program("load_participants")
    matches = await by_program("load_matches")
    waiting = await by_program("load_waiting")
    choices = await by_program("load_choices")
    rounds = await by_program("load_open_rounds")
    return [
        StoredRows(
            row,
            participants[row["program_id"]],
            matches[row["program_id"]],
            waiting[row["program_id"]],
            next(iter(rounds[row["program_id"]]), None),
            choices[row["program_id"]],
        )
        for row in programs
    ]


def pool_of(rows: StoredRows) -> Pool:
    """A program's pool as its rows have it."""
    vocabulary = rows.program["vocabulary"]
    return Pool.restored(
        _program(rows.program),
        rows.program["now"],
        participants=[_participant(each) for each in rows.participants if each["details"] is not None],
        left={each["participant_id"]: each["organisation_id"] for each in rows.participants if each["details"] is None},
        matches=[match_of(each) for each in rows.matches],
        waiting=[_waiting(each) for each in rows.waiting],
        open_round=None if rows.open_round is None else round_of(rows.open_round),
        rounds_from=rows.program["rounds_from"],
        own_vocabulary=None if vocabulary is None else msgspec.convert(vocabulary, OwnVocabulary),
        choices=[_choice(each) for each in rows.choices],
    )


def as_json(value: object) -> str:
    """For a column of type `jsonb`, where the driver is given text."""
    return msgspec.json.encode(value).decode()


def _program(row: asyncpg.Record) -> Program:
    return Program(
        program_id=row["program_id"],
        organisation_id=row["organisation_id"],
        organisations=tuple(row["organisations"] or ()),
        title=row["title"],
        kind=row["kind"],
        policy=msgspec.convert(row["policy"], Policy),
        terms=msgspec.convert(row["terms"], Terms),
    )


_DETAILS: Final = msgspec.json.Decoder(Details)


def _participant(row: asyncpg.Record) -> Participant:
    details = _DETAILS.decode(row["details"])
    return Participant(
        participant_id=row["participant_id"],
        person_id=row["person_id"],
        organisation_id=row["organisation_id"],
        roles=details.roles,
        capacity=row["capacity"],
        profile=details.profile,
        managers=details.managers,
        blocks=details.blocks,
        credentials=details.credentials,
        joined_at=row["joined_at"],
    )


def details_of(participant: Participant) -> Details:
    """What the column `participant.details` holds of somebody."""
    return Details(
        roles=participant.roles,
        profile=cast("Profile", participant.profile),  # no other comes in
        managers=participant.managers,
        blocks=participant.blocks,
        credentials=participant.credentials,
    )


def program_row(pool: Pool, revision: int) -> Row:
    """For the query `save_programs`."""
    program = pool.program
    return (
        program.program_id,
        program.organisation_id,
        program.title,
        program.kind,
        as_json(program.policy),
        as_json(program.terms),
        pool.now,
        revision,
        pool.rounds_from,
    )


def participant_row(program_id: UUID, participant: Participant, capacity: int, details: object) -> Row:
    """For the table `participant` and the query `save_participants`; with no details for who has left."""
    return (
        program_id,
        participant.participant_id,
        participant.person_id,
        participant.organisation_id,
        participant.joined_at,
        capacity,
        details,
    )


def match_of(row: asyncpg.Record) -> Match:
    """A match as its row has it."""
    return Match(
        match_id=row["match_id"],
        mentor=Side(
            participant_id=row["mentor_id"],
            person_id=row["mentor_person_id"],
            organisation_id=row["mentor_organisation_id"],
        ),
        mentee=Side(
            participant_id=row["mentee_id"],
            person_id=row["mentee_person_id"],
            organisation_id=row["mentee_organisation_id"],
        ),
        status=row["status"],
        slot=row["slot"],
        capacity=row["capacity"],
        score=row["score"],
        facets=row["facets"],
        shared=msgspec.convert(row["shared"], Shared),
        policy_version=row["policy_version"],
        round_id=row["round_id"],
        again=row["again"],
        circle_id=row["circle_id"],
        partners=row["partners"],
        waiting_since=row["waiting_since"],
        proposed_at=row["proposed_at"],
        expires_at=row["expires_at"],
        confirmed_at=row["confirmed_at"],
        ends_at=row["ends_at"],
        ended_at=row["ended_at"],
        end_reason=row["end_reason"],
        requested=row["requested"],
    )


def match_row(program_id: UUID, match: Match) -> Row:
    """For the table `match`."""
    return (
        match.match_id,
        program_id,
        match.mentor.participant_id,
        match.mentor.person_id,
        match.mentor.organisation_id,
        match.mentee.participant_id,
        match.mentee.person_id,
        match.mentee.organisation_id,
        match.status,
        match.slot,
        match.capacity,
        match.score,
        match.facets,
        match.shared,
        match.policy_version,
        match.round_id,
        match.again,
        match.circle_id,
        match.partners,
        match.waiting_since,
        match.proposed_at,
        match.expires_at,
        match.confirmed_at,
        match.ends_at,
        match.ended_at,
        match.end_reason,
        match.requested,
    )


def match_update(match: Match) -> Row:
    """For the query `update_matches`."""
    return (
        match.match_id,
        match.status,
        match.confirmed_at,
        match.ends_at,
        match.ended_at,
        match.end_reason,
        match.again,
    )


def waiting_row(program_id: UUID, entry: Waiting, reasons: object) -> Row:
    """For the table `waiting` and the query `save_waiting`."""
    return (program_id, entry.participant_id, entry.organisation_id, entry.since, reasons)


def _waiting(row: asyncpg.Record) -> Waiting:
    return Waiting(
        participant_id=row["participant_id"],
        organisation_id=row["organisation_id"],
        since=row["since"],
        reasons=tuple(msgspec.convert(row["reasons"], list[Reason])),
    )


def _choice(row: asyncpg.Record) -> Choice:
    return Choice(
        participant_id=row["participant_id"],
        organisation_id=row["organisation_id"],
        number=row["number"],
        mentors=tuple(row["mentors"]),
        decided_at=row["decided_at"],
    )
