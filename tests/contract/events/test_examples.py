"""The published examples are right: by model, by golden schema, by round trip, and as one story."""

from __future__ import annotations

import json
from itertools import pairwise

import jsonschema
import msgspec
import pytest

from mentorstream_events import (
    BY_MODEL,
    CONTRACTS,
    TOPICS,
    SequenceNumber,
    contract_of,
    decode,
    encode_data,
    encode_headers,
    has_control_character,
)
from mentorstream_events.examples import Example, PartnerExample, examples_for, load_examples, load_partner_examples
from mentorstream_events.generate.schemas import golden_schemas
from mentorstream_events.partner import REQUESTS
from mentorstream_events.registrations import ProgramConfigured

EXAMPLES = load_examples()
PARTNER_EXAMPLES = load_partner_examples()
GOLDEN = golden_schemas()


def validate(document: object, schema_name: str) -> None:
    validator = jsonschema.Draft202012Validator(
        GOLDEN[schema_name], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    validator.validate(document)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_schema_is_a_valid_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(GOLDEN[name])


def test_every_contract_and_request_has_an_example() -> None:
    assert {each.contract.name for each in EXAMPLES} == {contract.name for contract in CONTRACTS}
    assert {each.type for each in PARTNER_EXAMPLES} == set(REQUESTS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_an_example_fits_its_golden_schema(example: Example) -> None:
    validate(None if example.value is None else json.loads(example.value), f"{example.contract.name}.json")
    assert example.name.partition("--")[0] == example.contract.name


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_an_example_shows_every_field(example: Example) -> None:
    """Writers leave nothing out, so the file is what they would write, byte for byte."""
    assert encode_data(example.event.data) == example.value


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_an_event_survives_encoding_and_decoding(example: Example) -> None:
    event = example.event
    assert event.sequence is not None
    headers = encode_headers(
        event_id=event.id,
        event_type=BY_MODEL[type(event.data)].name,
        source=event.source,
        time=event.time,
        sequence=event.sequence,
        traceparent=event.traceparent,
        redrive_of="an earlier event",
        redrive_for="matching",
    )
    again = decode(example.contract.topic.name, event.key.encode(), encode_data(event.data), headers)
    assert again == msgspec.structs.replace(event, redrive_of="an earlier event", redrive_for="matching")


@pytest.mark.parametrize("example", PARTNER_EXAMPLES, ids=lambda each: each.name)
def test_a_partner_example_fits_its_golden_schema(example: PartnerExample) -> None:
    validate(json.loads(example.data), f"partner/{example.type}.json")
    assert not has_control_character(example.document)
    assert example.name.partition("--")[0] == example.type


def test_what_no_reader_would_take_is_not_written() -> None:
    configured = next(each for each in EXAMPLES if isinstance(each.event.data, ProgramConfigured)).event.data
    with pytest.raises(ValueError, match="a text in ProgramConfigured has a control character"):
        encode_data(msgspec.structs.replace(configured, title="Women in data\n2026"))


def test_a_model_names_its_contract_and_its_key() -> None:
    for each in EXAMPLES:
        assert contract_of(each.event.data) is each.contract
        assert each.contract.key_of(each.event.data).encode() == each.key


def test_the_story_is_told_in_order_without_a_gap() -> None:
    lanes: dict[tuple[str, str, str], list[SequenceNumber | None]] = {}
    for each in EXAMPLES:
        lanes.setdefault((each.event.source, each.contract.topic.name, each.event.key), []).append(each.event.sequence)
    for lane, numbers in lanes.items():
        assert numbers == [SequenceNumber(1, place) for place in range(1, len(numbers) + 1)], lane
    assert all(earlier.event.time <= later.event.time for earlier, later in pairwise(EXAMPLES))
    assert len({each.event.id for each in EXAMPLES}) == len(EXAMPLES)
    assert len({each.event.key for each in EXAMPLES if each.contract.key_field == "program_id"}) == 1


def test_every_event_of_the_story_is_written_by_one_of_its_producers() -> None:
    for each in EXAMPLES:
        assert each.event.source in each.contract.producers, each.name


def test_examples_for_a_service_are_those_of_the_topics_that_it_reads() -> None:
    assert {each.contract.topic.name for each in examples_for("scheduling")} == {"matches"}
    read_by_somebody = {topic.name for topic in TOPICS if topic.readers}
    services = {reader for topic in TOPICS for reader in topic.readers}
    assert {each.contract.topic.name for name in services for each in examples_for(name)} == read_by_somebody
    assert examples_for("nobody") == ()
