"""JSON Schemas (2020-12) of every contract and partner request. They describe the value, never the envelope.

The files in `schemas/` are golden: what was published. `compatibility` tells how they may change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ..catalog import CONTRACTS, Contract
from ..partner import REQUESTS, Request

Schema = dict[str, Any]
DIRECTORY: Final = Path(__file__).parents[1] / "schemas"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def event_schema(contract: Contract) -> Schema:
    """Schema of a contract's value. A tombstone's value is null."""
    if contract.tombstone:
        return {**_head(contract.name), "description": contract.meaning, "type": "null"}
    return {**_head(contract.name), **msgspec.json.schema(contract.model)}


def request_schema(name: str, model: type[Request]) -> Schema:
    """Schema of the data of a partner's request."""
    return {**_head(name), **msgspec.json.schema(model)}


def current_schemas() -> Mapping[str, Schema]:
    """Every schema as the models say now, by file name below `schemas/`."""
    events = {f"{contract.name}.json": event_schema(contract) for contract in CONTRACTS}
    requests = {f"partner/{name}.json": request_schema(name, model) for name, model in REQUESTS.items()}
    # Through JSON, so that they compare equal to what the files hold: tuples are lists there.
    return msgspec.json.decode(msgspec.json.encode(events | requests), type=dict[str, Schema])


def golden_schemas(directory: Path = DIRECTORY) -> Mapping[str, Schema]:
    """Every schema as published, by file name below `directory`."""
    return {
        path.relative_to(directory).as_posix(): json.loads(path.read_text("utf-8"))
        for path in sorted(directory.rglob("*.json"))
    }


def _head(name: str) -> Schema:
    return {"$schema": _DIALECT, "$id": f"urn:mentorstream:schema:{name}"}
