"""Keys and signing secrets: how they are made, what is kept of them, how they are checked.

An API key is 256 random bits. Nobody can guess it, so its SHA-256 is kept and not a slow hash: those protect secrets
that people choose, and would cost every request a tenth of a second. A signing secret is needed in clear to check a
signature, so it is kept encrypted. Both carry a random lookup part, which is no secret and finds the row.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

Kind = Literal["key", "signing"]

_KEY_PREFIX: Final = "msk"
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

    def seal(self, secret: bytes) -> bytes:
        """The secret, encrypted."""
        return self._fernet.encrypt(secret)

    def unseal(self, sealed: bytes) -> bytes:
        """The secret in clear. Raises ValueError when none of the keys fits."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise ValueError("a signing secret was sealed with a key that is not configured any more") from None


def new_key() -> NewCredential:
    """An API key: `msk_<lookup>_<secret>`."""
    lookup = secrets.token_hex(_LOOKUP_BYTES)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    return NewCredential(
        lookup=lookup, kind="key", secret=f"{_KEY_PREFIX}_{lookup}_{secret}", secret_hash=_hash(secret)
    )


def new_signing_secret(sealer: Sealer) -> NewCredential:
    """A Standard Webhooks secret, `whsec_…`, and the id `msid_…` to send with each signature."""
    secret = secrets.token_bytes(_SECRET_BYTES)
    return NewCredential(
        lookup=f"{_SIGNING_PREFIX}_{secrets.token_hex(_LOOKUP_BYTES)}",
        kind="signing",
        secret=_SECRET_PREFIX + base64.b64encode(secret).decode(),
        sealed_secret=sealer.seal(secret),
    )


def split_key(key: str) -> tuple[str, str] | None:
    """Lookup part and secret of an API key; None for what is none."""
    prefix, _, rest = key.partition("_")
    lookup, _, secret = rest.partition("_")
    return (lookup, secret) if prefix == _KEY_PREFIX and lookup and secret and key.isascii() else None


def is_key(secret: str, secret_hash: bytes) -> bool:
    """Whether this is the secret that was hashed; takes the same time for every wrong one."""
    return hmac.compare_digest(_hash(secret), secret_hash)


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
