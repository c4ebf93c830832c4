"""Sessions of a page: signed, over by themselves, and their forms' tokens."""

from __future__ import annotations

import pytest
from fastapi import Request
from fastapi.responses import Response
from pydantic import SecretStr

from mentorstream_runtime.sessions import Session, Sessions, new_session

OLD, NEW = SecretStr("an older secret of some length"), SecretStr("a newer secret of some length")


def sessions(*keys: SecretStr, secure: bool = True, lasting_seconds: int = 60) -> Sessions:
    return Sessions(keys, cookie="who", path="/desk", secure=secure, lasting_seconds=lasting_seconds)


def sent_back(kept: str) -> Request:
    """A request with the cookie that an answer has set."""
    return Request({"type": "http", "headers": [(b"cookie", kept.partition(";")[0].encode())]})


def kept(made: Sessions, session: Session) -> str:
    response = Response()
    made.keep(response, session)
    return response.headers["set-cookie"]


def test_a_session_comes_back_under_newer_keys() -> None:
    session = new_session("lookup")
    cookie = kept(sessions(OLD), session)
    assert sessions(OLD, NEW).read(sent_back(cookie)) == session
    assert sessions(NEW).read(sent_back(cookie)) is None


def test_the_cookie_is_for_this_site_and_no_script() -> None:
    cookie = kept(sessions(NEW), new_session())
    for attribute in ("HttpOnly", "SameSite=strict", "Secure", "Path=/desk", "Max-Age=60"):
        assert attribute in cookie
    assert "Secure" not in kept(sessions(NEW, secure=False), new_session())


def test_a_session_is_over_by_itself() -> None:
    session = new_session("lookup")
    assert sessions(NEW).read(sent_back(kept(sessions(NEW, lasting_seconds=-1), session))) is None


@pytest.mark.parametrize("value", ["who=", "who=x", "who=x.y", "other=1"])
def test_what_we_did_not_sign_is_no_session(value: str) -> None:
    assert sessions(NEW).read(sent_back(value)) is None


def test_a_form_is_of_one_session() -> None:
    made, mine, other = sessions(OLD), new_session("a"), new_session("a")
    token = made.token(mine)
    assert made.is_token(mine, token)
    assert sessions(OLD, NEW).is_token(mine, token)
    assert not made.is_token(other, token)
    for wrong in ("", "x", token[:-1], "é"):
        assert not made.is_token(mine, wrong)
