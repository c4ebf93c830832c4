"""The groups to which people count in audits: stored apart from pools, as each batch changes them.

Nothing that decides reads them; whoever may look at them reads them with `Coordination`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from mentorstream_events.values import AuditGroup
from mentorstream_runtime.database import columns_of

if TYPE_CHECKING:
    from mentorstream_runtime.database import Connection


class StoredAuditGroups:
    """What a batch changes of them."""

    def __init__(self, queries: Mapping[str, str]) -> None:
        self._queries = queries
        self._changed: dict[tuple[UUID, UUID], Sequence[AuditGroup]] = {}

    def put(self, program_id: UUID, participant_id: UUID, groups: Sequence[AuditGroup]) -> None:
        """Replace somebody's groups; the last of an attribute counts."""
        self._changed[program_id, participant_id] = groups

    async def flush(self, connection: Connection) -> None:
        """Store what changed."""
        if not self._changed:
            return
        await connection.execute(self._queries["drop_audit_groups"], *columns_of(list(self._changed), 2))
        rows = {(*whom, each.attribute): each.group for whom, groups in self._changed.items() for each in groups}
        if rows:
            await connection.copy_records_to_table(
                "audit_group",
                records=[(*key, group) for key, group in rows.items()],
                columns=["program_id", "participant_id", "attribute", "group_name"],
            )

    def settled(self) -> None:
        """The batch is over: what changed is stored, or is decided anew."""
        self._changed = {}
