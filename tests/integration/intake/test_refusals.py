"""Every refusal at the door: its status, the field it names, and that nothing has changed."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mentorstream_events.registrations import ParticipantRegistered

from .conftest import BATCH, HOURS, STRUCTURED, Intake, PartnerClient, details, event, person, registration

Document = dict[str, Any]


def _participant(**changes: Any) -> Document:
    return registration("e9", participant=details(**changes))


def _mentor(**changes: Any) -> Document:
    return registration("e9", participant=details("mentor", **changes))


def _person(**changes: Any) -> Document:
    return {**registration("e9"), "person": person("e9", **changes)}


REGISTER = "participant.register"
TABLE: list[tuple[str, str, Document, int, str, str]] = [
    # name, kind, data, status, pointer, part of the detail
    ("unknown program", REGISTER, registration("e9", program="leadershp"), 422, "/data/program", "leadershp"),
    ("unknown field", REGISTER, _participant(capasity=3), 422, "/data/participant/capasity", "did you mean capacity"),
    ("unknown top field", REGISTER, registration("e9", boss="x"), 422, "/data/boss", "unknown field"),
    ("missing field", REGISTER, {"program": "leadership"}, 422, "/data/person", "missing"),
    ("not an object", REGISTER, [], 422, "/data", "an object"),  # type: ignore[list-item]
    ("no zone", REGISTER, _person(zone="Europe/Pari"), 422, "/data/person/zone", "did you mean Europe/Paris"),
    ("abbreviated zone", REGISTER, _person(zone="Mars/Base"), 422, "/data/person/zone", "IANA"),
    ("no address", REGISTER, _person(email="nobody"), 422, "/data/person/email", "one bare address"),
    ("address without domain", REGISTER, _person(email="a@localhost"), 422, "/data/person/email", "domain"),
    ("blank name", REGISTER, _person(full_name="  "), 422, "/data/person/full_name", "blank"),
    ("line break in a name", REGISTER, _person(full_name="A\nBcc: b"), 400, "/data/person/full_name", "control"),
    ("bad reference", REGISTER, registration("-x"), 422, "/data/person/reference", "letters, digits"),
    ("bad locale", REGISTER, _person(locale="french!"), 422, "/data/person/locale", "pt-BR"),
    (
        "inverted hours",
        REGISTER,
        _participant(availability=[{"weekday": "friday", "start": "15:00", "end": "13:00"}]),
        422,
        "/data/participant/availability/0",
        "must be later",
    ),
    (
        "overlapping hours",
        REGISTER,
        _participant(availability=[*HOURS, {"weekday": "monday", "start": "11:59", "end": "13:00"}]),
        422,
        "/data/participant/availability/1",
        "overlaps entry 0",
    ),
    (
        "no time of day",
        REGISTER,
        _participant(availability=[{"weekday": "monday", "start": "9:00", "end": "13:00"}]),
        422,
        "/data/participant/availability/0/start",
        "HH:MM",
    ),
    (
        "no weekday",
        REGISTER,
        _participant(availability=[{"weekday": "mon", "start": "09:00", "end": "13:00"}]),
        422,
        "/data/participant/availability/0/weekday",
        "monday, tuesday",
    ),
    ("no hours", REGISTER, _participant(availability=[]), 422, "/data/participant/availability", "at least 1"),
    ("no language", REGISTER, _participant(languages=[]), 422, "/data/participant/languages", "at least 1 entries"),
    ("role that is none", REGISTER, _participant(roles=["boss"]), 422, "/data/participant/roles/0", "mentor, mentee"),
    ("role twice", REGISTER, _participant(roles=["mentee", "mentee"]), 422, "/data/participant/roles/1", "twice"),
    ("language twice", REGISTER, _participant(languages=["fr", "fr"]), 422, "/data/participant/languages/1", "twice"),
    ("capacity of a mentee", REGISTER, _participant(capacity=2), 422, "/data/participant/capacity", "no mentor"),
    ("capacity above 50", REGISTER, _mentor(capacity=51), 422, "/data/participant/capacity", "at most 50"),
    ("capacity as text", REGISTER, _mentor(capacity="3"), 422, "/data/participant/capacity", "whole number"),
    ("level 6", REGISTER, _mentor(offers=[{"skill": "x", "level": 6}]), 422, "/data/participant/offers/0/level", "5"),
    ("blocks oneself", REGISTER, _participant(blocks=["e9"]), 422, "/data/participant/blocks/0", "themselves"),
    ("own manager", REGISTER, registration("e9", manager="e9"), 422, "/data/manager", "their own manager"),
    (
        "role the program lacks",
        REGISTER,
        registration("e9", program="bench"),
        422,
        "/data/participant/roles/0",
        "mentor",
    ),
    ("program not open", REGISTER, registration("e9", program="other/p"), 403, "/data/program", "not open"),
    ("program of nobody", REGISTER, registration("e9", program="nobody/p"), 403, "/data/program", "not open"),
    ("others' program", "program.configure", {"program": "other/p", "title": "X"}, 403, "/data/program", "only other"),
    (
        "open to nobody",
        "program.configure",
        {"program": "p", "title": "X", "open_to": ["other", "nobody"]},
        422,
        "/data/open_to/1",
        "no organisation",
    ),
    (
        "weights of zero",
        "program.configure",
        {
            "program": "p",
            "title": "X",
            "policy": {
                "weights": dict.fromkeys(
                    ["skills", "goals", "interests", "values", "style", "industry", "seniority", "common_time"], 0
                )
            },
        },
        422,
        "/data/policy/weights",
        "above 0",
    ),
    (
        "cadence of ten days",
        "program.configure",
        {"program": "p", "title": "X", "terms": {"cadence_days": 10}},
        422,
        "/data/terms/cadence_days",
        "multiple of 7",
    ),
    ("circle", "reporting_line.set", {"person": "top", "manager": "low"}, 422, "/data/manager", "circle"),
    (
        "circle by registration",
        REGISTER,
        {**registration("top"), "manager": "low"},
        422,
        "/data/manager",
        "circle",
    ),
    (
        "withdrawal of nobody",
        "participant.withdraw",
        {"program": "leadership", "person": "e77"},
        422,
        "/data/person",
        "not in program",
    ),
    (
        "update of who is elsewhere",
        "participant.update",
        {"program": "bench", "person": "low", "participant": details("mentor")},
        422,
        "/data/person",
        "not in program",
    ),
    (
        "rematch of nobody",
        "participant.request_rematch",
        {"program": "leadership", "person": "e77"},
        422,
        "/data/person",
        "not in program",
    ),
    ("person of nobody", "person.update", {"person": person("e77")}, 422, "/data/person/reference", "nobody"),
    (
        "one role among partners",
        REGISTER,
        registration("e9", program="pairs"),
        422,
        "/data/participant/roles",
        "expected both mentor and mentee",
    ),
    (
        "partners into pairs of two",
        "program.configure",
        {"program": "pairs", "title": "X", "kind": "formal"},
        422,
        "/data/kind",
        "make a new program",
    ),
    (
        "pairs of two into circles",
        "program.configure",
        {"program": "bench", "title": "X", "kind": "group", "policy": {"matching": "rounds"}},
        422,
        "/data/kind",
        "make a new program",
    ),
    (
        "two groups of one attribute",
        REGISTER,
        _participant(audit_groups=[{"attribute": "age", "group": "a"}, {"attribute": "Age", "group": "b"}]),
        422,
        "/data/participant/audit_groups/1",
        "twice",
    ),
    (
        "blank group",
        REGISTER,
        _participant(audit_groups=[{"attribute": "age", "group": " "}]),
        422,
        "/data/participant/audit_groups/0/group",
        "blank",
    ),
    ("unknown type", "participant.promote", {}, 422, "/type", "not known"),
]


@pytest.fixture
async def crowded(intake: Intake, acme: PartnerClient) -> PartnerClient:
    """A partner with a program for mentors only and one of partners, three people in a line; another's program."""
    other = await intake.partner("other")
    await other.configure("p")
    await acme.configure("bench", roles=["mentor"])
    await acme.configure("pairs", kind="peer")
    await acme.tell_all(
        [
            event("participant.register", registration("top")),
            event("participant.register", registration("mid", manager="top")),
            event("participant.register", registration("low", manager="mid")),
        ]
    )
    return acme


