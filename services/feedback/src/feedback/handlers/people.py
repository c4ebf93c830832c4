"""A person was erased: what they wrote goes, the rating that names nobody stays.

The other event of the topic, what people are called, is of no interest here: pages show no names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from mentorstream_events import Event
from mentorstream_events.people import PersonErased
from mentorstream_runtime.outbox import Outgoing


class PeopleState(Protocol):
    """Where what is decided about people goes."""

    def forget(self, person_id: UUID) -> None:
        """Delete the person's texts, and take no more of them."""
        ...


def on_person_erased(event: Event[PersonErased], state: PeopleState) -> Sequence[Outgoing]:
    """Forget the person. Nothing is published: nothing that left this service has text in it."""
    state.forget(event.data.person_id)
    return ()
