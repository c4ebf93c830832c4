"""The checker sees each kind of breaking change, and old and new readers live with what it lets through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, inspect

from mentorstream_events.examples import Example, load_examples
from mentorstream_events.generate.compatibility import violations
from mentorstream_events.generate.schemas import Schema, current_schemas

Field = tuple[Any, ...]  # a type, and a default if it has one

INNER: dict[str, Field] = {"name": (str,), "place": (str, "here")}
FIELDS: dict[str, Field] = {
    "identity": (UUID,),
    "size": (Annotated[int, Meta(ge=1, le=5)],),
    "state": (Literal["open", "closed"],),
    "tags": (tuple[Annotated[str, Meta(max_length=10)], ...], ()),
    "note": (Annotated[str, Meta(max_length=20)] | None, None),
    "step": (Annotated[int, Meta(multiple_of=7)], 7),
    "inner": (msgspec.defstruct("Inner", [(name, *field) for name, field in INNER.items()]),),
    "figures": (dict[str, int],),
}


def inner(**changes: Field | None) -> type[msgspec.Struct]:
    return struct("Inner", INNER, changes)


def struct(
    name: str, fields: dict[str, Field], changes: dict[str, Field | None], *, closed: bool = False
) -> type[msgspec.Struct]:
    kept = {field: definition for field, definition in {**fields, **changes}.items() if definition is not None}
    columns = [(field, *definition) for field, definition in kept.items()]
    return msgspec.defstruct(name, columns, kw_only=True, forbid_unknown_fields=closed)


def schema(*, closed: bool = False, **changes: Field | None) -> Schema:
    return msgspec.json.schema(struct("Thing", FIELDS, changes, closed=closed))


# What changes, which kind of violation it is, where, and whether a sole reader that is upgraded first minds.
BREAKING: dict[str, tuple[dict[str, Any], str, str, bool]] = {
    "field removed": ({"note": None}, "removed_field", "note", True),
    "nested field removed": ({"inner": (inner(place=None),)}, "removed_field", "inner.place", True),
    "required field added": ({"extra": (int,)}, "new_required_field", "extra", True),
    "nested required field added": ({"inner": (inner(extra=(int,)),)}, "new_required_field", "inner.extra", True),
    "field became required": ({"note": FIELDS["note"][:1]}, "now_required", "note", True),
    "field became optional": ({"size": (*FIELDS["size"], 3)}, "now_optional", "size", False),
    "type changed": ({"size": (str,)}, "changed_type", "size", True),
    "item type changed": ({"tags": (tuple[int, ...], ())}, "changed_type", "tags[]", True),
    "map value type changed": ({"figures": (dict[str, str],)}, "changed_type", "figures{}", True),
    "null no longer taken": ({"note": (Annotated[str, Meta(max_length=20)], None)}, "narrowed", "note", True),
    "null taken": ({"size": (Annotated[int, Meta(ge=1, le=5)] | None,)}, "widened", "size", False),
    "enumeration lost a value": ({"state": (Literal["open"],)}, "narrowed", "state", True),
    "enumeration gained a value": ({"state": (Literal["open", "closed", "lost"],)}, "widened", "state", False),
    "text became an enumeration": ({"inner": (inner(name=(Literal["a"],)),)}, "changed_type", "inner.name", True),
    "lower bound raised": ({"size": (Annotated[int, Meta(ge=2, le=5)],)}, "narrowed", "size", True),
    "lower bound lowered": ({"size": (Annotated[int, Meta(ge=0, le=5)],)}, "widened", "size", False),
    "upper bound lowered": ({"size": (Annotated[int, Meta(ge=1, le=4)],)}, "narrowed", "size", True),
    "upper bound dropped": ({"size": (Annotated[int, Meta(ge=1)],)}, "widened", "size", False),
    "length bound added": (
        {"inner": (inner(name=(Annotated[str, Meta(max_length=9)],)),)},
        "narrowed",
        "inner.name",
        True,
    ),
    "list bound added": (
        {"tags": (Annotated[tuple[Annotated[str, Meta(max_length=10)], ...], Meta(max_length=2)], ())},
        "narrowed",
        "tags",
        True,
    ),
    "map key bound added": (
        {"figures": (dict[Annotated[str, Meta(max_length=9)], int],)},
        "narrowed",
        "figures{key}",
        True,
    ),
    "pattern added": (
        {"inner": (inner(name=(Annotated[str, Meta(pattern="^a")],)),)},
        "changed_keyword",
        "inner.name",
        True,
    ),
    "step changed": ({"step": (Annotated[int, Meta(multiple_of=14)], 7)}, "changed_keyword", "step", True),
    "format lost": ({"identity": (str,)}, "changed_keyword", "identity", True),
    "default changed": ({"inner": (inner(place=(str, "there")),)}, "changed_default", "inner.place", True),
    "field renamed": ({"size": None, "magnitude": FIELDS["size"]}, "new_required_field", "magnitude", True),
}


@pytest.mark.parametrize(("changes", "kind", "path", "reader_minds"), BREAKING.values(), ids=BREAKING.keys())
def test_a_breaking_change_is_seen(changes: dict[str, Any], kind: str, path: str, reader_minds: bool) -> None:
    old, new = schema(), schema(**changes)
    assert (kind, path) in [(each.kind, each.path) for each in violations(old, new, old_readers=True)]
    assert bool(violations(old, new, old_readers=False)) is reader_minds


def test_closing_and_opening_a_value_is_seen() -> None:
    closed = [each.kind for each in violations(schema(), schema(closed=True), old_readers=True)]
    opened = [each.kind for each in violations(schema(closed=True), schema(), old_readers=True)]
    assert (closed, opened) == (["narrowed"], ["widened"])


def test_a_new_field_breaks_old_readers_that_refuse_unknown_fields() -> None:
    old, new = schema(closed=True), schema(closed=True, extra=(int, 0))
    assert [each.path for each in violations(old, new, old_readers=True)] == ["extra"]
    assert violations(old, new, old_readers=False) == []


def test_a_new_optional_field_breaks_nobody_even_inside_a_default() -> None:
    plain, grown = inner(name=(str, "")), inner(name=(str, ""), extra=(int, 0))
    old = schema(inner=(plain, msgspec.field(default_factory=plain)))
    new = schema(extra=(int, 0), inner=(grown, msgspec.field(default_factory=grown)))
    assert violations(old, new, old_readers=True) == []


def test_words_are_free() -> None:
    described = schema(size=(Annotated[int, Meta(ge=1, le=5, description="How big.")],))
    assert violations(schema(), described, old_readers=True) == []


def test_every_schema_is_compatible_with_itself() -> None:
    for name, current in current_schemas().items():
        assert violations(current, current, old_readers=True) == [], name


EXAMPLES = [each for each in load_examples() if each.value is not None]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_an_old_reader_ignores_fields_that_a_newer_writer_adds_anywhere(example: Example) -> None:
    content = _content(example)
    for value, _ in list(_models_in(content, inspect.type_info(example.contract.model))):
        value["from_the_future"] = {"deep": ["and", 1, None]}
    assert msgspec.json.decode(msgspec.json.encode(content), type=example.contract.model) == example.event.data


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: each.name)
def test_a_new_reader_takes_events_from_before_each_optional_field(example: Example) -> None:
    content = _content(example)
    for value, model in list(_models_in(content, inspect.type_info(example.contract.model))):
        for field in model.fields:
            present = value.pop(field.encode_name)
            older = msgspec.json.encode(content)
            value[field.encode_name] = present
            if field.required:
                with pytest.raises(msgspec.ValidationError, match=f"missing required field `{field.encode_name}`"):
                    msgspec.json.decode(older, type=example.contract.model)
            else:
                value[field.encode_name] = field.default
                expected = msgspec.convert(content, example.contract.model)
                value[field.encode_name] = present
                assert msgspec.json.decode(older, type=example.contract.model) == expected


def _content(example: Example) -> Any:
    return msgspec.json.decode(example.value or b"")


def _models_in(content: Any, kind: inspect.Type) -> Iterator[tuple[dict[str, Any], inspect.StructType]]:
    """Every JSON object that is a model, at every depth, with its model."""
    if isinstance(kind, inspect.StructType):
        yield content, kind
        for field in kind.fields:
            yield from _models_in(content[field.encode_name], field.type)
    elif isinstance(kind, inspect.VarTupleType):
        for each in content:
            yield from _models_in(each, kind.item_type)