async def test_each_refusal_names_its_field_and_changes_nothing(intake: Intake, crowded: PartnerClient) -> None:
    state = "SELECT (SELECT count(*) FROM person) AS p, (SELECT count(*) FROM participant) AS q, \
             (SELECT count(*) FROM accepted_request) AS r, (SELECT sum(number) FROM outbox_sequence) AS s"
    before = await intake.fetch(state)
    wrong = []
    for name, kind, data, status, pointer, part in TABLE:
        answer = await crowded.post(event(kind, data))
        problem = answer.json()
        errors = problem.get("errors", [])
        found = [error for error in errors if error["pointer"] == pointer and part in error["detail"]]
        if answer.status_code != status or answer.headers["content-type"] != "application/problem+json" or not found:
            wrong.append((name, answer.status_code, problem))
    assert wrong == []
    assert await intake.fetch(state) == before


async def test_all_faults_are_told_at_once(acme: PartnerClient) -> None:
    data = _person(zone="Nowhere/Land", email="x@y")
    data["participant"]["capacity"] = 4
    answer = await acme.post(event(REGISTER, data))
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert pointers == ["/data/person/email", "/data/person/zone", "/data/participant/capacity"]


async def test_an_answer_never_repeats_an_address(acme: PartnerClient) -> None:
    data = _person(email="amina.yusuf@nodomain")
    assert "amina" not in (await acme.post(event(REGISTER, data))).text


