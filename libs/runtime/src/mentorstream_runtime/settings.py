"""Settings that every service shares, read from the environment with the prefix MENTORSTREAM_.

Services extend `RuntimeSettings`, or `ProcessSettings` where they have no database; nothing else in a service reads
the environment. Secrets are `SecretStr`, so that they are masked wherever settings are shown.
"""

from __future__ import annotations

import os
import socket
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


def _instance() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


class ProcessSettings(BaseSettings):
    """What any process needs to reach its broker, to be reached, and to know when to give up."""

    model_config = SettingsConfigDict(env_prefix="MENTORSTREAM_", extra="ignore", frozen=True)

    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, host:port, comma separated.")
    topic_prefix: str = Field("", description="Put before every topic and group name.")
    topic_partitions: int | None = Field(
        None, ge=0, description="Partitions of every topic, where it is not what the topic table says; 0: any."
    )

    http_host: str = Field("127.0.0.1", description="Address the API listens on.")
    http_port: int = Field(8000, ge=0, le=65535, description="Port of the API; 0 takes a free one.")
    metrics_host: str = Field("127.0.0.1", description="Address of health and metrics.")
    metrics_port: int = Field(9000, ge=0, le=65535, description="Port of health and metrics.")
    request_timeout_seconds: float = Field(15.0, gt=0, description="After it an HTTP request is answered 503.")
    request_limit_bytes: int = Field(2 * 1024 * 1024, gt=0, description="Largest body that HTTP accepts.")

    clock: Literal["database", "driven"] = Field("database", description="driven: demo and tests move the time.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    instance: str = Field(default_factory=_instance, description="Name of this process in leases and logs.")
    tracing: bool = Field(False, description="Export OpenTelemetry spans by OTLP (see the OTEL_* variables).")
    session_timeout_ms: int = Field(10_000, ge=1000, description="Kafka session time-out of the consumer group.")
    stalled_after_seconds: float = Field(
        60.0,
        gt=0,
        description="Lag without progress: unready; twice as long: exit. Database away: leave partitions to others.",
    )


class RuntimeSettings(ProcessSettings):
    """What a process needs that also has a database, and delivers by it."""

    database_url: SecretStr = Field(
        SecretStr("postgresql://127.0.0.1:5432/mentorstream"), description="PostgreSQL address of the worker's role."
    )
    api_database_url: SecretStr = Field(
        SecretStr("postgresql://127.0.0.1:5432/mentorstream"), description="PostgreSQL address of the API's role."
    )
    worker_pool_size: int = Field(
        4,
        ge=2,
        le=50,
        description="Connections of the worker's role in this process; all but two take batches.",
    )
    api_pool_size: int = Field(3, ge=1, le=50, description="Connections of the API's role in this process.")
    link_secrets: list[SecretStr] = Field(
        default_factory=list, description="Keys of signed links, newest last; all of them verify, the last one signs."
    )
    static_membership: bool = Field(False, description="Use the instance name as Kafka group.instance.id.")

    batch_records: int = Field(4000, ge=1, description="Most records that one batch takes.")
    fetch_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="Most bytes fetched ahead.")
    drain_seconds: float = Field(8.0, gt=0, description="How long SIGTERM waits for work under way.")
    dead_letter_ratio: float = Field(0.5, gt=0, le=1, description="Above this share of records the consumer halts.")
    dead_letter_minimum: int = Field(20, ge=1, description="Fewer dead letters than this never halt the consumer.")
    relay_batch: int = Field(2000, ge=1, description="Most events that the relay publishes at once.")
    lane_lease_seconds: float = Field(6.0, gt=0, description="A relay that is silent for so long loses its lanes.")
    event_limit_bytes: int = Field(900_000, ge=1000, description="Largest event; below the broker's message.max.bytes.")
    timer_seconds: float = Field(1.0, gt=0, description="How often due work is looked for.")
