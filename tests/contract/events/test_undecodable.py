"""Whatever bytes arrive, `decode` gives an event or raises Undecodable with a stable reason."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any, NamedTuple, get_args

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mentorstream_events import BY_TYPE, CONTRACTS, TOPICS, Event, Undecodable, decode, has_control_character
from mentorstream_events.envelope import UndecodableReason
from mentorstream_events.examples import load_examples
from mentorstream_events.people import PersonErased

GOOD = next(each for each in load_examples() if each.name == "mentorstream.participant.registered.v1")
ERASED = next(each for each in load_examples() if each.contract.tombstone)
OTHER_ID = b"00000000-0000-4000-8000-000000000000"
ABSENT = object()


class Record(NamedTuple):
    """What `decode` is given."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    def decoded(self) -> Event[Any]:
        return decode(*self)


def registered(headers: dict[str, Any] | None = None, /, **fields: Any) -> Record:
    """A good registration with fields of its value and headers replaced, or taken away by ABSENT."""
    value = {name: item for name, item in {**json.loads(GOOD.value or b""), **fields}.items() if item is not ABSENT}
    return record(json.dumps(value, ensure_ascii=False).encode(), **(headers or {}))


def record(
    value: bytes | None, *, topic: str = "registrations", key: bytes | None = GOOD.key, **headers: Any
) -> Record:
    merged = {**dict(GOOD.headers), **headers}
    return Record(topic, key, value, [(name, item) for name, item in merged.items() if item is not ABSENT])


def tombstone(value: bytes | None = None, key: bytes | None = ERASED.key, **headers: Any) -> Record:
    merged = {**dict(ERASED.headers), **headers}
    return Record("people", key, value, [(name, item) for name, item in merged.items() if item is not ABSENT])


