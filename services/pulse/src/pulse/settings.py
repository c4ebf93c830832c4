"""What pulse can be told from outside, beside what every process can."""

from __future__ import annotations

from pydantic import Field

from mentorstream_runtime.settings import ProcessSettings


class PulseSettings(ProcessSettings):
    """Settings of pulse. It has no database; with `clock` driven, its time is that of the newest event."""

    window_days: float = Field(28, gt=0, le=90, description="Business days that durations and shares look back on.")
    rate_minutes: int = Field(60, ge=1, le=1440, description="Business minutes that events a minute look back on.")
    horizon_days: float = Field(
        90,
        gt=0,
        le=366,
        description="Days until a fact without its counterpart is forgotten; as the topics' retention.",
    )
    exported_programs: int = Field(
        200, ge=0, le=2000, description="Programs with metrics of their own, most active first; the rest is `other`."
    )
