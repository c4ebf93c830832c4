"""All generated files together: what they should be, which are stale, which must not be written.

Refuses to overwrite a published schema with one that breaks a reader: the contract gets a new version instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from .asyncapi import asyncapi_yaml
from .compatibility import violations
from .reference import event_reference, partner_reference
from .schemas import DIRECTORY, Schema, current_schemas, golden_schemas

REGENERATE = "python -m mentorstream_events regenerate"


class NotACheckoutError(RuntimeError):
    """The package is installed without its repository, so there are no documents to write."""


def repository() -> Path:
    """The checkout that this package is part of. Raises NotACheckoutError when it is installed alone."""
    root = Path(__file__).parents[5]
    if not (root / "libs/events/pyproject.toml").is_file():
        raise NotACheckoutError("mentorstream_events is not in a checkout of its repository: install it editable there")
    return root


def schema_text(schema: Schema) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def expected_files(documents: Path) -> Mapping[Path, str]:
    """Every generated file and its text: schemas in the package, documents below `documents`."""
    schemas = {DIRECTORY / name: schema_text(schema) for name, schema in current_schemas().items()}
    return schemas | {
        documents / "asyncapi.yaml": asyncapi_yaml(),
        documents / "reference.md": event_reference(),
        documents / "partner-requests.md": partner_reference(),
    }


def stale_files(documents: Path) -> list[Path]:
    """Generated files that are missing or differ from what the contracts say now."""
    return [
        path
        for path, text in expected_files(documents).items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]


def incompatibilities(golden: Mapping[str, Schema], current: Mapping[str, Schema]) -> list[str]:
    """One line for each change from `golden` to `current` that breaks a reader. Both by schema file name."""
    found = [f"{name}: the contract is gone, topics may still hold its events" for name in golden.keys() - current]
    for name in sorted(golden.keys() & current.keys()):
        old_readers = not name.startswith("partner/")
        found += [f"{name}: {each}" for each in violations(golden[name], current[name], old_readers=old_readers)]
    return sorted(found)


def published_incompatibilities() -> list[str]:
    """One line for each change of the models that breaks a reader of the published schemas."""
    return incompatibilities(golden_schemas(), current_schemas())


def write(documents: Path) -> list[Path]:
    """Writes every stale file and returns their paths. Call only when nothing is incompatible."""
    stale = stale_files(documents)
    expected = expected_files(documents)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(expected[path], "utf-8")
    return stale
