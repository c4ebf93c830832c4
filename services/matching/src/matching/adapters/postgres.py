"""Pools in PostgreSQL: loaded once, kept in memory while their partition is owned, stored by what changed.

A pool in memory is believed only while its program's row has the revision that was stored last; then nobody else has
decided there since. After an aborted batch every pool that it touched is dropped, since deciding changes them at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from matching.domain.pool import Changes, Pool
from mentorstream_events.values import AuditGroup
from mentorstream_runtime.database import Table, columns_of, insert_rows

from .audit_groups import StoredAuditGroups
from .rounds import StoredRounds
from .rows import (
    MATCH,
    MATCH_ORGANISATION,
    PARTICIPANT,
    PARTNER,
    WAITING,
    Row,
    as_json,
    details_of,
    match_row,
    match_update,
    participant_row,
    pool_of,
    program_row,
    read_rows,
    waiting_row,
)

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection

_New = tuple[Table, list[Row]]


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
                program_id, vocabulary = pool.program.program_id, as_json(pool.own_vocabulary)
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
            rows = [program_row(pool, revisions[pool.program.program_id]) for pool in configured]
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
        new: list[Row] = []
        rows: list[Row] = []
        for pool, changes in changed:
            program_id = pool.program.program_id
            new += [
                participant_row(program_id, each, each.capacity, details_of(each))
                for each in changes.newcomers.values()
            ]
            rows += [
                participant_row(program_id, each, each.capacity, as_json(details_of(each)))
                for each in changes.participants.values()
            ]
            rows += [participant_row(program_id, each, 0, None) for each in changes.left.values()]
        if rows:
            await connection.execute(self.queries["save_participants"], *columns_of(rows, 7))
        return PARTICIPANT, new

    async def _save_matches(self, connection: Connection, changed: list[tuple[Pool, Changes]]) -> list[_New]:
        """Store what became of matches. Returns the rows of new ones, which may take what the others gave back."""
        known = [match for _, changes in changed for match in changes.matches.values()]
        for ended in (True, False):
            updated = [match_update(match) for match in known if (match.status == "ended") == ended]
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
        circles: set[Row] = {
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
            (MATCH, [match_row(program_id, match) for program_id, match in new]),
            (MATCH_ORGANISATION, list(members)),
            (PARTNER, partners),
        ]

    async def _save_waiting(self, connection: Connection, changed: list[tuple[Pool, Changes]]) -> _New:
        """Store who waits no more, or otherwise. Returns the rows of who waits now."""
        new: list[Row] = []
        saved: list[Row] = []
        gone: list[Row] = []
        for pool, changes in changed:
            program_id = pool.program.program_id
            for participant_id, entry in changes.waiting.items():
                stored = participant_id in changes.waited
                if entry is None:
                    if stored:
                        gone.append((program_id, participant_id))
                elif stored:
                    saved.append(waiting_row(program_id, entry, as_json(entry.reasons)))
                else:
                    new.append(waiting_row(program_id, entry, entry.reasons))
        if gone:
            await connection.execute(self.queries["drop_waiting"], *columns_of(gone, 2))
        if saved:
            await connection.execute(self.queries["save_waiting"], *columns_of(saved, 5))
        return WAITING, new

    async def _save_choices(self, connection: Connection, changed: list[tuple[Pool, Changes]]) -> None:
        rows = [
            (
                pool.program.program_id,
                each.participant_id,
                each.organisation_id,
                each.number,
                as_json(each.mentors),
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
