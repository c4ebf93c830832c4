"""Writes configuration.md from the settings models: `python docs/operations/generate_configuration.py`.

The page is committed; a test compares it with what this writes.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mentorstream_local.services import SERVICES
from mentorstream_runtime.settings import ProcessSettings, RuntimeSettings

PAGE = Path(__file__).with_name("configuration.md")
_HEAD = """# Configuration

Written by `python docs/operations/generate_configuration.py` from the settings models; do not edit.

A service reads its settings from environment variables and nowhere else. `python -m <service> --print-settings` shows
what is in force, secrets masked. Lists are JSON. With Compose the variables of [.env.example](../../.env.example) are
passed on under these names; any other goes into `docker-compose.override.yml`, under `environment` of its service.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, "## Every service\n", _table(ProcessSettings, {})]
    parts += [
        "## Every service with a database (all but pulse)\n",
        _table(RuntimeSettings, ProcessSettings.model_fields),
    ]
    for service in SERVICES:
        module = importlib.import_module(f"{service}.settings")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, ProcessSettings) and value.__module__ == module.__name__:
                base = next(parent for parent in value.__mro__[1:] if issubclass(parent, ProcessSettings))
                parts += [f"## {service}\n", _table(value, base.model_fields)]
    return "\n".join(parts)


def _table(model: type[ProcessSettings], inherited: dict[str, FieldInfo]) -> str:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        before = inherited.get(name)
        if before is None or before.default != field.default:
            rows.append(f"| `MENTORSTREAM_{name.upper()}` | {_default(field)} | {_meaning(field)} |")
    return "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    if field.default_factory is list:
        return "`[]`"
    value: Any = field.default
    if value is PydanticUndefined:
        return "host name and process id" if field.default_factory else "required"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == "":
        return "none"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _meaning(field: FieldInfo) -> str:
    limits = [
        f"{sign} {getattr(rule, attribute):g}"
        for rule in field.metadata
        for attribute, sign in (("gt", "above"), ("ge", "at least"), ("le", "at most"))
        if getattr(rule, attribute, None) is not None
    ]
    text = field.description or ""
    return f"{text} ({', '.join(limits)})".strip() if limits else text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
