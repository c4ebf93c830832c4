"""The poison that the tests of faults inject is what it says: each record fails with the reason that it names."""

from __future__ import annotations

from uuid import uuid4

import pytest
from tests.faults.poison import KINDS, poison

from mentorstream_events import Undecodable, decode


@pytest.mark.parametrize("topic", ["registrations", "matches", "meetings", "feedback", "people"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_record_is_refused_for_its_reason_and_for_no_other(topic: str, kind: str) -> None:
    if kind == "null value" and topic == "people":
        kind = "no key"  # a null value is an erasure there
    (record,) = poison(topic, str(uuid4()), [kind])
    with pytest.raises(Undecodable) as refused:
        decode(record.topic, record.key, record.value, record.headers)
    assert refused.value.reason == record.reason


def test_the_largest_is_as_large_as_a_broker_takes() -> None:
    (record,) = poison("registrations", str(uuid4()), ["too large"])
    assert 1024 * 1024 - 1024 < len(record.value or b"") < 1024 * 1024
