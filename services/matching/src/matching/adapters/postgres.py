"""Pools in PostgreSQL: loaded once, kept in memory while their partition is owned, stored by what changed.

A pool in memory is believed only while its program's row has the revision that was stored last; then nobody else has
decided there since. After an aborted batch every pool that it touched is dropped, since deciding changes them at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import asyncpg
import msgspec

from matching.domain.pool import Changes, Pool
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
from mentorstream_events.values import AuditGroup, Profile
from mentorstream_runtime.database import Table, columns_of, insert_rows

from .audit_groups import StoredAuditGroups
from .rounds import StoredRounds, round_of

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection

_Row = tuple[Any, ...]
_New = tuple[Table, list[_Row]]
_PARTICIPANT: Final = Table("participant", (
    ("program_id", "uuid"), ("participant_id", "uuid"), ("person_id", "uuid"), ("organisation_id", "uuid"),
    ("joined_at", "timestamptz"), ("capacity", "smallint"), ("details", "jsonb"),
))  # fmt: skip
_MATCH: Final = Table("match", (
    ("match_id", "uuid"), ("program_id", "uuid"), ("mentor_id", "uuid"), ("mentor_person_id", "uuid"),
    ("mentor_organisation_id", "uuid"), ("mentee_id", "uuid"), ("mentee_person_id", "uuid"),
    ("mentee_organisation_id", "uuid"), ("status", "text"), ("slot", "smallint"), ("capacity", "smallint"),
    ("score", "double precision"), ("facets", "jsonb"), ("shared", "jsonb"), ("policy_version", "int"),
    ("round_id", "uuid"), ("again", "boolean"), ("circle_id", "uuid"), ("partners", "boolean"),
    ("waiting_since", "timestamptz"), ("proposed_at", "timestamptz"), ("expires_at", "timestamptz"),
    ("confirmed_at", "timestamptz"), ("ends_at", "timestamptz"), ("ended_at", "timestamptz"), ("end_reason", "text"),
    ("requested", "boolean"),
))  # fmt: skip
_MATCH_ORGANISATION: Final = Table("match_organisation", (("match_id", "uuid"), ("organisation_id", "uuid")))
_PARTNER: Final = Table("partner", (("program_id", "uuid"), ("participant_id", "uuid"), ("match_id", "uuid")))
_WAITING: Final = Table("waiting", (
    ("program_id", "uuid"), ("participant_id", "uuid"), ("organisation_id", "uuid"), ("since", "timestamptz"),
    ("reasons", "jsonb"),
))  # fmt: skip


class _Details(msgspec.Struct, frozen=True, kw_only=True):
    """The column `participant.details`."""

    roles: tuple[Role, ...]
    profile: Profile
    managers: tuple[UUID, ...]
    blocks: tuple[UUID, ...]
    credentials: tuple[str, ...]


class StoredPools:
    """The pools of one partition's programs."""

    def __init__(self, queries: Mapping[str, str], rounds: StoredRounds | None = None) -> None:
        self.rounds = StoredRounds(queries) if rounds is None else rounds
        self.audit_groups = StoredAuditGroups(queries)
        self.queries = queries
        self._pools: dict[UUID, Pool] = {}
        self._stored: dict[UUID, tuple[int, datetime]] = {}  # revision and `now` as last stored
        self._touched: set[UUID] = set()

    async def load(self, connection: Connection, program_ids: Collection[UUID]) -> None:
        """Lock the programs' rows and make sure that what is in memory of them is the newest."""
        await load_pools(connection, [(self, program_ids)])

    async def refresh(
        self, connection: Connection, program_ids: Collection[UUID], revisions: Mapping[UUID, int]
    ) -> None:
        """Have these programs, which are locked, in memory as they were stored; `revisions` are the stored ones."""
        self._touched = set(program_ids)
        newest = {each: revisions[each] for each in program_ids if each in revisions}
        for program_id in self._touched:
            if program_id in self._pools and self._stored[program_id][0] != newest.get(program_id):
                self._forget(program_id)
        missing = [program_id for program_id in newest if program_id not in self._pools]
        if missing:
            await self._restore(connection, missing)

    def find(self, program_id: UUID) -> Pool | None:
        """The program's pool; None for a program that was never configured."""
        return self._pools.get(program_id)

    def add(self, pool: Pool) -> None:
        """A new program."""
        program_id = pool.program.program_id
        self._pools[program_id] = pool
        self._stored[program_id] = (0, pool.now)
        self._touched.add(program_id)

    def put_audit_groups(self, program_id: UUID, participant_id: UUID, groups: Sequence[AuditGroup]) -> None:
        """Replace the groups to which somebody counts in audits."""
        self.audit_groups.put(program_id, participant_id, groups)

    def pools(self) -> Iterable[Pool]:
        """All that are in memory."""
        return self._pools.values()

    async def flush(self, connection: Connection) -> None:
        """Store what changed."""
        await flush_pools(connection, [self])

    def take_changes(self) -> list[tuple[Pool, Changes]]:
        """What changed since it was last stored, of programs that get a new revision by it."""
        changed: list[tuple[Pool, Changes]] = []
        for program_id in self._touched & self._pools.keys():
            pool = self._pools[program_id]
            changes = pool.take_changes()
            revision, now = self._stored[program_id]
            if pool.now != now or changes != Changes():
                self._stored[program_id] = (revision + 1, pool.now)
                changed.append((pool, changes))
        return changed

    async def save(
        self, connection: Connection, changed: list[tuple[Pool, Changes]], revisions: Mapping[UUID, int]
    ) -> None:
        """Store changes: one statement for each kind of change, and one for all that is new where that is little."""
        await self._save_programs(connection, changed, revisions)
        for pool, changes in changed:
            if changes.vocabulary:
                program_id, vocabulary = pool.program.program_id, _json(pool.own_vocabulary)
                await connection.execute(self.queries["save_vocabulary"], program_id, vocabulary)
        people = await self._save_participants(connection, changed)
        matches = await self._save_matches(connection, changed)
        waiting = await self._save_waiting(connection, changed)
        await insert_rows(connection, [people, *matches, waiting])
        await self._save_choices(connection, changed)

    def revision(self, program_id: UUID) -> int:
        """The newest revision of a program that is in memory."""
        return self._stored[program_id][0]

    def settled(self, *, committed: bool) -> None:
        """Keep the pools after a commit; drop what the batch touched otherwise."""
        if not committed:
            for program_id in self._touched:
                self._forget(program_id)
        self._touched = set()
        self.audit_groups.settled()
        self.rounds.settled(committed=committed)

    def _forget(self, program_id: UUID) -> None:
        self._pools.pop(program_id, None)
        self._stored.pop(program_id, None)

    async def _restore(self, connection: Connection, program_ids: list[UUID]) -> None:
        for rows in await read_rows(connection, self.queries, program_ids):
            program_id = rows.program["program_id"]
            self._pools[program_id] = pool_of(rows)
            self._stored[program_id] = (rows.program["revision"], rows.program["now"])

    async def _save_programs(
        self, connection: Connection, changed: list[tuple[Pool, Changes]], revisions: Mapping[UUID, int]
    ) -> None:
        configured = [pool for pool, changes in changed if changes.program]
        if configured:
            rows = [_program_row(pool, revisions[pool.program.program_id]) for pool in configured]
            await connection.execute(self.queries["save_programs"], *columns_of(rows, 9))
            members = [
                (pool.program.program_id, organisation_id)
                for pool in configured
                for organisation_id in pool.program.organisations
            ]
            await connection.execute(
                self.queries["drop_program_organisations"], [pool.program.program_id for pool in configured]
            )
            await connection.copy_records_to_table(
                "program_organisation", records=members, columns=["program_id", "organisation_id"]
            )
        moved = [
            (pool.program.program_id, pool.now, revisions[pool.program.program_id])
            for pool, changes in changed
            if not changes.program
        ]
        if moved:
            await connection.execute(self.queries["touch_programs"], *columns_of(moved, 3))

    async def _save_participants(self, connection: Connection, changed: list[tuple[Pool, Changes]]) -> _New:
        """Store who changed or left. Returns the rows of newcomers."""
        new: list[_Row] = []
        rows: list[_Row] = []
        for pool, changes in changed:
            program_id = pool.program.program_id
            new += [
                _participant_row(program_id, each, each.capacity, _details(each)) for each in changes.newcomers.values()
            ]
            rows += [
                _participant_row(program_id, each, each.capacity, _json(_details(each)))
                for each in changes.participants.values()
            ]
            rows += [_participant_row(program_id, each, 0, None) for each in changes.left.values()]
        if rows:
            await connection.execute(self.queries["save_participants"], *columns_of(rows, 7))
        return _PARTICIPANT, new

    async def _save_matches(self, connection: Connection, changed: list[tuple[Pool, Changes]]) -> list[_New]:
        """Store what became of matches. Returns the rows of new ones, which may take what the others gave back."""
        known = [match for _, changes in changed for match in changes.matches.values()]
        for ended in (True, False):
            updated = [_match_update(match) for match in known if (match.status == "ended") == ended]
            if updated:
                await connection.execute(self.queries["update_matches"], *columns_of(updated, 7))
        parted = [
            match.match_id
            for _, changes in changed
            for match in changes.matches.values()
            if match.partners and match.status == "ended"
        ]
        if parted:
            await connection.execute(self.queries["drop_partners"], parted)
        new = [(pool.program.program_id, match) for pool, changes in changed for match in changes.new_matches.values()]
        circles: set[_Row] = {
            (match.circle_id, side.organisation_id)
            for _, match in new
            if match.circle_id is not None
            for side in (match.mentor, match.mentee)
        }
        if circles:  # which organisations see it under its own id
            await connection.execute(self.queries["show_circles"], *columns_of(sorted(circles), 2))
        members = {
            (match.match_id, side.organisation_id): None for _, match in new for side in (match.mentor, match.mentee)
        }
        partners = [
            (program_id, side.participant_id, match.match_id)
            for program_id, match in new
            if match.partners and match.status != "ended"
            for side in (match.mentor, match.mentee)
        ]
        return [
            (_MATCH, [_match_row(program_id, match) for program_id, match in new]),
            (_MATCH_ORGANISATION, list(members)),
            (_PARTNER, partners),
        ]

    async def _save_waiting(self, connection: Connection, changed: list[tuple[Pool, Changes]]) -> _New:
        """Store who waits no more, or otherwise. Returns the rows of who waits now."""
        new: list[_Row] = []
        saved: list[_Row] = []
        gone: list[_Row] = []
        for pool, changes in changed:
            program_id = pool.program.program_id
            for participant_id, entry in changes.waiting.items():
                stored = participant_id in changes.waited
                if entry is None:
                    if stored:
                        gone.append((program_id, participant_id))
                elif stored:
                    saved.append(_waiting_row(program_id, entry, _json(entry.reasons)))
                else:
                    new.append(_waiting_row(program_id, entry, entry.reasons))
        if gone:
            await connection.execute(self.queries["drop_waiting"], *columns_of(gone, 2))
        if saved:
            await connection.execute(self.queries["save_waiting"], *columns_of(saved, 5))
        return _WAITING, new

    async def _save_choices(self, connection: Connection, changed: list[tuple[Pool, Changes]]) -> None:
        rows = [
            (
                pool.program.program_id,
                each.participant_id,
                each.organisation_id,
                each.number,
                _json(each.mentors),
                each.decided_at,
            )
            for pool, changes in changed
            for each in changes.choices.values()
        ]
        if rows:
            await connection.execute(self.queries["save_choices"], *columns_of(rows, 6))


