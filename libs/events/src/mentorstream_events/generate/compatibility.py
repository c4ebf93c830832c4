"""What may not change in a published schema within a version.

Events live for months and services are upgraded one after the other, so both directions have to hold: a new reader
takes old events (nothing narrower, nothing newly required), and an old reader takes new events (nothing wider, no
field gone). What is left is a new field that is optional. Requests of partners have one reader, intake: they may
grow wider, never narrower. Descriptions and titles are free.

Understands the keywords that msgspec writes; a difference in any other keyword counts as a violation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

Schema = Mapping[str, Any]
Kind = Literal[
    "removed_field",
    "new_required_field",
    "now_required",
    "now_optional",
    "changed_type",
    "narrowed",
    "widened",
    "changed_default",
    "changed_keyword",
]
# What only a reader of the old schema suffers from.
_HURTS_OLD_READERS_ONLY: Final[frozenset[Kind]] = frozenset({"now_optional", "widened"})
_LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_ANNOTATIONS: Final = frozenset({"$schema", "$id", "$defs", "$ref", "$comment", "title", "description", "default"})
_COMPARED: Final = _ANNOTATIONS | {
    *_LOWER_BOUNDS,
    *_UPPER_BOUNDS,
    *("type", "enum", "anyOf", "properties", "required", "items", "additionalProperties", "propertyNames"),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One change that breaks a reader. `path` is the field, such as `profile.languages[]`."""

    kind: Kind
    path: str
    detail: str

    def __str__(self) -> str:
        return f"{self.path or '(the value)'}: {self.detail} [{self.kind}]"


def violations(old: Schema, new: Schema, *, old_readers: bool) -> list[Violation]:
    """Every change from `old` to `new` that breaks somebody.

    `old_readers` says whether readers of the old schema get values of the new one: true for events, false for
    requests.
    """
    found = _Comparison(old, new).compare("", old, new)
    return [each for each in found if old_readers or each.kind not in _HURTS_OLD_READERS_ONLY]


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old_root, self._new_root = old, new
        self._seen: set[tuple[int, int]] = set()

    def compare(self, path: str, old: Schema, new: Schema) -> Iterator[Violation]:
        if "default" in old and "default" in new and not _same_default(old["default"], new["default"]):
            # A default is what an absent field means; it is the sender's word already given.
            yield Violation("changed_default", path, f"default {old['default']!r} became {new['default']!r}")
        old_kinds, new_kinds = _kinds(old, self._old_root), _kinds(new, self._new_root)
        if not old_kinds.keys() & new_kinds.keys():
            yield Violation("changed_type", path, f"{_names(old_kinds)} became {_names(new_kinds)}")
            return
        for kind in sorted(old_kinds.keys() - new_kinds.keys()):
            yield Violation("narrowed", path, f"{kind} is no longer taken")
        for kind in sorted(new_kinds.keys() - old_kinds.keys()):
            yield Violation("widened", path, f"{kind} is taken now, old readers refuse it")
        for kind in sorted(old_kinds.keys() & new_kinds.keys()):
            yield from self._same_kind(path, old_kinds[kind], new_kinds[kind])

    def _same_kind(self, path: str, old: Schema, new: Schema) -> Iterator[Violation]:
        if (id(old), id(new)) in self._seen:
            return  # a shared value, compared where it was met first
        self._seen.add((id(old), id(new)))
        yield from _enumeration(path, old, new)
        yield from _bounds(path, old, new)
        yield from self._fields(path, old, new)
        for keyword, suffix in (("items", "[]"), ("propertyNames", "{key}"), ("additionalProperties", "{}")):
            yield from self._part(keyword, f"{path}{suffix}", old, new)
        for keyword in sorted((old.keys() | new.keys()) - _COMPARED):
            if old.get(keyword) != new.get(keyword):
                change = f"{keyword} {old.get(keyword)!r} became {new.get(keyword)!r}"
                yield Violation("changed_keyword", path, change)

    def _fields(self, path: str, old: Schema, new: Schema) -> Iterator[Violation]:
        old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
        old_required, new_required = set(old.get("required", ())), set(new.get("required", ()))
        for name, schema in old_fields.items():
            inner = f"{path}.{name}" if path else name
            if name not in new_fields:
                yield Violation("removed_field", inner, "the field was removed or renamed")
                continue
            if name in new_required - old_required:
                yield Violation("now_required", inner, "old events may lack it")
            if name in old_required - new_required:
                yield Violation("now_optional", inner, "old readers need it")
            yield from self.compare(inner, schema, new_fields[name])
        for name in new_fields.keys() - old_fields.keys():
            inner = f"{path}.{name}" if path else name
            if name in new_required:
                yield Violation("new_required_field", inner, "old events lack it; give it a default")
            elif old.get("additionalProperties") is False:
                yield Violation("widened", inner, "old readers refuse unknown fields here")

    def _part(self, keyword: str, path: str, old: Schema, new: Schema) -> Iterator[Violation]:
        before, after = old.get(keyword, True), new.get(keyword, True)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from self.compare(path, before, after)
        elif before is not after:
            open_before, open_after = before is True, after is True
            if open_before or after is False:
                yield Violation("narrowed", path, f"{keyword} became closed or typed")
            elif open_after or before is False:
                yield Violation("widened", path, f"{keyword} became open or untyped")


def _kinds(schema: Schema, root: Schema) -> dict[str, Schema]:
    """The alternatives of a schema by JSON type, enumerations apart, references followed."""
    if "$ref" in schema:
        return _kinds(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return {kind: part for option in schema["anyOf"] for kind, part in _kinds(option, root).items()}
    if "enum" in schema:
        return {"enum": schema}
    return {str(schema.get("type", "anything")): schema}


def _enumeration(path: str, old: Schema, new: Schema) -> Iterator[Violation]:
    before, after = old.get("enum", []), new.get("enum", [])
    for value in before:
        if value not in after:
            yield Violation("narrowed", path, f"{value!r} is no longer taken")
    for value in after:
        if value not in before:
            yield Violation("widened", path, f"{value!r} is taken now, old readers refuse it")


def _bounds(path: str, old: Schema, new: Schema) -> Iterator[Violation]:
    for keywords, direction in ((_LOWER_BOUNDS, 1), (_UPPER_BOUNDS, -1)):
        for keyword in keywords:
            before, after = old.get(keyword), new.get(keyword)
            if before == after:
                continue
            narrower = before is None or (after is not None and (after - before) * direction > 0)
            change = f"{keyword} {before} became {after}"
            yield Violation("narrowed" if narrower else "widened", path, change)


def _same_default(old: Any, new: Any) -> bool:
    """Equal, but for fields that a shared value gained."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(name in new and _same_default(value, new[name]) for name, value in old.items())
    return bool(old == new)


def _names(kinds: Mapping[str, Schema]) -> str:
    return " or ".join(sorted(kinds))
