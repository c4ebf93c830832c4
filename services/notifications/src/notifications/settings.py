"""Settings of notifications: the mail server, who mails come from, where links lead, how patient to be."""

from __future__ import annotations

from pydantic import Field, SecretStr

from mentorstream_runtime.settings import RuntimeSettings

_ADDRESS = r"^[^@\s<>,;\"]+@[A-Za-z0-9.-]+$"


class NotificationsSettings(RuntimeSettings):
    """Beside the shared ones. Times are real time, in seconds, but for mail_hold_seconds."""

    smtp_host: str = Field("127.0.0.1", description="Mail server that takes every mail over.")
    smtp_port: int = Field(1025, ge=1, le=65535)
    smtp_username: str | None = Field(None, description="Log in as; empty: no login.")
    smtp_password: SecretStr | None = Field(None, description="Password of the login.")
    smtp_starttls: bool = Field(False, description="Insist on STARTTLS with a valid certificate; else plain text.")
    smtp_connections: int = Field(4, ge=1, le=50, description="Connections kept open, so mails sent at once.")
    smtp_slow_connections: int = Field(
        16, ge=1, le=200, description="Beside them, for mails that take long and for those that were tried before."
    )
    smtp_timeout_seconds: float = Field(30.0, gt=0, description="Longest that one mail, or one connecting, may take.")

    mail_from: str = Field("no-reply@mentorstream.example", pattern=_ADDRESS, description="Sender and envelope sender.")
    mail_from_name: str = Field("Mentorstream", pattern=r"^[^\x00-\x1f\x7f]+$", description="Name of the sender.")
    organizer: str = Field(
        "meetings@mentorstream.example", pattern=_ADDRESS, description="ORGANIZER of calendar invitations."
    )
    mail_batch: int = Field(200, ge=1, le=5000, description="Most mails under way at once in this process.")
    mail_lease_seconds: float = Field(
        15.0, ge=3, description="A mail of a process that died or froze goes again after it; renewed while it is sent."
    )
    mail_hold_seconds: float = Field(
        0.0, ge=0, le=3600, description="Business time that a mail is held, so that what overtakes it replaces it."
    )
    mail_attempts: int = Field(16, ge=1, le=1000, description="Attempts before a mail fails as expired.")
    retry_base_seconds: float = Field(2.0, gt=0, description="Wait after the first attempt; doubles with each.")
    retry_limit_seconds: float = Field(3600.0, gt=0, description="Longest wait between two attempts.")

    matching_url: str = Field("http://127.0.0.1:8002", description="Public address of matching's pages.")
    scheduling_url: str = Field("http://127.0.0.1:8003", description="Public address of scheduling's pages.")
    feedback_url: str = Field("http://127.0.0.1:8004", description="Public address of feedback's pages.")
    notifications_url: str = Field("http://127.0.0.1:8005", description="Public address of the unsubscribe page.")
