"""Records of every kind that must end as dead letters, and nothing else: each with the reason that its row must bear.

Made of the published examples, so they are as near to good events as their fault allows. Sends nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mentorstream_events.examples import Example, load_examples
from mentorstream_local.demo.data import PoisonRecord

# Far above all that a program's events will be numbered: a reader that believed it would drop everything behind it.
_FAR_AHEAD: Final = b"000001.000000000999999999"
# A service believes that a record in its own name, of a type that it does not know, is of a newer version of itself.
_STRANGER: Final = b"https://stranger.example/tool"
_OTHER: Final = "00000000-0000-4000-8000-0000000fa017"
_GOOD: Final = {each.name: each for each in load_examples()}
REGISTERED: Final = "mentorstream.participant.registered.v1"
_BY_TOPIC: Final = {
    "registrations": REGISTERED,
    "matches": "mentorstream.match.confirmed.v1",
    "meetings": "mentorstream.meeting.completed.v1",
    "feedback": "mentorstream.feedback.requested.v1",
    "people": "mentorstream.person.known.v1",
}
# A record may have no more than the broker takes, headers included; half a kilobyte is more than any headers have.
_LARGEST_BYTES: Final = 1024 * 1024 - 512


@dataclass(frozen=True, slots=True)
class _Base:
    """A good event of a topic, under the key of the program that the test speaks of."""

    topic: str
    key: bytes
    headers: Mapping[str, bytes]
    data: Mapping[str, Any]
    key_field: str

    def record(
        self,
        name: str,
        reason: str,
        *,
        value: bytes | None = b"",
        key: bytes | None = b"",
        without: str | None = None,
        **headers: bytes,
    ) -> PoisonRecord:
        """The event with something wrong. An empty value or key stands for the event's own."""
        merged = {**self.headers, **headers, "ce_id": f"poison-{name.replace(' ', '-')}-{self.topic}".encode()}
        merged.pop(without or "", None)
        own = json.dumps(self.data, separators=(",", ":")).encode()
        return PoisonRecord(
            name=name,
            topic=self.topic,
            key=self.key if key == b"" else key,
            headers=tuple(merged.items()),
            value=own if value == b"" else value,
            reason=reason,
        )


Make = Callable[[_Base], PoisonRecord]


def _with_key(base: _Base, key: object) -> bytes:
    """The data with something else where its key belongs."""
    return json.dumps({**base.data, base.key_field: key}).encode()


def _too_large(base: _Base) -> PoisonRecord:
    filler = "x" * (_LARGEST_BYTES - len(_with_key(base, "")))
    return base.record("too large", "wrong_schema", value=_with_key(base, filler))


KINDS: Final[Mapping[str, Make]] = {
    "half a document": lambda base: base.record(
        "half a document", "not_json", value=json.dumps(base.data).encode()[:-9], ce_sequence=_FAR_AHEAD
    ),
    "not UTF-8": lambda base: base.record("not UTF-8", "not_json", value=b"\xff\xfe" + json.dumps(base.data).encode()),
    "wrong schema": lambda base: base.record(
        "wrong schema", "wrong_schema", value=_with_key(base, 7), ce_sequence=_FAR_AHEAD
    ),
    "unknown type": lambda base: base.record(
        "unknown type", "unknown_type", ce_type=b"mentorstream.participant.promoted.v1", ce_source=_STRANGER
    ),
    "future version": lambda base: base.record(
        "future version", "unknown_version", ce_type=base.headers["ce_type"][:-1] + b"9", ce_source=_STRANGER
    ),
    "no id": lambda base: base.record("no id", "missing_header", without="ce_id"),
    "no type": lambda base: base.record("no type", "missing_header", without="ce_type"),
    "no sequence": lambda base: base.record("no sequence", "missing_header", without="ce_sequence"),
    "no time": lambda base: base.record("no time", "bad_header", ce_time=b"yesterday"),
    "null value": lambda base: base.record("null value", "null_value", value=None, ce_sequence=_FAR_AHEAD),
    "key of another": lambda base: base.record(
        "key of another", "wrong_key", key=_OTHER.encode(), ce_sequence=_FAR_AHEAD
    ),
    "no key": lambda base: base.record("no key", "wrong_key", key=None),
    "too large": _too_large,
}


def poison(topic: str, key: str, kinds: Sequence[str] = tuple(KINDS)) -> Iterator[PoisonRecord]:
    """Records of these kinds on a topic (one of those that name a key), under the program's or person's id `key`."""
    base = _base(_GOOD[_BY_TOPIC[topic]], key)
    for kind in kinds:
        yield KINDS[kind](base)


def _base(example: Example, key: str) -> _Base:
    data = json.loads(example.value or b"{}")
    data[example.contract.key_field] = key
    return _Base(example.contract.topic.name, key.encode(), dict(example.headers), data, example.contract.key_field)
