"""What matching can be told from outside, beside what every service can."""

from __future__ import annotations

from pydantic import Field

from mentorstream_runtime.settings import RuntimeSettings


class MatchingSettings(RuntimeSettings):
    """Settings of matching."""

    due_limit: int = Field(500, ge=1, le=5000, description="Most due proposals, or due matches, asked about at once.")
    matching_url: str = Field("http://127.0.0.1:8002", description="Public address of matching's pages.")
    login_seconds: int = Field(8 * 3600, ge=60, description="How long a login of a coordinator lasts.")
    solver_lease_seconds: float = Field(
        15.0, gt=0, description="A solver that is silent for so long loses its round to another one."
    )
    look_limit_people: int = Field(
        10_000, ge=1, description="Largest program whose whole pool coordinators may have explained or compared."
    )