BAD: dict[str, tuple[UndecodableReason, Record]] = {
    "empty value": ("not_json", record(b"")),
    "text": ("not_json", record(b"hello")),
    "cut off": ("not_json", record((GOOD.value or b"")[:-1])),
    "two documents": ("not_json", record((GOOD.value or b"") * 2)),
    "not UTF-8": ("not_json", record((GOOD.value or b"").replace(b"lead", b"\xff\xfe"))),
    "lone surrogate": ("not_json", record((GOOD.value or b"").replace(b"lead", rb"\ud800"))),
    "NaN": ("not_json", record(b'{"program_id": NaN}')),
    "nested too deep": ("not_json", record(b'{"x":' * 100_000)),
    "nested too deep, in lists": ("not_json", record(b'{"x":' + b"[" * 100_000)),
    "an array": ("wrong_schema", record(b"[]")),
    "missing field": ("wrong_schema", registered(person_id=ABSENT)),
    "wrong type": ("wrong_schema", registered(capacity="two")),
    "number out of bounds": ("wrong_schema", registered(capacity=51)),
    "huge number": ("wrong_schema", record((GOOD.value or b"").replace(b'"capacity":0', b'"capacity":1e999'))),
    "no UUID": ("wrong_schema", registered(person_id="me")),
    "unknown role": ("wrong_schema", registered(roles=["boss"])),
    "list too long": ("wrong_schema", registered(credentials=["x"] * 21)),
    "text too long": ("wrong_schema", registered(credentials=["x" * 121])),
    "NUL in a text": ("wrong_schema", registered(credentials=["a\x00b"])),
    "line break in a text": ("wrong_schema", registered(credentials=["trained\n"])),
    "line break behind a pattern": (
        "wrong_schema",
        registered(profile={**json.loads(GOOD.value or b"")["profile"], "languages": ["en\n"]}),
    ),
    "tombstone with a value": ("wrong_schema", tombstone(b"{}")),
    "null value": ("null_value", record(None)),
    "null value of a person": ("null_value", tombstone(ce_type=b"mentorstream.person.known.v1")),
    "missing key": ("wrong_key", record(GOOD.value, key=None)),
    "another key": ("wrong_key", record(GOOD.value, key=OTHER_ID)),
    "key in another spelling": ("wrong_key", record(GOOD.value, key=GOOD.key.upper())),
    "key not UTF-8": ("wrong_key", record(GOOD.value, key=b"\xff")),
    "tombstone without key": ("wrong_key", tombstone(key=None)),
    "tombstone of no UUID": ("wrong_key", tombstone(key=b"everyone")),
    "tombstone in another spelling": ("wrong_key", tombstone(key=ERASED.key.upper())),
    "bare tombstone without key": ("wrong_key", Record("people", None, None, [])),
    "bare tombstone of no UUID": ("wrong_key", Record("people", b"\xff", None, [])),
    "wrong topic": ("wrong_topic", record(GOOD.value, topic="matches")),
    "unheard of topic": ("wrong_topic", record(GOOD.value, topic="elsewhere")),
    "unknown type": ("unknown_type", registered({"ce_type": b"mentorstream.participant.promoted.v1"})),
    "type not UTF-8": ("unknown_type", registered({"ce_type": b"\xff"})),
    "future version": ("unknown_version", registered({"ce_type": b"mentorstream.participant.registered.v2"})),
    "no headers": ("missing_header", Record("registrations", GOOD.key, GOOD.value, [])),
    "null type": ("missing_header", registered({"ce_type": None})),
    **{
        f"no {name}": ("missing_header", registered({name: ABSENT}))
        for name in ("ce_id", "ce_source", "ce_time", "ce_sequence")
    },
    "no ce_specversion": ("missing_header", registered({"ce_specversion": ABSENT})),
    "another specversion": ("bad_header", registered({"ce_specversion": b"0.3"})),
    "empty id": ("bad_header", registered({"ce_id": b""})),
    "null id": ("bad_header", registered({"ce_id": None})),
    "null time": ("bad_header", registered({"ce_time": None})),
    "NUL in the id": ("bad_header", registered({"ce_id": b"a\x00"})),
    "id not UTF-8": ("bad_header", registered({"ce_id": b"\xff"})),
    "endless id": ("bad_header", registered({"ce_id": b"x" * 201})),
    "empty source": ("bad_header", registered({"ce_source": b""})),
    "time without offset": ("bad_header", registered({"ce_time": b"2026-03-02T09:00:00"})),
    "no time": ("bad_header", registered({"ce_time": b"yesterday"})),
    "time before the calendar": ("bad_header", registered({"ce_time": b"0001-01-01T00:00:00+14:00"})),
    "no sequence": ("bad_header", registered({"ce_sequence": b"7"})),
    "sequence with a sign": ("bad_header", registered({"ce_sequence": b"+00001.000000000000000001"})),
    "sequence in other digits": (
        "bad_header",
        registered({"ce_sequence": "000001.00000000000000000\u0661".encode()}),
    ),
    "line break in what it repeats": ("bad_header", registered({"ce_redriveof": b"an\nid"})),
}


@pytest.mark.parametrize(("reason", "bad"), BAD.values(), ids=BAD.keys())
def test_a_bad_record_has_its_reason(reason: UndecodableReason, bad: Record) -> None:
    with pytest.raises(Undecodable) as raised:
        bad.decoded()
    assert raised.value.reason == reason
    assert raised.value.detail
    assert len(raised.value.detail) < 1000, "the detail goes into a row and a log line"


def test_every_reason_has_a_bad_record() -> None:
    assert {reason for reason, _ in BAD.values()} == set(get_args(UndecodableReason))


def test_the_good_record_is_good() -> None:
    assert registered().decoded() == GOOD.event


def test_backslashes_that_are_no_control_characters_pass() -> None:
    """An escaped quotation mark, an escaped backslash before what looks like an escape, and a letter as escape."""
    spelled = ['say "hi"', r"C:\new", r"\u0000", "Zoë"]
    value = json.dumps({**json.loads(GOOD.value or b""), "credentials": spelled}).encode()
    assert list(record(value).decoded().data.credentials) == spelled


