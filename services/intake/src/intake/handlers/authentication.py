"""Who sends a request: an API key, or a Standard Webhooks signature over the body.

A signature covers nothing but the body, so it is taken only where the body says all: a request without one could be
moved to another address. Source: Standard Webhooks specification, sections "Signature scheme" and "Verifying".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from mentorstream_runtime.keys import Unauthenticated, bearer_key, is_key

from ..domain.book import Organisation
from .credentials import KEY_PREFIX, Kind, Sealer


@dataclass(frozen=True, slots=True)
class FoundCredential:
    """A stored credential. `usable`: neither revoked nor past its end."""

    organisation: Organisation
    kind: Kind
    secret_hash: bytes | None
    sealed_secret: bytes | None
    usable: bool


class Credentials(Protocol):
    """Finds credentials by the part that is no secret."""

    async def credential(self, lookup: str) -> FoundCredential | None:
        """None when there is none."""
        ...


class Authenticator:
    """Says which organisation sent a request."""

    def __init__(self, credentials: Credentials, sealer: Sealer) -> None:
        self._credentials = credentials
        self._sealer = sealer

    async def by_key(self, headers: Mapping[str, str]) -> Organisation:
        """For requests without a body: an API key only. Raises Unauthenticated."""
        authorization = headers.get("authorization")
        if authorization is None and "webhook-signature" in headers:
            raise Unauthenticated("a signature covers only a body; here an API key is needed")
        lookup, secret = bearer_key(KEY_PREFIX, authorization)
        found = await self._credentials.credential(lookup)
        if found is None or found.secret_hash is None or not is_key(secret, found.secret_hash) or not found.usable:
            raise Unauthenticated("this API key is unknown, revoked or past its end")
        return found.organisation

    async def by_signature(self, headers: Mapping[str, str], body: bytes) -> Organisation:
        """A signature over this body. Raises Unauthenticated.

        The body is the unpacked one, because Standard Webhooks signs text and a proxy may pack it otherwise.
        """
        lookup = headers.get("mentorstream-key", "")
        if not lookup:
            raise Unauthenticated("a signature needs the header mentorstream-key with the id of the secret, msid_…")
        found = await self._credentials.credential(lookup) if lookup.isprintable() else None
        if found is None or found.sealed_secret is None or not found.usable:
            raise Unauthenticated("this mentorstream-key is unknown, revoked or past its end")
        secret = self._sealer.unseal(found.sealed_secret)
        try:
            # Its tolerance of five minutes is by the real clock, whatever business time says.
            Webhook(secret).verify(body, dict(headers), json_parse=False)
        except WebhookVerificationError as error:
            raise Unauthenticated(f"the signature does not hold: {str(error).lower()}") from None
        except ValueError:  # of bytes that are no text, or a header that is no list of version,signature
            raise Unauthenticated("the signature does not hold: expected webhook-signature: v1,<base64>") from None
        return found.organisation
