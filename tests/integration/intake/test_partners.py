"""Operators add, re-key and shut out organisations; what a credential opens from then on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from intake.adapters.postgres_partners import PostgresPartners
from intake.handlers.partners import (
    PartnerError,
    add_partner,
    list_partners,
    revoke_credentials,
    rotate_credentials,
)

from .conftest import Intake


async def _status(intake: Intake, key: str) -> int:
    answer = await intake.http.get("/v1/programs", headers={"authorization": f"Bearer {key}"})
    return answer.status_code


async def test_keys_are_rotated_with_and_without_an_end_and_revoked(intake: Intake) -> None:
    store = PostgresPartners(intake.process.runtime.pool)
    first = await add_partner(store, intake.sealer, uuid7(), "acme", "Acme", "key")
    (key,) = first.credentials
    assert await _status(intake, key.secret) == 200

    (second,) = (await rotate_credentials(store, intake.sealer, "acme", "key", None)).credentials
    assert [await _status(intake, each.secret) for each in (key, second)] == [200, 200]

    (third,) = (await rotate_credentials(store, intake.sealer, "acme", "key", timedelta(hours=1))).credentials
    assert [await _status(intake, each.secret) for each in (key, second, third)] == [200, 200, 200]

    (fourth,) = (await rotate_credentials(store, intake.sealer, "acme", "key", timedelta(0))).credentials
    assert [await _status(intake, each.secret) for each in (key, second, third, fourth)] == [401, 401, 401, 200]

    (signing,) = (await rotate_credentials(store, intake.sealer, "acme", "signing", timedelta(0))).credentials
    assert await _status(intake, fourth.secret) == 200  # another kind

    assert await revoke_credentials(store, "acme", fourth.lookup) == [fourth.lookup]
    assert await _status(intake, fourth.secret) == 401
    with pytest.raises(PartnerError, match="no working credential"):
        await revoke_credentials(store, "acme", fourth.lookup)
    assert signing.lookup in await revoke_credentials(store, "acme", None)


async def test_the_list_has_no_secrets(intake: Intake) -> None:
    store = PostgresPartners(intake.process.runtime.pool)
    made = await add_partner(store, intake.sealer, uuid7(), "acme", "Acme Works", "both")
    await add_partner(store, intake.sealer, uuid7(), "other", "Other", "key")

    listed = await list_partners(store)

    assert [(each.name, each.title, len(each.credentials)) for each in listed] == [
        ("acme", "Acme Works", 2),
        ("other", "Other", 1),
    ]
    assert {each.lookup for each in listed[0].credentials} == {each.lookup for each in made.credentials}
    assert not any(each.secret in repr(listed) for each in made.credentials)


async def test_names_are_checked(intake: Intake) -> None:
    store = PostgresPartners(intake.process.runtime.pool)
    await add_partner(store, intake.sealer, uuid7(), "acme", "Acme", "key")
    for name, part in (("acme", "already"), ("Acme", "no short name"), ("a/b", "no short name"), ("", "no short name")):
        with pytest.raises(PartnerError, match=part):
            await add_partner(store, intake.sealer, uuid7(), name, "X", "key")
    with pytest.raises(PartnerError, match="no organisation"):
        await rotate_credentials(store, intake.sealer, "nobody", "key", None)
