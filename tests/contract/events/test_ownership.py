"""Topics and contracts agree on who writes and who reads."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from mentorstream_events import CONTRACTS, TOPICS, Contract, Topic
from mentorstream_events.examples import load_examples

# The directories of services/ are the services, so a new one is known here as soon as it is laid out.
SERVICES = {path.parent.name for path in (Path(__file__).parents[3] / "services").glob("*/pyproject.toml")}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.name)
def test_a_contract_is_written_by_producers_of_its_topic(contract: Contract) -> None:
    assert contract.producers
    assert set(contract.producers) <= set(contract.topic.producers)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda each: each.name)
def test_every_producer_of_a_topic_writes_a_type_on_it(topic: Topic) -> None:
    writers = {name for contract in CONTRACTS if contract.topic is topic for name in contract.producers}
    assert set(topic.producers) == writers


@pytest.mark.parametrize("topic", TOPICS, ids=lambda each: each.name)
def test_producers_and_readers_are_services(topic: Topic) -> None:
    assert topic.readers, "nobody reads it: what is it for?"
    assert set(topic.producers) | set(topic.readers) <= SERVICES


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.name)
def test_a_contract_has_the_key_of_its_topic_and_says_what_it_means(contract: Contract) -> None:
    assert contract.key_field in contract.model.__struct_fields__
    assert contract.meaning.endswith(".")


# Lines are of many people; on `people` the key is the person, and a tombstone replaces what was known.
BY_KEY = {"mentorstream.reporting_line.changed.v1", "mentorstream.person.known.v1", "mentorstream.person.erased.v1"}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.name)
def test_a_contract_declares_its_subject(contract: Contract) -> None:
    assert bool(contract.subject) != (contract.name in BY_KEY)
    assert set(contract.subject) <= set(contract.model.__struct_fields__)
    for each in load_examples():
        if each.contract is contract and each.value is not None:
            ids = [str(json.loads(each.value)[field]) for field in contract.subject]
            assert all(UUID(name) for name in ids)  # a value that names it can be told by its text


@pytest.mark.parametrize("service", sorted(SERVICES - {"notifications", "pulse"}))
def test_a_service_decides_on_one_topic_only(service: str) -> None:
    """Notifications and pulse decide nothing that others build on, so they may read all, in any order.

    `people` does not count: who somebody is, or that they are erased, decides nothing in a program.
    """
    assert len([topic for topic in TOPICS if service in topic.readers and topic.name != "people"]) <= 1


def test_types_and_models_are_unique() -> None:
    assert len({contract.name for contract in CONTRACTS}) == len(CONTRACTS)
    assert len({contract.model for contract in CONTRACTS}) == len(CONTRACTS)
