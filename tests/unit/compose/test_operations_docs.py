"""The operations pages say what the code does: runbooks, metrics, settings, connections, commands, files."""

from __future__ import annotations

import re
import runpy
import shlex
from typing import TYPE_CHECKING, Any, Final

import pytest
import typer.main
from tests.support.compose import ROOT, compose, declared_metrics, settings_class

from mentorstream_local.cli import app
from mentorstream_local.services import SERVICES
from mentorstream_runtime.settings import RuntimeSettings

if TYPE_CHECKING:
    from pathlib import Path

PAGES = ROOT / "docs/operations"
ALL_PAGES = sorted(PAGES.glob("*.md"))
LISTENING: Final = 1
MAX_CONNECTIONS: Final = 100
FOR_SUPERUSERS: Final = 3


def blocks(language: str, page: Path) -> list[str]:
    """Fenced code of one language, without the indentation of a list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", code, flags=re.MULTILINE) for indent, code in found]


def test_every_page_that_the_code_names_exists() -> None:
    named = {
        page
        for folder in ("libs", "services", "deploy")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".yml", ".sql", ".sh"}
        for page in re.findall(r"docs/operations/[\w.-]+\.md", path.read_text())
    }
    assert len(named) >= 6
    assert {page for page in named if not (ROOT / page).is_file()} == set()


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_index_lists_every_page() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (PAGES / "index.md").read_text()))
    assert linked == {page.name for page in ALL_PAGES} - {"index.md"}


def test_every_metric_is_explained_once_with_its_type() -> None:
    rows = re.findall(r"^\| `(mentorstream_\w+)` \| (\w+) \|", (PAGES / "metrics.md").read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows))
    assert dict(rows) == {name: kind for name, (kind, _meaning) in declared_metrics().items()}


def test_settings_are_as_generated() -> None:
    generator = PAGES / "generate_configuration.py"
    command = f"python {generator.relative_to(ROOT)}"
    assert (PAGES / "configuration.md").read_text() == runpy.run_path(str(generator))["page"](), f"run: {command}"


def test_connections_are_as_the_settings_say_and_fit() -> None:
    table = (
        (PAGES / "index.md").read_text().partition("<!-- connections -->")[2].partition("<!-- end of connections")[0]
    )
    rows = {
        name: numbers for name, *numbers in re.findall(r"^\| (\w+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", table, re.M)
    }
    total = 0
    for service in SERVICES:
        model = settings_class(service)
        fields = model.model_fields
        worker, api, listens = (
            (fields["worker_pool_size"].default, fields["api_pool_size"].default, LISTENING)
            if issubclass(model, RuntimeSettings)
            else (0, 0, 0)
        )
        assert [int(number) for number in rows[service]] == [worker, api, listens, worker + api + listens]
        total += worker + api + listens
    usable = MAX_CONNECTIONS - FOR_SUPERUSERS
    assert total <= usable
    assert f"| all, one process each | | | | {total} |" in table
    assert usable // total == 2
    text = " ".join(table.split())
    assert f"Two processes of every service fit ({2 * total} of {usable})" in text
    assert f"Three do not ({3 * total})" in text
    workers = RuntimeSettings.model_fields["worker_pool_size"].default + LISTENING
    with_database = sum(issubclass(settings_class(service), RuntimeSettings) for service in SERVICES)
    assert f"so {workers} instead of" in text
    assert f"two workers of each service need {total + 2 * workers * with_database}" in text


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_commands_of_ours_exist_with_their_options(page: Path) -> None:
    text = page.read_text().replace("\\\n", " ")
    ours = "environment|replay|migrate|topics|partners|deadletters"
    found = re.findall(r"compose run --rm operations ([a-z][^`\n|]*)", text)
    found += re.findall(rf"mentorstream(?:-operations:local)? ((?:{ours})[^`\n|<>]*)", text)
    for line in found:
        words = shlex.split(line)
        command: Any = typer.main.get_command(app)
        while words and (commands := getattr(command, "commands", None)):
            name = words.pop(0)
            assert name in commands, line
            command = commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_containers_named_in_commands_exist(page: Path) -> None:
    code = "\n".join(blocks("sh", page)) + "\n".join(re.findall(r"`(docker compose [^`]+)`", page.read_text()))
    services = set(compose("--profile=*", "config", "--services", env_file=ROOT / ".env.example").stdout.split())
    for line in re.findall(r"docker compose (?:--profile \w+ )*(?:exec|run|stop|restart|up|logs)([^\n|]*)", code):
        words = [word for word in line.partition(" /")[0].split() if re.fullmatch(r"[a-z]{3,}", word)]
        for word in words[:1]:
            assert word in services, line


def test_the_override_of_the_index_is_one(tmp_path: Path) -> None:
    (override,) = blocks("yaml", PAGES / "index.md")
    file = tmp_path / "override.yml"
    file.write_text(override.replace("docker-compose.yml", str(ROOT / "docker-compose.yml")))
    done = compose("--file", str(file), "config", "matching-worker", env_file=ROOT / ".env.example")
    assert done.returncode == 0, done.stderr
    assert "published" not in done.stdout
    assert "command:\n      - worker" in done.stdout
