"""Settings of scheduling, read from the environment with the prefix MENTORSTREAM_."""

from __future__ import annotations

from pydantic import Field

from mentorstream_runtime.settings import RuntimeSettings


class SchedulingSettings(RuntimeSettings):
    """What the runtime needs, with smaller batches, and how much one turn of the timer takes."""

    batch_records: int = Field(
        500, ge=1, description="Most records that one batch takes. Planning costs about a millisecond, and others wait."
    )
    due_batch: int = Field(200, ge=1, le=5000, description="Most meetings that are completed in one transaction.")