ENVELOPES: list[tuple[str, Callable[[Document], Any], str]] = [
    ("no id", lambda document: {**document, "id": None}, "/id"),
    ("empty id", lambda document: {**document, "id": ""}, "/id"),
    ("long id", lambda document: {**document, "id": "x" * 201}, "/id"),
    ("number as id", lambda document: {**document, "id": 7}, "/id"),
    ("line break in a source", lambda document: {**document, "source": "a\u2028b"}, "/source"),
    ("no source", lambda document: {key: value for key, value in document.items() if key != "source"}, "/source"),
    ("other version", lambda document: {**document, "specversion": "0.3"}, "/specversion"),
    ("no time", lambda document: {**document, "time": "yesterday"}, "/time"),
    ("time without offset", lambda document: {**document, "time": "2026-03-09T08:00:00"}, "/time"),
    ("bad extension", lambda document: {**document, "Some-Thing": "x"}, "/Some-Thing"),
    ("base64", lambda document: {**document, "data_base64": "e30="}, "/data_base64"),
    ("xml inside", lambda document: {**document, "datacontenttype": "application/xml"}, "/datacontenttype"),
]


async def test_envelopes_that_are_none(acme: PartnerClient) -> None:
    wrong = []
    for name, spoil, pointer in ENVELOPES:
        answer = await acme.post(spoil(event(REGISTER, registration("e9"))))
        if answer.status_code != 422 or pointer not in [error["pointer"] for error in answer.json().get("errors", [])]:
            wrong.append((name, answer.status_code, answer.text))
    assert wrong == []


def _whole(data: str) -> bytes:
    head = '{"specversion":"1.0","id":"1","source":"x","type":"mentorstream.participant.register.v1","data":'
    return (head + data + "}").encode()


BODIES: list[tuple[str, bytes, dict[str, str], int, str]] = [
    ("cut off", b'{"specversion": "1.0",', {}, 400, "line 1"),
    ("empty", b"", {}, 400, "line 1"),
    ("not UTF-8", b'{"id": "\xff"}', {}, 400, "UTF-8"),
    ("UTF-16", '{"id": "x"}'.encode("utf-16"), {}, 400, "UTF-8"),
    ("byte order mark", b"\xef\xbb\xbf{}", {}, 400, "byte order mark"),
    ("double key", _whole('{"program": "a", "program": "b"}'), {}, 400, "twice"),
    ("NaN", _whole('{"seniority": NaN}'), {}, 400, "NaN"),
    ("Infinity", _whole('{"seniority": -Infinity}'), {}, 400, "Infinity"),
    ("half a surrogate pair", _whole('{"program": "\\ud800"}'), {}, 400, "surrogate"),
    ("deep", _whole("[" * 30 + "]" * 30), {}, 400, "16 levels"),
    ("very deep", _whole("[" * 100_000 + "]" * 100_000), {}, 400, "16 levels"),
    ("a number of 10,000 digits", _whole("1" * 10_000), {}, 400, "digits"),
    ("a list as one event", b"[]", {}, 422, "an object"),
    ("an empty batch", b"[]", {"content-type": BATCH}, 422, "at least one"),
    ("a batch that is none", b"{}", {"content-type": BATCH}, 422, "JSON list"),
    ("a batch of 501", b"[" + b"1," * 500 + b"1]", {"content-type": BATCH}, 413, "limit is 500"),
    ("XML", b"<event/>", {"content-type": "application/xml"}, 415, "application/cloudevents+json"),
    ("no type at all", b"{}", {"content-type": ""}, 415, "application/cloudevents+json"),
    ("binary without attributes", b"{}", {"content-type": "application/json"}, 415, "ce- headers"),
    ("another charset", b"{}", {"content-type": STRUCTURED + "; charset=latin-1"}, 415, "application/"),
    ("brotli", b"{}", {"content-encoding": "br"}, 415, "gzip"),
    ("no gzip", b"{}", {"content-encoding": "gzip"}, 400, "no gzip"),
    ("half a gzip", gzip.compress(b"{}" * 500)[:-9], {"content-encoding": "gzip"}, 400, "whole gzip"),
    ("two gzips", gzip.compress(b"{}") * 2, {"content-encoding": "gzip"}, 400, "whole gzip"),
    ("gzip bomb", gzip.compress(b" " * 50_000_000), {"content-encoding": "gzip"}, 413, "unpacked"),
    ("small gzip bomb", gzip.compress(b" " * 3_000_000), {"content-encoding": "gzip"}, 413, "100 times"),
    ("too large", b" " * 5_000_000, {}, 413, "limit"),
    ("far too large", b" " * 17_000_000, {}, 413, "limit"),
]


