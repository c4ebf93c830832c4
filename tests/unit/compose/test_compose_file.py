"""docker-compose.yml against what it starts: the settings of the services, the image, the example of an env file."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from dotenv import dotenv_values
from tests.support.compose import OUR_PREFIX, ROOT, compose, compose_services, settings_class

from mentorstream_local.environment import compose_environment
from mentorstream_local.migrations import SERVICES_WITH_DATABASE
from mentorstream_local.services import SERVICES, Wiring, service_environment
from mentorstream_local.stack import Servers, Stack
from mentorstream_runtime.settings import RuntimeSettings

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = ROOT / ".env.example"
OURS = (*SERVICES, "topics", "migrations", "operations")
ONE_SHOT = ("topics", "migrations", "operations")
SECRETS = {"ROLE_SECRET", "POSTGRES_PASSWORD", "ENCRYPTION_KEYS", "LINK_SECRETS"}


def _image_environment() -> dict[str, str]:
    """What the Dockerfile's last stage sets."""
    text = (ROOT / "deploy/docker/Dockerfile").read_text().rpartition("\nFROM ")[2]
    return dict(re.findall(rf"({OUR_PREFIX}\w+)=(\S+)", text))


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("compose") / "generated.env"
    path.write_text("".join(f"{name}='{value}'\n" for name, value in compose_environment().items()))
    return path


@pytest.fixture(scope="module")
def services(generated: Path) -> dict[str, Any]:
    return compose_services(generated)


@pytest.mark.parametrize("profile", ["", "demo", "observability", "operations", "*"])
def test_compose_accepts_the_file_with_the_example(profile: str) -> None:
    chosen = [f"--profile={profile}"] if profile else []
    done = compose(*chosen, "config", "--quiet", env_file=EXAMPLE)
    assert (done.returncode, done.stderr) == (0, "")


def test_compose_accepts_the_file_with_what_the_command_writes(generated: Path) -> None:
    done = compose("--profile=*", "config", "--quiet", env_file=generated)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_variables_it_refuses_and_names_each(tmp_path: Path) -> None:
    empty = tmp_path / "empty.env"
    empty.touch()
    done = compose("--profile=*", "config", "--quiet", env_file=empty)
    assert done.returncode != 0
    assert set(re.findall(r"required variable (\w+)", done.stderr)) == set(compose_environment())


def test_the_example_has_every_variable_with_its_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    used = dict(re.findall(r"\$\{(\w+)(?::-([^}]*))?", text))
    given = dotenv_values(EXAMPLE)
    optional = dict(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    assert set(given) == set(compose_environment())
    assert set(given) | set(optional) == set(used)
    assert optional == {name: used[name] for name in optional}


def test_what_is_there_is_kept_and_passwords_follow_its_role_secret() -> None:
    first = compose_environment()
    again = compose_environment({"ROLE_SECRET": first["ROLE_SECRET"], "SMTP_HOST": "mail.example.org"})
    assert again["SMTP_HOST"] == "mail.example.org"
    assert again["MATCHING_DATABASE_URL"] == first["MATCHING_DATABASE_URL"]
    assert all(again[name] != first[name] for name in SECRETS - {"ROLE_SECRET"})


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_is_a_setting_and_is_valid(
    service: str, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**_image_environment(), **services[service]["environment"]}
    model = settings_class(service)
    ours = {name for name in given if name.startswith(OUR_PREFIX)}
    assert {name.removeprefix(OUR_PREFIX).lower() for name in ours} <= set(model.model_fields)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = model()
    assert settings.kafka_bootstrap == "kafka:9092"
    assert (settings.http_host, settings.metrics_host) == ("0.0.0.0", "0.0.0.0")  # noqa: S104 - inside a container


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_all_that_it_gets_in_the_local_system(
    service: str, services: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(OUR_PREFIX)]:
        monkeypatch.delenv(name)  # what whoever runs the tests has set would be passed on
    wiring = Wiring(
        servers=Servers("broker:1", "postgresql://admin:admin@server:1/postgres"),
        database="database",
        role_secret="role",
        link_secrets=("link",),
        encryption_keys=("key",),
        urls=dict.fromkeys(SERVICES, "http://pages"),
    )
    local = service_environment(service, wiring, http_port=1, metrics_port=1)
    wanted = {name for name in local if name.startswith(OUR_PREFIX)}
    wanted -= {"MENTORSTREAM_TOPIC_PREFIX", "MENTORSTREAM_CLOCK"}  # the defaults are right outside tests
    assert wanted <= set(_image_environment()) | set(services[service]["environment"])


@pytest.mark.parametrize("name", ONE_SHOT)
def test_the_commands_variables_are_read_by_the_command(name: str, services: dict[str, Any]) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "deploy/local/src").rglob("*.py"))
    for variable in services[name]["environment"]:
        assert f'"{variable}"' in sources, variable


@pytest.mark.parametrize("service", SERVICES_WITH_DATABASE)
def test_a_service_connects_as_its_own_roles(service: str, services: dict[str, Any]) -> None:
    environment = services[service]["environment"]
    for variable, role in (("DATABASE_URL", "worker"), ("API_DATABASE_URL", "api")):
        url = environment[f"MENTORSTREAM_{variable}"]
        assert re.fullmatch(
            rf"postgresql://mentorstream_{service}_{role}:[0-9a-f]{{64}}@postgres:5432/mentorstream", url
        )


