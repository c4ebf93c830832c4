"""Our hand-written Kafka binary binding and that of the `cloudevents` package understand each other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent

from mentorstream_events import SequenceNumber, decode, encode_headers
from mentorstream_events.examples import Example, load_examples

EXAMPLES = load_examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_the_package_reads_what_we_write(example: Example) -> None:
    message = kafka.KafkaMessage(headers=dict(example.headers), key=example.key, value=example.value or b"")
    theirs = kafka.from_binary_event(message)
    ours = example.event
    assert ours.sequence is not None
    assert theirs.get_attributes() == {
        "specversion": "1.0",
        "id": ours.id,
        "type": ours.type,
        "source": ours.source,
        "time": ours.time,
        "datacontenttype": "application/json",
        "sequence": ours.sequence.encode(),
        "traceparent": ours.traceparent,
        "partitionkey": ours.key,
    }
    assert theirs.get_data() == (None if example.value is None else json.loads(example.value))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_we_read_what_the_package_writes(example: Example) -> None:
    ours = example.event
    assert ours.sequence is not None
    attributes = {
        "id": ours.id,
        "type": ours.type,
        "source": ours.source,
        "time": ours.time,
        "datacontenttype": "application/json",
        "sequence": ours.sequence.encode(),
        "traceparent": ours.traceparent,
        "partitionkey": ours.key,
    }
    message = kafka.to_binary_event(
        CloudEvent(attributes, None if example.value is None else json.loads(example.value))
    )
    # The package has no tombstones: it writes no data as an empty value, Kafka's null is ours to write.
    value = message.value or None
    assert isinstance(message.key, str)
    assert decode(example.contract.topic.name, message.key.encode(), value, message.headers.items()) == ours


def test_headers_are_those_of_the_package() -> None:
    example = EXAMPLES[0]
    attributes = {name.removeprefix("ce_"): value.decode() for name, value in example.headers if name[:3] == "ce_"}
    event = CloudEvent(
        {**attributes, "time": example.event.time, "datacontenttype": "application/json"},
        json.loads(example.value or b""),
    )
    assert kafka.to_binary_event(event).headers == dict(example.headers)


@pytest.mark.parametrize(
    "time",
    [
        datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=2))),
        datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
    ],
)
def test_time_is_written_in_utc_and_read_back(time: datetime) -> None:
    example = EXAMPLES[0]
    headers = encode_headers(
        event_id="1",
        event_type=example.contract.name,
        source="intake",
        time=time,
        sequence=SequenceNumber(1, 1),
    )
    written = dict(headers)["ce_time"]
    assert written.endswith(b"Z")
    event = decode(example.contract.topic.name, example.key, example.value, headers)
    assert event.time == time
    assert event.time.tzinfo is UTC
