"""Keys and signing secrets."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from standardwebhooks.webhooks import Webhook

from intake.handlers.credentials import Sealer, new_key, new_signing_secret


def test_a_key_of_a_partner_says_what_it_is() -> None:
    made = new_key()
    assert made.secret.startswith(f"msk_{made.lookup}_")
    assert (made.kind, made.sealed_secret) == ("key", None)


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
