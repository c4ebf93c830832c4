"""People's events to the register of people."""

from __future__ import annotations

from mentorstream_events import Event
from mentorstream_events.people import PersonErased, PersonKnown

from ..domain.people import Person, Register


def on_person_known(event: Event[PersonKnown], register: Register) -> None:
    """Keep the newest version."""
    data = event.data
    register.learn(
        Person(
            person_id=data.person_id,
            organisation_id=data.organisation_id,
            version=data.version,
            full_name=data.full_name,
            email=data.email,
            locale=data.locale,
            zone=data.zone,
        )
    )


def on_person_erased(event: Event[PersonErased], register: Register) -> None:
    """Forget them."""
    register.erase(event.data.person_id)