async def test_bodies_that_cannot_be_read(intake: Intake, acme: PartnerClient) -> None:
    wrong = []
    for name, body, headers, status, part in BODIES:
        answer = await intake.http.post(
            "/v1/events", content=body, headers={**acme.headers, "content-type": STRUCTURED, **headers}
        )
        if answer.status_code != status or part not in answer.json().get("detail", ""):
            wrong.append((name, answer.status_code, answer.text[:300]))
    assert wrong == []


async def test_a_body_of_undeclared_length_is_counted_as_it_comes(intake: Intake, acme: PartnerClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 1_000_000

    headers = {**acme.headers, "content-type": STRUCTURED}
    answer = await intake.http.post("/v1/events", content=endless(), headers=headers)
    assert answer.status_code == 413


async def test_a_packed_body_is_read(acme: PartnerClient, intake: Intake) -> None:
    body = gzip.compress(json.dumps(event(REGISTER, registration("e1"))).encode())
    headers = {**acme.headers, "content-type": STRUCTURED, "content-encoding": "gzip"}
    assert (await intake.http.post("/v1/events", content=body, headers=headers)).status_code == 202


async def test_a_refused_event_may_be_sent_again_when_it_is_mended(acme: PartnerClient) -> None:
    refused = event(REGISTER, registration("e1", program="later"))
    assert (await acme.post(refused)).status_code == 422
    await acme.configure("later")
    assert (await acme.post(refused)).status_code == 202


async def test_signatures(intake: Intake, acme: PartnerClient) -> None:
    body = json.dumps(event(REGISTER, registration("e1"))).encode()
    now = datetime.now(UTC)

    async def send(headers: dict[str, str], sent: bytes = body) -> tuple[int, str]:
        answer = await intake.http.post("/v1/events", content=sent, headers={"content-type": STRUCTURED, **headers})
        return answer.status_code, answer.json().get("detail", "")

    assert (await send(acme.signature(body)))[0] == 202
    packed = {**acme.signature(body), "content-encoding": "gzip"}
    assert (await send(packed, gzip.compress(body)))[0] == 202
    other = await intake.partner("other")
    refused = [
        (acme.signature(body + b" "), "no matching signature"),
        (acme.signature(body, at=now - timedelta(minutes=6)), "too old"),
        (acme.signature(body, at=now + timedelta(minutes=6)), "too new"),
        ({**acme.signature(body), "mentorstream-key": other.signing_id}, "no matching signature"),
        ({**acme.signature(body), "mentorstream-key": "msid_0"}, "unknown"),
        ({**acme.signature(body), "mentorstream-key": acme.key.split("_")[1]}, "unknown"),
        ({**acme.signature(body), "mentorstream-key": ""}, "mentorstream-key"),
        ({**acme.signature(body), "webhook-signature": "v1"}, "webhook-signature"),
        ({**acme.signature(body), "webhook-signature": "v1,a"}, "webhook-signature"),
        ({**acme.signature(body), "webhook-timestamp": "now"}, "invalid"),
    ]
    for headers, part in refused:
        status, detail = await send(headers)
        assert (status, part in detail) == (401, True), (headers, status, detail)
    assert len(await intake.facts(ParticipantRegistered)) == 1


async def test_keys(intake: Intake, acme: PartnerClient) -> None:
    body = json.dumps(event(REGISTER, registration("e1"))).encode()
    _, lookup, secret = acme.key.split("_", 2)
    wrong = [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {acme.key}"},
        {"authorization": f"Bearer {lookup}"},
        {"authorization": f"Bearer msk_{lookup}_{secret}x"},
        {"authorization": f"Bearer msk_0000000000000000_{secret}"},
        {"authorization": f"Bearer msk_{acme.signing_id.removeprefix('msid_')}_{secret}"},
        {**acme.signature(body), "authorization": "Bearer msk_x_y"},
    ]
    for headers in wrong:
        answer = await intake.http.post("/v1/events", content=body, headers={"content-type": STRUCTURED, **headers})
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"].startswith("Bearer")
    stored = await intake.fetch("SELECT lookup, secret_hash, sealed_secret FROM credential")
    assert not any(secret.encode() in (row["secret_hash"] or b"") for row in stored)
    assert not any(acme.signing_secret.encode() in (row["sealed_secret"] or b"") for row in stored)


async def test_a_signature_does_not_authorise_a_request_without_a_body(intake: Intake, acme: PartnerClient) -> None:
    await acme.register("e1")
    answer = await intake.http.delete("/v1/people/e1", headers=acme.signature(b""))
    assert answer.status_code == 401
    assert "API key" in answer.json()["detail"]
