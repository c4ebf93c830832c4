"""Each service is told what it needs, and no other's secrets."""

from __future__ import annotations

import json

import pytest

from mentorstream_local.services import SERVICES, Wiring, service_environment
from mentorstream_local.stack import Servers


@pytest.fixture
def wiring() -> Wiring:
    return Wiring(
        servers=Servers("127.0.0.1:9092", "postgresql://postgres:superuser-password@127.0.0.1:5432/postgres"),
        database="main",
        role_secret="role secret",
        link_secrets=("old", "new"),
        encryption_keys=("key",),
        topic_prefix="p.",
        smtp_port=2525,
        urls={service: f"http://{service}.example.org" for service in SERVICES},
        clock="driven",
    )


def _ours(service: str, wiring: Wiring) -> dict[str, str]:
    environment = service_environment(service, wiring, http_port=1, metrics_port=2)
    return {name: value for name, value in environment.items() if name.startswith("MENTORSTREAM_")}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_knows_the_broker_and_its_ports(service: str, wiring: Wiring) -> None:
    environment = _ours(service, wiring)
    assert environment["MENTORSTREAM_KAFKA_BOOTSTRAP"] == "127.0.0.1:9092"
    assert environment["MENTORSTREAM_TOPIC_PREFIX"] == "p."
    assert (environment["MENTORSTREAM_HTTP_PORT"], environment["MENTORSTREAM_METRICS_PORT"]) == ("1", "2")
    assert environment["MENTORSTREAM_CLOCK"] == "driven"


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_gets_what_is_not_its_own(service: str, wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTORSTREAM_POSTGRES_URL", "postgresql://postgres:superuser-password@127.0.0.1/postgres")
    monkeypatch.setenv("MENTORSTREAM_ROLE_SECRET", "role secret")
    environment = _ours(service, wiring)
    assert not any("superuser-password" in value or value == "role secret" for value in environment.values())
    assert ("MENTORSTREAM_ENCRYPTION_KEYS" in environment) == (service == "intake")
    assert ("MENTORSTREAM_SMTP_PORT" in environment) == (service == "notifications")
    assert ("MENTORSTREAM_DATABASE_URL" in environment) == (service != "pulse")


def test_notifications_knows_where_links_lead(wiring: Wiring) -> None:
    environment = _ours("notifications", wiring)
    assert environment["MENTORSTREAM_MATCHING_URL"] == "http://matching.example.org"
    assert json.loads(environment["MENTORSTREAM_LINK_SECRETS"]) == ["old", "new"]


def test_worker_and_api_connect_as_different_roles(wiring: Wiring) -> None:
    environment = _ours("matching", wiring)
    assert "//mentorstream_matching_worker:" in environment["MENTORSTREAM_DATABASE_URL"]
    assert "//mentorstream_matching_api:" in environment["MENTORSTREAM_API_DATABASE_URL"]
