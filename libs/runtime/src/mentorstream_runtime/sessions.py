"""Who is logged in on a page, and which forms are theirs: signed, and kept nowhere on the server.

The cookie names the key that was typed in, never its secret, and ends by itself; whoever reads a session looks the key
up anew, so that a revoked one ends its sessions. A form carries a token that is signed over the session's random
number, so that no other site can send it, the login's own form included. Times are real ones.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from fastapi.responses import Response
from itsdangerous import BadData, Signer, URLSafeSerializer
from pydantic import SecretStr

_NONCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Session:
    """`lookup`: the key's lookup part; empty for who is not logged in. `nonce`: random, one for each session."""

    lookup: str
    nonce: str


class Sessions:
    """Keeps, reads and ends sessions. `keys` sign, newest last; all of them verify."""

    def __init__(
        self, keys: Sequence[SecretStr], *, cookie: str, path: str, secure: bool, lasting_seconds: int
    ) -> None:
        self._keys = [key.get_secret_value() for key in keys] or [secrets.token_urlsafe(32)]
        self._cookie = cookie
        self._path = path
        self._secure = secure
        self._lasting_seconds = lasting_seconds
        self._cookies = URLSafeSerializer(self._keys, salt=f"mentorstream.session.{cookie}")
        self._forms = Signer(self._keys, salt=f"mentorstream.form.{cookie}")

    def read(self, request: Request) -> Session | None:
        """The request's session; None for none, a forged one, or one that is over."""
        try:
            lookup, nonce, expires = self._cookies.loads(request.cookies.get(self._cookie, ""))
            if time.time() >= float(expires):
                return None
            return Session(str(lookup), str(nonce))
        except (BadData, ValueError, TypeError):
            return None

    def keep(self, response: Response, session: Session) -> None:
        """Put the session into the answer's cookie."""
        value = self._cookies.dumps([session.lookup, session.nonce, int(time.time()) + self._lasting_seconds])
        response.set_cookie(
            self._cookie,
            str(value),
            max_age=self._lasting_seconds,
            path=self._path,
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def end(self, response: Response) -> None:
        """Have the browser forget its session."""
        response.delete_cookie(self._cookie, path=self._path, secure=self._secure, httponly=True, samesite="strict")

    def token(self, session: Session) -> str:
        """What this session's forms carry."""
        return self._forms.get_signature(session.nonce).decode()

    def is_token(self, session: Session, token: str) -> bool:
        """Whether a form was made for this session; older signing keys verify, too."""
        return token.isascii() and self._forms.verify_signature(session.nonce, token)


def new_session(lookup: str = "") -> Session:
    """Another one than any before."""
    return Session(lookup, secrets.token_urlsafe(_NONCE_BYTES))
