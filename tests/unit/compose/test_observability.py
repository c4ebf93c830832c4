"""Alerts, dashboard and scraping name what the code has: metrics, labels' values, runbooks, addresses."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.support.compose import ROOT, compose_services, exposed_names

from mentorstream_local.services import SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

OBSERVABILITY = ROOT / "deploy/observability"
DASHBOARD = OBSERVABILITY / "grafana/dashboards/mentorstream.json"
RULES = yaml.safe_load((OBSERVABILITY / "rules/mentorstream.yml").read_text())
ALERTS: list[dict[str, Any]] = [rule for group in RULES["groups"] for rule in group["rules"]]


def halts() -> Iterator[tuple[str, str]]:
    """Reason and runbook of every place in the code that raises Halted."""
    for path in (ROOT / "libs/runtime/src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Halted":
                reason, _detail, runbook = node.args
                assert isinstance(reason, ast.Constant)
                assert isinstance(runbook, ast.Constant)
                yield str(reason.value), str(runbook.value)


def expressions() -> Iterator[tuple[str, str]]:
    """Every query of the alerts and the dashboard, by where it is."""
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def test_queries_name_metrics_that_exist() -> None:
    known = exposed_names()
    unknown = {
        (where, name)
        for where, expression in expressions()
        for name in re.findall(r"\bmentorstream_\w+", expression)
        if name not in known
    }
    assert unknown == set()


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_brackets_of_a_query_close(where: str, expression: str) -> None:
    closing = {")": "(", "]": "[", "}": "{"}
    opened: list[str] = []
    for character in re.sub(r'"[^"]*"', "", expression):
        if character in closing.values():
            opened.append(character)
        elif character in closing:
            assert opened.pop() == closing[character], where
    assert opened == [], where


def test_every_alert_says_what_and_names_a_page_that_exists() -> None:
    names = [alert["alert"] for alert in ALERTS]
    assert len(names) == len(set(names))
    for alert in ALERTS:
        assert alert["annotations"]["summary"]
        assert alert["labels"]["severity"] in {"page", "ticket"}
        assert (ROOT / alert["annotations"]["runbook"]).is_file(), alert["alert"]


def test_every_halt_has_an_alert_with_the_runbook_that_the_code_names() -> None:
    pages: dict[str, str] = {}
    for alert in ALERTS:
        for reasons in re.findall(r'mentorstream_consumer_halted\{reason=~?"([^"]+)"\}', alert["expr"]):
            pages.update(dict.fromkeys(reasons.split("|"), alert["annotations"]["runbook"]))
    found = dict(halts())
    assert len(found) >= 7
    assert pages == found


def test_prometheus_asks_every_service_at_its_metrics_port() -> None:
    scraped = yaml.safe_load((OBSERVABILITY / "prometheus.yml").read_text())
    (job,) = scraped["scrape_configs"]
    (names,) = job["dns_sd_configs"]
    assert tuple(names["names"]) == SERVICES
    dockerfile = (ROOT / "deploy/docker/Dockerfile").read_text()
    assert f"MENTORSTREAM_METRICS_PORT={names['port']}\n" in dockerfile
    assert (OBSERVABILITY / scraped["rule_files"][0]).parent.is_dir()


def test_grafana_finds_prometheus_and_the_dashboard_where_compose_puts_them() -> None:
    services = compose_services(ROOT / ".env.example")
    mounted = {volume["target"]: volume["source"] for volume in services["grafana"]["volumes"]}
    provisioning = OBSERVABILITY / "grafana/provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards/files.yml").read_text())["providers"]
    assert mounted[provider["options"]["path"]].endswith("deploy/observability/grafana/dashboards")
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in services
    used = re.findall(r'"uid": "(\w+)"', DASHBOARD.read_text())
    assert set(used) == {source["uid"], "mentorstream"}


def test_panels_have_names_meanings_and_places_of_their_own() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    for field in ("id", "title"):
        values = [panel[field] for panel in panels]
        assert len(values) == len(set(values))
    assert all(panel["description"] for panel in panels if panel["type"] != "row")
    cells = [
        (x, y)
        for position in (panel["gridPos"] for panel in panels)
        for x in range(position["x"], position["x"] + position["w"])
        for y in range(position["y"], position["y"] + position["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
