"""How people and scores are shown in a few characters."""

from __future__ import annotations

from typing import Final
from uuid import UUID

SHORT: Final = 8


def short(thing: UUID | None) -> str:
    """A reference that fits into a table."""
    return "somebody of another organisation" if thing is None else str(thing)[-SHORT:]


def hundredths(share: float) -> str:
    """A share of a full score as points of a hundred, to a tenth."""
    return f"{100 * share:.1f}"
