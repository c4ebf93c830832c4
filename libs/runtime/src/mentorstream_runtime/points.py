"""Named points of the delivery path, so that tests can end, freeze or fail a process exactly there.

The product only ever passes them. No setting, variable or argument gives a point a meaning: that takes code which calls
`arm`, and such code is in the tests alone, outside every package and image. Points are passed once for each batch or
mail, never for each record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Point = Literal[
    "before_commit",  # a batch was decided and written, and its transaction is open
    "after_commit",  # it is committed; memory, metrics and wake-ups do not know yet
    "before_kafka_commit",  # the hint to Kafka of how far the group is
    "before_acknowledgement",  # the relay gave a partition's records to its producer
    "after_acknowledgement",  # the broker has them; they are still in the outbox
    "after_smtp_data",  # the mail server said yes; the mail is not marked as sent
]

_action: Callable[[Point], None] | None = None


def reach(point: Point) -> None:
    """Pass a point: nothing happens, unless a test armed it. Raises whatever that raises."""
    if _action is not None:
        _action(point)


def arm(action: Callable[[Point], None]) -> None:
    """Call `action` at every point from now on, on the event loop's thread."""
    global _action
    _action = action
