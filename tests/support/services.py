"""Settings that point a service, run inside a test, at the test's own database and topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from mentorstream_runtime.settings import RuntimeSettings

if TYPE_CHECKING:
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

SettingsT = TypeVar("SettingsT", bound=RuntimeSettings)
LINK_SECRETS = ["test-link-secret-of-some-length"]


def settings_for(
    settings_class: type[SettingsT],
    servers: Servers,
    database: Database,
    topic_prefix: str,
    *,
    service: str,
    **overrides: Any,
) -> SettingsT:
    """Settings of one service on free ports, with a short group session so that a take-over does not take long."""
    values: dict[str, Any] = {
        "kafka_bootstrap": servers.kafka_bootstrap,
        "topic_prefix": topic_prefix,
        "topic_partitions": 0,
        "database_url": database.url(f"mentorstream_{service}_worker"),
        "api_database_url": database.url(f"mentorstream_{service}_api"),
        "http_port": 0,
        "metrics_port": 0,
        "link_secrets": LINK_SECRETS,
        "session_timeout_ms": 2000,
        "timer_seconds": 0.1,
        **overrides,
    }
    return settings_class(**values)
