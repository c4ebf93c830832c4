"""Signed links: how people without a password act on one thing, for a limited time.

A link says what it is for, on which thing, by whom, in which organisation, and until when (business time). It is
signed, not encrypted: it holds ids only. Keys rotate: the last one signs, every one verifies.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer
from pydantic import SecretStr

Purpose = Literal["proposal", "choice", "meeting", "feedback", "unsubscribe"]


class BadLink(ValueError):
    """A link that cannot be honoured. `reason` tells whether it was ever good."""

    def __init__(self, reason: Literal["forged", "expired"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """What a good link says."""

    organisation_id: UUID
    subject_id: UUID
    person_id: UUID
    expires_at: datetime


class Links:
    """Signs and reads links with the given keys, newest last."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        # Without keys (a process that neither makes nor takes links) every token is refused.
        self._keys = [key.get_secret_value() for key in keys] or [secrets.token_urlsafe(32)]

    def sign(
        self, purpose: Purpose, *, organisation_id: UUID, subject_id: UUID, person_id: UUID, expires_at: datetime
    ) -> str:
        """A token for one purpose; URL-safe, about 150 characters."""
        claims = [organisation_id.hex, subject_id.hex, person_id.hex, int(expires_at.timestamp())]
        token = self._serializer(purpose).dumps(claims)
        return str(token)

    def read(self, purpose: Purpose, token: str, *, now: datetime) -> LinkClaims:
        """What the token says. Raises BadLink for one that we did not sign for this purpose, or that is over."""
        try:
            organisation_id, subject_id, person_id, expires = self._serializer(purpose).loads(token)
            claims = LinkClaims(
                UUID(organisation_id), UUID(subject_id), UUID(person_id), datetime.fromtimestamp(expires, UTC)
            )
        except (BadData, ValueError, TypeError):
            raise BadLink("forged") from None
        if now >= claims.expires_at:
            raise BadLink("expired")
        return claims

    def _serializer(self, purpose: Purpose) -> URLSafeSerializer:
        return URLSafeSerializer(self._keys, salt=f"mentorstream.{purpose}")
