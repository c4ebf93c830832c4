"""Intake's settings."""

from __future__ import annotations

from pydantic import Field, SecretStr

from mentorstream_runtime.settings import RuntimeSettings


class IntakeSettings(RuntimeSettings):
    """What intake needs beside the common settings."""

    encryption_keys: list[SecretStr] = Field(
        default_factory=list,
        description="Fernet keys (JSON list) for signing secrets: the first one encrypts, all of them decrypt.",
    )
    request_limit_bytes: int = Field(16 * 1024 * 1024, gt=0, description="Largest body that HTTP accepts, as sent.")
    request_timeout_seconds: float = Field(30.0, gt=0, description="After it an HTTP request is answered 503.")
    events_limit_bytes: int = Field(4 * 1024 * 1024, gt=0, description="Largest body of /v1/events, unpacked.")
    import_limit_bytes: int = Field(32 * 1024 * 1024, gt=0, description="Largest body of /v1/imports, unpacked.")
    import_limit_rows: int = Field(20_000, gt=0, description="Most rows of one import.")
    batch_limit_events: int = Field(500, gt=0, le=500, description="Most events of one batch.")
    accepted_days: int = Field(30, ge=1, le=365, description="How long an accepted id is remembered.")
