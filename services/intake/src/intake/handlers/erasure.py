"""Erasing a person on their organisation's word: one transaction, after which nothing of them is left but an id."""

from __future__ import annotations

from mentorstream_runtime.clock import Clock
from mentorstream_runtime.outbox import Cause

from ..domain.book import Organisation
from ..domain.refusals import refuse
from .decisions import erase
from .ports import Needs, Store


class Eraser:
    """Erases people."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def erase(self, organisation: Organisation, reference: str, traceparent: str | None) -> str:
        """The id of the person who was erased. Raises Refused("unknown") when nobody is known by this reference."""
        now = await self._clock.now()
        async with self._store.transaction([organisation], wait=True) as transaction:
            # What is below them is needed: their reports get another manager.
            one = frozenset({reference})
            needs = {organisation.organisation_id: Needs(references=one, line_references=one)}
            (book,) = (await transaction.open_books(needs)).values()
            person = book.person(reference)
            if person is None:
                raise refuse(
                    "unknown",
                    "Nobody is known by this reference",
                    "",
                    f"there is no {reference!r}, or they were erased before; in both cases nothing is kept of them",
                )
            # An id is erased once, so it is cause enough.
            cause = Cause(id=f"erased/{person.person_id}", traceparent=traceparent)
            events = erase(book, person, cause, now)
            await transaction.store([book], [], now)
            await transaction.erase(person, now)
            await transaction.publish(events)
        self._store.wake()
        return str(person.person_id)
