"""The AsyncAPI document satisfies Spectral, and says of each service what the topic table says."""

from __future__ import annotations

import json
import subprocess

import jsonschema
import pytest
import yaml
from tests.support.spectral import RULESET, spectral_command

from mentorstream_events import CONTRACTS, TOPICS
from mentorstream_events.examples import load_examples
from mentorstream_events.generate.artifacts import repository
from mentorstream_events.generate.asyncapi import HEADERS

DOCUMENT = repository() / "docs/events/asyncapi.yaml"


def test_spectral_finds_nothing() -> None:
    command = [*spectral_command(), "lint", "--fail-severity=warn", "--ruleset", str(RULESET), str(DOCUMENT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    assert done.returncode == 0, done.stdout + done.stderr


def test_spectral_would_find_something(tmp_path_factory: pytest.TempPathFactory) -> None:
    broken = tmp_path_factory.mktemp("asyncapi") / "asyncapi.yaml"
    broken.write_text(DOCUMENT.read_text("utf-8").replace("action: send", "action: shout", 1), "utf-8")
    command = [*spectral_command(), "lint", "--fail-severity=warn", "--ruleset", str(RULESET), str(broken)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    assert done.returncode == 1
    assert "action" in done.stdout


def test_operations_are_the_topic_table() -> None:
    operations = yaml.safe_load(DOCUMENT.read_text("utf-8"))["operations"].values()
    told = {
        (
            each["action"],
            each["title"].split()[0],
            each["channel"]["$ref"].rpartition("/")[2],
            reference["$ref"].rpartition("/")[2],
        )
        for each in operations
        for reference in each["messages"]
    }
    sends = {("send", name, each.topic.name, each.name) for each in CONTRACTS for name in each.producers}
    receives = {("receive", name, each.topic.name, each.name) for each in CONTRACTS for name in each.topic.readers}
    assert told == sends | receives


def test_channels_are_the_topics() -> None:
    channels = yaml.safe_load(DOCUMENT.read_text("utf-8"))["channels"]
    for topic in TOPICS:
        binding = channels[topic.name]["bindings"]["kafka"]
        assert binding["partitions"] == topic.partitions
        assert set(channels[topic.name]["messages"]) == {each.name for each in CONTRACTS if each.topic is topic}


def test_the_documented_headers_are_those_of_the_examples() -> None:
    validator = jsonschema.Draft202012Validator({**HEADERS, "additionalProperties": False})
    for example in load_examples():
        validator.validate(json.loads(json.dumps({name: value.decode() for name, value in example.headers})))
