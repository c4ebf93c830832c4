"""Personal data travels on `people` only, and nothing on the wire is without bound.

Two nets. Names: no field anywhere below a type of another topic is called like something that describes or reaches a
person. Texts: each text must be closed (enumeration, UUID, timestamp or pattern) or be listed here with the reason why
nobody's personal data belongs in it. A new free text therefore fails until somebody has thought about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from msgspec import inspect

from mentorstream_events import CONTRACTS, Contract

# Whole words of a field's name, split at underscores.
PERSONAL_WORDS = {
    *("name", "surname", "firstname", "lastname", "fullname", "nickname", "salutation", "pronouns", "gender", "sex"),
    *("mail", "email", "phone", "telephone", "mobile", "address", "street", "postcode", "city", "ip", "url", "link"),
    *(
        "birth",
        "birthday",
        "birthdate",
        "age",
        "nationality",
        "ethnicity",
        "religion",
        "health",
        "disability",
        "salary",
    ),
    *("photo", "picture", "avatar", "signature", "passport", "username", "login", "password", "reference"),
    *("comment", "note", "notes", "text", "message", "body", "description", "biography", "bio", "remark", "remarks"),
}

# Texts that are neither enumeration, UUID, timestamp nor pattern, and why they hold nothing personal.
FREE_TEXTS = {
    "title": "a program's name, chosen by the organisation that runs it",
    "zone": "name of an IANA time zone; shared by millions",
    "skill": "an entry of an organisation's skill list",
    "goals": "an entry of a program's list of goals; intake's documentation says so to partners",
    "interests": "an entry of a list, as goals",
    "values": "an entry of a list, as goals",
    "style": "an entry of a list, as goals",
    "industry": "an entry of a list, as goals",
    "credentials": "what a program asks of mentors, such as 'trained'",
    "attribute": "what an audit compares; intake's documentation tells partners to send wide groups",
    "group": "one of its groups, for counts of many; see docs/matching/coordinators.md",
    "to_skill": "an entry of a skill list",
    "mentor_credentials": "the same, in a program's policy",
    "mentee_credentials": "the same, of mentees",
    "facets": "names of parts of the score, written by matching",
    "cause_id": "id of an event",
    "detail": "a status code of a mail server",
}
LONGEST_TEXT = 200
LONGEST_LIST = 5000

ELSEWHERE = [contract for contract in CONTRACTS if contract.topic.name != "people"]


def walk(kind: inspect.Type, path: str) -> Iterator[tuple[str, inspect.Type]]:
    """Every value below a type with the path of its fields, containers included."""
    yield path, kind
    match kind:
        case inspect.StructType():
            for field in kind.fields:
                yield from walk(field.type, f"{path}.{field.encode_name}".lstrip("."))
        case inspect.VarTupleType():
            yield from walk(kind.item_type, path)
        case inspect.DictType():
            yield from walk(kind.key_type, path)
            yield from walk(kind.value_type, path)
        case inspect.UnionType():
            for option in kind.types:
                yield from walk(option, path)
        case inspect.Metadata():
            yield from walk(kind.type, path)


def values_of(contract: Contract) -> list[tuple[str, inspect.Type]]:
    return list(walk(inspect.type_info(contract.model), ""))


@pytest.mark.parametrize("contract", ELSEWHERE, ids=lambda each: each.name)
def test_no_field_is_called_like_personal_data(contract: Contract) -> None:
    for path, _ in values_of(contract):
        assert not PERSONAL_WORDS & set(re.split(r"[._]", path)), f"{path}: such data belongs on the topic people"


@pytest.mark.parametrize("contract", ELSEWHERE, ids=lambda each: each.name)
def test_every_text_is_closed_or_explained(contract: Contract) -> None:
    for path, kind in values_of(contract):
        if isinstance(kind, inspect.StrType) and kind.pattern is None:
            assert path.rpartition(".")[2] in FREE_TEXTS, f"{path}: close it with a pattern, or explain it here"


def test_every_explanation_is_needed() -> None:
    used = {
        path.rpartition(".")[2]
        for contract in ELSEWHERE
        for path, kind in values_of(contract)
        if isinstance(kind, inspect.StrType) and kind.pattern is None
    }
    assert set(FREE_TEXTS) == used


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.name)
def test_everything_has_a_bound(contract: Contract) -> None:
    """Numbers fit PostgreSQL's integer, texts their columns, lists a record; nothing is of a type that has no bound."""
    for path, kind in values_of(contract):
        match kind:
            case inspect.StrType():
                longest = kind.max_length
                assert longest is not None, path
                assert longest <= (254 if path == "email" else LONGEST_TEXT), path
            case inspect.IntType():
                low, high = kind.ge, kind.le
                assert low is not None, path
                assert high is not None, path
                assert low > -(2**31), path
                assert high < 2**31, path
            case inspect.VarTupleType() | inspect.DictType():
                longest = kind.max_length
                assert longest is not None, path
                assert longest <= LONGEST_LIST, path
            case _:
                allowed = (
                    inspect.StructType,
                    inspect.UnionType,
                    inspect.LiteralType,
                    inspect.UUIDType,
                    inspect.DateTimeType,
                    inspect.BoolType,
                    inspect.FloatType,
                    inspect.NoneType,
                    inspect.Metadata,
                )
                assert isinstance(kind, allowed), f"{path}: {kind}"


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda each: each.name)
def test_every_time_has_an_offset(contract: Contract) -> None:
    for path, kind in values_of(contract):
        if isinstance(kind, inspect.DateTimeType):
            assert kind.tz is True, path


def test_the_walk_reaches_nested_values() -> None:
    paths = {path for contract in CONTRACTS for path, _ in values_of(contract)}
    assert {"profile.offers.skill", "mentees.availability.weekday", "email"} <= paths