def test_secrets_are_where_they_are_needed_only(generated: Path, services: dict[str, Any]) -> None:
    values = dotenv_values(generated)
    allowed = {
        "POSTGRES_PASSWORD": {"postgres", "migrations", "operations"},
        "ROLE_SECRET": {"migrations", "operations"},
        "ENCRYPTION_KEYS": {"intake", "operations"},
        "LINK_SECRETS": set(SERVICES_WITH_DATABASE),
    }
    for secret, holders in allowed.items():
        value = values[secret]
        assert value
        found = {name for name, service in services.items() if value in str(service.get("environment", {}).values())}
        assert found == holders, secret


@pytest.mark.parametrize("name", OURS)
def test_our_containers_hold_no_privilege(name: str, services: dict[str, Any]) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [entry.partition(":")[0] for entry in service["tmpfs"]] == ["/tmp"]  # noqa: S108 - in the container
    assert int(service["mem_limit"]) > 0
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert "volumes" not in service


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_time_to_drain_and_tells_its_state(service: str, services: dict[str, Any]) -> None:
    drain: float = RuntimeSettings.model_fields["drain_seconds"].default
    grace = services[service]["stop_grace_period"]
    assert grace.endswith("s")
    assert int(grace[:-1]) > drain + 2
    assert services[service]["healthcheck"]["test"] == ["CMD", "python", "/opt/mentorstream/health.py", "ready"]
    assert services[service]["command"] is None  # worker and API in one container, as the image says


def test_everything_starts_after_what_it_needs(services: dict[str, Any]) -> None:
    broker = {"kafka": "service_healthy", "topics": "service_completed_successfully"}
    database = {"postgres": "service_healthy", "migrations": "service_completed_successfully"}
    wanted = dict.fromkeys((*SERVICES_WITH_DATABASE, "operations"), broker | database)
    wanted |= {"pulse": broker, "topics": {"kafka": "service_healthy"}, "migrations": {"postgres": "service_healthy"}}
    for name, conditions in wanted.items():
        assert {key: value["condition"] for key, value in services[name]["depends_on"].items()} == conditions


def test_pages_are_published_to_this_host_and_metrics_to_nobody(services: dict[str, Any]) -> None:
    published = {
        name: [(port["host_ip"], port["target"], port["published"]) for port in service["ports"]]
        for name, service in services.items()
        if service.get("ports")
    }
    http = int(_image_environment()["MENTORSTREAM_HTTP_PORT"])
    assert published == {
        "intake": [("127.0.0.1", http, "8001")],
        "matching": [("127.0.0.1", http, "8002")],
        "scheduling": [("127.0.0.1", http, "8003")],
        "feedback": [("127.0.0.1", http, "8004")],
        "notifications": [("127.0.0.1", http, "8005")],
        "mailpit": [("127.0.0.1", 8025, "8025")],
        "grafana": [("127.0.0.1", 3000, "3000")],
    }
    for linked in ("matching", "scheduling", "feedback", "notifications"):
        url = services["notifications"]["environment"][f"MENTORSTREAM_{linked.upper()}_URL"]
        assert url == f"http://127.0.0.1:{published[linked][0][2]}"


def test_data_is_in_named_volumes_at_the_images_places(services: dict[str, Any]) -> None:
    mounts = {
        (name, volume["source"]): volume["target"]
        for name, service in services.items()
        for volume in service.get("volumes", ())
        if volume["type"] == "volume"
    }
    assert mounts == {
        ("kafka", "kafka-data"): services["kafka"]["environment"]["KAFKA_LOG_DIRS"],
        ("postgres", "postgres-data"): "/var/lib/postgresql",
        ("prometheus", "prometheus-data"): "/prometheus",
        ("grafana", "grafana-data"): "/var/lib/grafana",
    }


def test_mounted_files_exist(services: dict[str, Any]) -> None:
    binds = [v for service in services.values() for v in service.get("volumes", ()) if v["type"] == "bind"]
    assert binds
    for bind in binds:
        assert bind["read_only"] is True
        assert (ROOT / bind["source"]).exists(), bind["source"]


def test_every_image_has_a_version(services: dict[str, Any]) -> None:
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert tag == "local" if name in OURS else re.match(r"v?\d+", tag), service["image"]


def test_the_operations_container_uses_the_secrets_of_the_services(
    services: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = services["operations"]["environment"]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    stack = Stack(tmp_path)
    assert stack.running  # there is nothing of its own to run
    assert stack.servers == Servers("kafka:9092", given["MENTORSTREAM_POSTGRES_URL"])
    assert stack.secrets.role_secret == given["MENTORSTREAM_ROLE_SECRET"]
    keys = json.loads(services["intake"]["environment"]["MENTORSTREAM_ENCRYPTION_KEYS"])
    assert list(stack.secrets.encryption_keys) == keys


def test_servers_of_its_own_keep_their_own_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MENTORSTREAM_POSTGRES_URL", raising=False)
    monkeypatch.setenv("MENTORSTREAM_ROLE_SECRET", "of-another-server")
    assert Stack(tmp_path).secrets.role_secret != "of-another-server"
