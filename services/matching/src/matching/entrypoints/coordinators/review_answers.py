"""What the API answers coordinators about rounds and their drafts: shapes of JSON, made from what was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from matching.adapters.coordinated_rounds import Draft, Edit, SeenRound


@dataclass(frozen=True, slots=True)
class RoundAnswer:
    """A round. `figures`, once it is solved: value, upper bound, gap, blocking pairs, matched, dropped."""

    round_id: UUID
    status: str
    asked_by: str
    objective: str
    policy_version: int
    seed: int
    requested_at: datetime
    completed_at: datetime | None
    participants: int
    input_digest: str
    result_digest: str | None
    figures: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class RoundsAnswer:
    """Rounds, newest first. `next`: pass it as `after`; null at the end."""

    items: list[RoundAnswer]
    next: str | None


@dataclass(frozen=True, slots=True)
class DraftAnswer:
    """A drafted pair, with the runners-up and by how much of a full score, prices counted, they were behind."""

    mentor_id: UUID
    mentee_id: UUID
    score: float
    facets: Mapping[str, float]
    next_mentor_id: UUID | None
    ahead_of_next: float | None
    next_mentee_id: UUID | None
    short_of_place: float | None
    removed: bool


@dataclass(frozen=True, slots=True)
class EditAnswer:
    """A pair taken out of the drafts, or put in."""

    action: Literal["remove", "add"]
    mentor_id: UUID
    mentee_id: UUID


@dataclass(frozen=True, slots=True)
class DraftsAnswer:
    """Drafts by the mentee's id, and all edits that stand. `next`: pass it as `after`; null at the end."""

    items: list[DraftAnswer]
    edits: list[EditAnswer]
    next: UUID | None


def round_answer(found: SeenRound) -> RoundAnswer:
    """A round."""
    return RoundAnswer(**{name: getattr(found, name) for name in RoundAnswer.__dataclass_fields__})


def draft_answer(draft: Draft) -> DraftAnswer:
    """A drafted pair."""
    return DraftAnswer(**{name: getattr(draft, name) for name in DraftAnswer.__dataclass_fields__})


def edit_answer(edit: Edit) -> EditAnswer:
    """An edit."""
    return EditAnswer(edit.kind, edit.mentor_id, edit.mentee_id)
