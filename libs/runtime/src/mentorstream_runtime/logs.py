"""Logging: one JSON object a line on standard output, ours and the libraries' alike. Never a secret, never a body."""

from __future__ import annotations

import logging
import re
import sys
from typing import Final

import structlog

from .log_place import add_place

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# Their INFO repeats what our own lines and metrics say.
_QUIET: Final = ("aiokafka", "asyncio", "uvicorn", "uvicorn.access", "stamina", "httpx", "faust", "mode")
# PostgreSQL's DETAIL quotes the values, or the whole row, that a constraint refused: people's data.
_DETAIL: Final = re.compile(
    r"^DETAIL: .*?(?=^HINT: |^\n(?:During handling of|The above exception)|\Z)", re.MULTILINE | re.DOTALL
)


def without_row_values(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut out of a traceback what PostgreSQL quotes of the rows."""
    trace = event.get("exception")
    if isinstance(trace, str) and "DETAIL: " in trace:
        event["exception"] = _DETAIL.sub("DETAIL: left out\n", trace)
    return event


def configure_logging(service: str, level: str) -> None:
    """Set up structlog and the standard library's loggers for this process."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_place,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        without_row_values,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, _LEVELS[level]))
    structlog.contextvars.bind_contextvars(service=service)