@given(st.text())
def test_a_control_character_is_seen_however_it_is_written(text: str) -> None:
    expected = any(character < " " for character in text)
    assert has_control_character(json.dumps(text).encode()) is expected
    assert has_control_character(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) is expected


def test_unknown_headers_are_ignored_and_the_last_of_a_repeated_one_counts() -> None:
    headers = [("ce_id", b"first"), *registered().headers, ("ce_future", b"\xff"), ("ce_nothing", None)]
    assert decode("registrations", GOOD.key, GOOD.value, headers) == GOOD.event  # type: ignore[arg-type] # as brokers do


@pytest.mark.parametrize("broken", [b"", b"\xff", b"00\n", b"x" * 201, None])
def test_a_broken_trace_is_dropped_and_the_event_kept(broken: bytes | None) -> None:
    assert registered({"ce_traceparent": broken}).decoded() == msgspec.structs.replace(GOOD.event, traceparent=None)


def test_a_bare_tombstone_is_an_erasure() -> None:
    event = Record("people", ERASED.key, None, []).decoded()
    assert event.data == ERASED.event.data
    assert isinstance(event.data, PersonErased)
    assert (event.type, event.source, event.sequence) == (ERASED.contract.name, "unknown", None)
    assert event.time.tzinfo is UTC


def test_a_null_value_elsewhere_is_no_erasure() -> None:
    with pytest.raises(Undecodable, match="missing_header"):
        decode("registrations", GOOD.key, None, [])


HEADER_NAMES = [name for name, _ in GOOD.headers] + ["ce_redriveof", "ce_redrivefor", "ce_unheardof"]
TYPES = [name.encode() for name in BY_TYPE]
ANY_VALUE = st.none() | st.binary(max_size=200)
JSON_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(
    topic=st.sampled_from([topic.name for topic in TOPICS]) | st.text(max_size=10),
    key=ANY_VALUE | st.just(GOOD.key),
    value=ANY_VALUE | st.just(GOOD.value),
    headers=st.lists(
        st.tuples(st.sampled_from(HEADER_NAMES) | st.text(max_size=10), ANY_VALUE | st.sampled_from(TYPES))
    ),
)
@example(topic="people", key=b"\x00", value=None, headers=[])
def test_random_bytes_only_ever_raise_undecodable(
    topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    assume((topic, key, value) != ("people", GOOD.key, None))  # a tombstone, and a good one
    with pytest.raises(Undecodable):
        decode(topic, key, value, headers)


@given(data=st.data())
def test_random_changes_of_a_good_record_give_an_event_or_undecodable(data: st.DataObject) -> None:
    """Past the first checks: right type and topic, one field or header replaced by anything at all."""
    good = data.draw(st.sampled_from([each for each in load_examples() if each.value is not None]))
    content = json.loads(good.value or b"")
    content[data.draw(st.sampled_from(sorted(content)))] = data.draw(JSON_VALUE)
    headers = dict(good.headers)
    headers[data.draw(st.sampled_from(HEADER_NAMES))] = data.draw(st.binary(max_size=40))
    value = json.dumps(content).encode("utf-8", "replace")
    try:
        event = decode(good.contract.topic.name, good.key, value, headers.items())
    except Undecodable:
        return
    assert isinstance(event.data, good.contract.model)
    assert event.time.tzinfo is UTC


@given(st.binary(), st.sampled_from(CONTRACTS))
def test_random_values_of_a_known_type_only_ever_raise_undecodable(value: bytes, contract: Any) -> None:
    headers = {**dict(GOOD.headers), "ce_type": contract.name.encode()}
    with pytest.raises(Undecodable):
        decode(contract.topic.name, GOOD.key, value, headers.items())
