"""Keys and signing secrets."""

from __future__ import annotations

import base64

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from intake.handlers.credentials import Sealer, is_key, new_key, new_signing_secret, split_key


def test_a_key_is_recognised_and_not_kept() -> None:
    made = new_key()
    parts = split_key(made.secret)
    assert parts is not None
    lookup, secret = parts
    assert lookup == made.lookup
    assert made.secret_hash is not None
    assert is_key(secret, made.secret_hash)
    assert not is_key(secret + "x", made.secret_hash)
    assert secret.encode() not in made.secret_hash
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32


@given(st.text(max_size=100))
def test_any_text_is_a_key_or_none(text: str) -> None:
    split_key(text)


def test_a_signing_secret_survives_a_new_encryption_key() -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    made = new_signing_secret(Sealer([old]))
    assert made.sealed_secret is not None
    secret = Sealer([new, old]).unseal(made.sealed_secret)
    assert Webhook(secret)._whsecret == Webhook(made.secret)._whsecret
    with pytest.raises(ValueError, match="not configured any more"):
        Sealer([new]).unseal(made.sealed_secret)
    with pytest.raises(ValueError, match="ENCRYPTION_KEYS"):
        Sealer([])