async def load_pools(connection: Connection, parts: Sequence[tuple[StoredPools, Collection[UUID]]]) -> None:
    """`StoredPools.load` of several partitions, which share no program: their rows are locked by one statement."""
    wanted = sorted({program_id for _, program_ids in parts for program_id in program_ids})
    rows = await connection.fetch(parts[0][0].queries["lock_programs"], wanted)
    revisions = {row["program_id"]: row["revision"] for row in rows}
    for pools, program_ids in parts:
        await pools.refresh(connection, program_ids, revisions)


async def flush_pools(connection: Connection, several: Sequence[StoredPools]) -> None:
    """`StoredPools.flush` of several partitions, by the same statements."""
    for pools in several:
        await pools.audit_groups.flush(connection)
    taken = [(pools, each) for pools in several for each in pools.take_changes()]
    if not taken:
        return
    taken.sort(key=lambda entry: entry[1][0].program.program_id)
    revisions = {pool.program.program_id: pools.revision(pool.program.program_id) for pools, (pool, _) in taken}
    await several[0].save(connection, [each for _, each in taken], revisions)
    for pools, (pool, changes) in taken:
        await pools.rounds.save(connection, pool.program.program_id, changes.rounds.values())


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


def _json(value: object) -> str:
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


_DETAILS: Final = msgspec.json.Decoder(_Details)


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


def _details(participant: Participant) -> _Details:
    return _Details(
        roles=participant.roles,
        profile=cast("Profile", participant.profile),  # no other comes in
        managers=participant.managers,
        blocks=participant.blocks,
        credentials=participant.credentials,
    )


def _program_row(pool: Pool, revision: int) -> _Row:
    program = pool.program
    return (
        program.program_id,
        program.organisation_id,
        program.title,
        program.kind,
        _json(program.policy),
        _json(program.terms),
        pool.now,
        revision,
        pool.rounds_from,
    )


def _participant_row(program_id: UUID, participant: Participant, capacity: int, details: object) -> _Row:
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


def _match_row(program_id: UUID, match: Match) -> _Row:
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


def _match_update(match: Match) -> _Row:
    return (
        match.match_id,
        match.status,
        match.confirmed_at,
        match.ends_at,
        match.ended_at,
        match.end_reason,
        match.again,
    )


def _waiting_row(program_id: UUID, entry: Waiting, reasons: object) -> _Row:
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
