"""Settings of scheduling, read from the environment with the prefix MENTORSTREAM_."""

from __future__ import annotations

from pydantic import Field

from mentorstream_runtime.settings import RuntimeSettings


class SchedulingSettings(RuntimeSettings):
    """What the runtime needs, and how much one turn of the timer takes."""

    due_batch: int = Field(200, ge=1, le=5000, description="Most meetings that are completed in one transaction.")
