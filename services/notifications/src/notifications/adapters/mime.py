"""The body of a mail as bytes: parts with their headers, put together with boundaries (RFC 2046).

Written here because Python's email package folds and encodes each header of each part anew, which is two thirds of the
work of a mail; ours are constants. It takes texts that are safe to write and checks nothing.
"""

from __future__ import annotations

import binascii
import secrets
from collections.abc import Sequence
from typing import Final

# RFC 5322 allows 998 characters on a line.
_LINE_LIMIT: Final = 900


def text_part(content_type: str, text: str, *, parameters: str = "", disposition: str = "") -> bytes:
    """A part that passes every server: plain ASCII as it is, quoted-printable where that or a long line needs it.

    `parameters` go behind the charset, each as `; name="value"`. Lines may end with LF or CRLF.
    """
    text = text.replace("\r\n", "\n")
    plain = text.isascii() and max(map(len, text.split("\n"))) <= _LINE_LIMIT
    body = text.replace("\n", "\r\n").encode()
    charset, encoding = ("us-ascii", "7bit") if plain else ("utf-8", "quoted-printable")
    head = [
        f'Content-Type: {content_type}; charset="{charset}"{parameters}',
        f"Content-Transfer-Encoding: {encoding}",
        *([f"Content-Disposition: {disposition}"] if disposition else []),
    ]
    return "\r\n".join([*head, "", ""]).encode() + (body if plain else _quoted_printable(body))


def multipart(subtype: str, parts: Sequence[bytes]) -> bytes:
    """Several parts as one. The boundary is what no text contains, for it cannot be guessed; so none is searched."""
    boundary = f"=_{secrets.token_hex(16)}"
    head = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n\r\n'.encode()
    between = f"--{boundary}\r\n".encode()
    return b"".join([head, *(between + part + b"\r\n" for part in parts), f"--{boundary}--\r\n".encode()])


def _quoted_printable(body: bytes) -> bytes:
    # Soft line breaks come out as the first line of the body ends: CRLF, or LF where there is none.
    encoded = binascii.b2a_qp(body, istext=True)
    return encoded if b"\r\n" in body else encoded.replace(b"=\n", b"=\r\n")
