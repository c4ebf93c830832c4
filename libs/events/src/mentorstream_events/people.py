"""Contracts of the topic `people`, the only one that carries personal data. Compacted, keyed by person id.

A record with a null value is an erasure: `PersonErased` is how readers see it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from .values import Email, Language, OrganisationId, PersonId, Value, Version, Zone


class PersonKnown(Value, frozen=True, kw_only=True):
    """What an organisation told of a person. A higher version replaces a lower one."""

    person_id: PersonId
    organisation_id: OrganisationId
    version: Version
    full_name: Annotated[str, Meta(min_length=1, max_length=200)]
    email: Email
    zone: Zone
    locale: Language = "en"
    reference: Annotated[
        str, Meta(max_length=200, description="What the organisation calls them; for intake, should it be restored.")
    ] = ""


class PersonErased(Value, frozen=True, kw_only=True):
    """The person is to be forgotten everywhere."""

    person_id: PersonId
