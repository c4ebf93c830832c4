"""Signed links: honoured for their purpose and time only, whichever of the keys signed them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import SecretStr

from mentorstream_runtime.links import BadLink, LinkClaims, Links

NOW = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)
CLAIMS = LinkClaims(UUID(int=1), UUID(int=2), UUID(int=3), NOW + timedelta(days=1))
OLD, NEW = SecretStr("the key of last year"), SecretStr("the key of this year")


def sign(links: Links) -> str:
    return links.sign(
        "proposal",
        organisation_id=CLAIMS.organisation_id,
        subject_id=CLAIMS.subject_id,
        person_id=CLAIMS.person_id,
        expires_at=CLAIMS.expires_at,
    )


def test_a_good_link_says_what_was_signed() -> None:
    links = Links([NEW])
    assert links.read("proposal", sign(links), now=NOW) == CLAIMS


def test_a_link_of_a_rotated_key_is_honoured_until_the_key_is_removed() -> None:
    token = sign(Links([OLD]))
    assert Links([OLD, NEW]).read("proposal", token, now=NOW) == CLAIMS
    with pytest.raises(BadLink, match="forged"):
        Links([NEW]).read("proposal", token, now=NOW)


def test_the_newest_key_signs() -> None:
    assert Links([NEW]).read("proposal", sign(Links([OLD, NEW])), now=NOW) == CLAIMS


def test_a_link_for_one_purpose_is_none_for_another() -> None:
    links = Links([NEW])
    with pytest.raises(BadLink, match="forged"):
        links.read("meeting", sign(links), now=NOW)


def test_a_link_ends_at_its_time() -> None:
    links = Links([NEW])
    assert links.read("proposal", sign(links), now=CLAIMS.expires_at - timedelta(seconds=1)) == CLAIMS
    with pytest.raises(BadLink, match="expired"):
        links.read("proposal", sign(links), now=CLAIMS.expires_at)


def test_every_changed_character_makes_a_forgery() -> None:
    links = Links([NEW])
    token = sign(links)
    for at in range(len(token) - 1):  # the last one has bits that carry nothing
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with pytest.raises(BadLink, match="forged"):
            links.read("proposal", changed, now=NOW)


@pytest.mark.parametrize("token", ["", ".", "a.b", "\N{SNOWMAN}", "x" * 10_000])
def test_what_is_no_token_is_a_forgery(token: str) -> None:
    with pytest.raises(BadLink, match="forged"):
        Links([NEW]).read("proposal", token, now=NOW)


def test_without_keys_no_link_is_good() -> None:
    with pytest.raises(BadLink, match="forged"):
        Links([]).read("proposal", sign(Links([])), now=NOW)
