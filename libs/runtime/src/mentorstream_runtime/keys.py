"""Bearer keys: how they are made, what is kept of them, how they are checked, and how often somebody may guess.

A key is `<prefix>_<lookup>_<secret>`. The lookup part is random, no secret, and finds the row; the secret is 256 random
bits. Nobody can guess it, so its SHA-256 is kept and not a slow hash: those protect secrets that people choose, and
would cost every request a tenth of a second. Refuses to show a key again: whoever made it has it or makes another.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

_SECRET_BYTES: Final = 32
_LOOKUP_BYTES: Final = 8


class Unauthenticated(Exception):
    """Nobody we know. The message says what was expected and is safe to show."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made. `key` is shown once and not kept; `lookup` and `secret_hash` are."""

    lookup: str
    key: str
    secret_hash: bytes


def new_key(prefix: str) -> NewKey:
    """A key of this kind."""
    lookup = secrets.token_hex(_LOOKUP_BYTES)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    return NewKey(lookup, f"{prefix}_{lookup}_{secret}", _hash(secret))


def split_key(prefix: str, key: str) -> tuple[str, str] | None:
    """Lookup part and secret of a key of this kind; None for what is none."""
    found, _, rest = key.partition("_")
    lookup, _, secret = rest.partition("_")
    return (lookup, secret) if found == prefix and lookup and secret and key.isascii() else None


def bearer_key(prefix: str, authorization: str | None) -> tuple[str, str]:
    """Lookup part and secret out of an Authorization header. Raises Unauthenticated where there is no such key."""
    if authorization is None:
        raise Unauthenticated(f"expected the header Authorization: Bearer {prefix}_…")
    scheme, _, token = authorization.partition(" ")
    parts = split_key(prefix, token.strip()) if scheme.lower() == "bearer" else None
    if parts is None:
        raise Unauthenticated(f"the header Authorization is not of the form: Bearer {prefix}_…")
    return parts


def is_key(secret: str, secret_hash: bytes) -> bool:
    """Whether this is the secret that was hashed; takes the same time for every wrong one."""
    return hmac.compare_digest(_hash(secret), secret_hash)


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


class FailedAttempts:
    """Counts failures by who made them, and says when that is enough for a while.

    A bucket for each: `most` failures at once, one more every `refill_seconds`. Keys cannot be guessed, so this is to
    slow down whoever goes on with a wrong one; it is kept in memory, by process, for at most `remembered` sources, of
    which the one that has been quiet for longest is forgotten first. Times are real ones, in seconds.
    """

    def __init__(self, most: int, refill_seconds: float, remembered: int = 10_000) -> None:
        self._most = most
        self._refill_seconds = refill_seconds
        self._remembered = remembered
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()  # how many, as of when

    def wait_seconds(self, source: str, now: float) -> float:
        """How long this source has to wait before it may try again; 0 if it may now."""
        return max(0.0, (self._count(source, now) - self._most + 1) * self._refill_seconds)

    def note(self, source: str, now: float) -> None:
        """One more failure."""
        self._failures[source] = (self._count(source, now) + 1, now)
        self._failures.move_to_end(source)
        if len(self._failures) > self._remembered:
            self._failures.popitem(last=False)

    def _count(self, source: str, now: float) -> float:
        count, at = self._failures.get(source, (0.0, now))
        return max(0.0, count - (now - at) / self._refill_seconds)
