"""What feedback can be told from outside, beside what every service can."""

from __future__ import annotations

from pydantic import Field

from mentorstream_runtime.settings import RuntimeSettings


class FeedbackSettings(RuntimeSettings):
    """Settings of feedback."""

    text_retention_days: int = Field(
        365, ge=30, le=3650, description="Days after which the texts of an answer are deleted; its rating stays."
    )
