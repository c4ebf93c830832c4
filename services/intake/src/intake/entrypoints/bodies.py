"""Bodies of requests: unpacked within bounds, and told apart by their media type.

Refuses what would unpack to more than the limit, or to a hundred times of what was sent, before it is unpacked whole.
"""

from __future__ import annotations

import zlib
from typing import Final, Literal

from fastapi import Request

from mentorstream_runtime.http import Problem

Mode = Literal["structured", "binary", "batch"]
RATIO_LIMIT: Final = 100
_RATIO_COUNTS_ABOVE_BYTES: Final = 256 * 1024
_GZIP_WINDOW: Final = 31
_MODES: Final[dict[str, Mode]] = {
    "application/cloudevents+json": "structured",
    "application/cloudevents-batch+json": "batch",
    "application/json": "binary",
}
_TABLES: Final[dict[str, Literal["csv", "ndjson"]]] = {
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
}


async def unpacked_body(request: Request, limit_bytes: int) -> bytes:
    """The body without its content encoding. Raises Problem 400, 413 or 415."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise Problem(
            415,
            "This content encoding is not supported",
            f"{encoding[:50]!r} is not supported; send gzip, or no encoding",
            headers={"Accept-Encoding": "gzip"},
        )
    body = await request.body()
    if encoding != "identity":
        return unzipped(body, limit_bytes)
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return body


def unzipped(body: bytes, limit_bytes: int) -> bytes:
    """The content of one gzip member. Raises Problem 400 or 413."""
    reader = zlib.decompressobj(_GZIP_WINDOW)
    try:
        content = reader.decompress(body, limit_bytes + 1)
    except zlib.error as error:
        raise Problem(400, "The body cannot be unpacked", f"This is no gzip: {error}") from None
    if len(content) > limit_bytes:
        raise _too_large(limit_bytes)
    if len(content) > _RATIO_COUNTS_ABOVE_BYTES and len(content) > RATIO_LIMIT * len(body):
        raise Problem(413, "The body is too large", f"It unpacks to more than {RATIO_LIMIT} times of what was sent.")
    if not reader.eof or reader.unused_data:
        raise Problem(400, "The body cannot be unpacked", "Expected one whole gzip member and nothing after it.")
    return content


def mode_of(request: Request) -> Mode:
    """How the body carries CloudEvents. Raises Problem 415."""
    mode = _MODES.get(_media_type(request))
    if mode is None or (mode == "binary" and not any(name.startswith("ce-") for name in request.headers)):
        raise Problem(
            415,
            "This media type is not supported",
            "Expected application/cloudevents+json (one event), application/cloudevents-batch+json (a list of events),"
            " or application/json with the event's attributes in ce- headers.",
            headers={"Accept-Post": ", ".join(_MODES)},
        )
    return mode


def table_of(request: Request) -> Literal["csv", "ndjson"]:
    """How the body carries rows. Raises Problem 415."""
    table = _TABLES.get(_media_type(request))
    if table is None:
        raise Problem(
            415,
            "This media type is not supported",
            "Expected text/csv or application/x-ndjson.",
            headers={"Accept-Post": "text/csv, application/x-ndjson"},
        )
    return table


def _media_type(request: Request) -> str:
    """In lower case without parameters; empty where a charset other than UTF-8 is named."""
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8", "us-ascii"):
            return ""
    return media_type.strip().lower()


def _too_large(limit_bytes: int) -> Problem:
    return Problem(413, "The body is too large", f"The limit is {limit_bytes} bytes, unpacked.")
