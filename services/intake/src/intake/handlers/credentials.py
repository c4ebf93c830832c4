"""What partners send with: API keys (see `mentorstream_runtime.keys`) and signing secrets.

A signing secret is needed in clear to check a signature, so it is kept encrypted and not hashed. It carries a random
lookup part, as keys do, which is no secret and finds the row.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from mentorstream_runtime import keys

Kind = Literal["key", "signing"]

KEY_PREFIX: Final = "msk"
_SIGNING_PREFIX: Final = "msid"
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how Standard Webhooks marks a secret, not one
_SECRET_BYTES: Final = 32
_LOOKUP_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential just made. `secret` is shown once and not kept; `secret_hash` or `sealed_secret` is."""

    lookup: str
    kind: Kind
    secret: str
    secret_hash: bytes | None = None
    sealed_secret: bytes | None = None


class Sealer:
    """Encrypts signing secrets. The first key encrypts; all of them decrypt, so that keys can be replaced."""

    def __init__(self, keys: list[str]) -> None:
        if not keys:
            raise ValueError("MENTORSTREAM_ENCRYPTION_KEYS is empty: expected a JSON list of Fernet keys")
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        # A partner's many requests are checked with one secret; this process could read it at any time.
        self._unsealed = lru_cache(maxsize=1024)(self._fernet.decrypt)

    def seal(self, secret: bytes) -> bytes:
        """The secret, encrypted."""
        return self._fernet.encrypt(secret)

    def unseal(self, sealed: bytes) -> bytes:
        """The secret in clear. Raises ValueError when none of the keys fits."""
        try:
            return self._unsealed(sealed)
        except InvalidToken:
            raise ValueError("a signing secret was sealed with a key that is not configured any more") from None


def new_key() -> NewCredential:
    """An API key: `msk_<lookup>_<secret>`."""
    made = keys.new_key(KEY_PREFIX)
    return NewCredential(lookup=made.lookup, kind="key", secret=made.key, secret_hash=made.secret_hash)


def new_signing_secret(sealer: Sealer) -> NewCredential:
    """A Standard Webhooks secret, `whsec_…`, and the id `msid_…` to send with each signature."""
    secret = secrets.token_bytes(_SECRET_BYTES)
    return NewCredential(
        lookup=f"{_SIGNING_PREFIX}_{secrets.token_hex(_LOOKUP_BYTES)}",
        kind="signing",
        secret=_SECRET_PREFIX + base64.b64encode(secret).decode(),
        sealed_secret=sealer.seal(secret),
    )
