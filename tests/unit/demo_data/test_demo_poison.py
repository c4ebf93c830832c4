"""The demo's bad input: refused requests are well described, and poison records carry the reason that they claim."""

from __future__ import annotations

import json

import msgspec
import pytest

from mentorstream_events import TOPIC, Undecodable, decode
from mentorstream_events.partner import REQUESTS
from mentorstream_local.demo.data import DemoData, PoisonRecord, RefusedRequest, load

DATA: DemoData = load()
REASONS = {"not_json", "wrong_schema", "unknown_type", "unknown_version", "missing_header", "wrong_key", "null_value"}
OF_THE_SCHEMA = {
    "capacity above the limit",
    "no language",
    "field that does not exist",
    "level above the scale",
    "address without an at sign",
}


@pytest.mark.parametrize("record", DATA.poison_records, ids=lambda record: f"{record.topic} {record.name}")
def test_a_poison_record_is_undecodable_for_its_reason(record: PoisonRecord) -> None:
    with pytest.raises(Undecodable) as refusal:
        decode(record.topic, record.key, record.value, record.headers)
    assert refusal.value.reason == record.reason


def test_poison_records_cover_the_reasons_on_several_topics() -> None:
    assert {record.reason for record in DATA.poison_records} == REASONS
    topics = {record.topic for record in DATA.poison_records}
    assert topics == {"registrations", "matches", "meetings"}
    assert topics <= TOPIC.keys()


def test_refused_requests_name_an_organisation_and_have_names_of_their_own() -> None:
    names = [request.name for request in DATA.refused_requests]
    assert len(set(names)) == len(names)
    assert {request.organisation for request in DATA.refused_requests} <= {one.name for one in DATA.organisations}
    assert {request.status for request in DATA.refused_requests} == {400, 401, 403, 409, 415, 422}


def pointed_requests() -> list[RefusedRequest]:
    return [request for request in DATA.refused_requests if request.pointer is not None]


@pytest.mark.parametrize("request_", pointed_requests(), ids=lambda request: request.name)
def test_a_pointer_leads_to_a_field_of_the_request(request_: RefusedRequest) -> None:
    assert request_.pointer is not None
    here = json.loads(request_.body)
    *parents, last = request_.pointer.removeprefix("/").split("/")
    for part in parents:
        here = here[int(part)] if isinstance(here, list) else here[part]
    if request_.name != "event without an id":
        assert here[int(last) if isinstance(here, list) else last] is not None


@pytest.mark.parametrize("request_", pointed_requests(), ids=lambda request: request.name)
def test_only_what_breaks_the_schema_fails_by_the_contract(request_: RefusedRequest) -> None:
    """The rest is well formed: it makes no sense to intake, which knows programs and people."""
    event = json.loads(request_.body)
    model = REQUESTS.get(event["type"])
    if model is None:
        assert request_.pointer == "/type"
    elif request_.name in OF_THE_SCHEMA:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(event["data"], model)
    else:
        msgspec.convert(event["data"], model)


def test_a_known_id_is_sent_again_with_another_body() -> None:
    request = next(one for one in DATA.refused_requests if one.status == 409)
    again = json.loads(request.body)
    before = json.loads(next(event.body for event in DATA.programs if event.id == again["id"]))
    assert (again["source"], again["type"]) == (before["source"], before["type"])
    assert again["data"] != before["data"]
