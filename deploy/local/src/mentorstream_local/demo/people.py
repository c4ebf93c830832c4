"""The people of the demo: they read their mail, open links and answer, each in a way that is the same at every run.

What somebody does follows from their address and what the mail says, without its links, so that nothing depends on the
order in which mails happen to arrive.
"""

from __future__ import annotations

import asyncio
import os
import re
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Final, Literal

import aiohttp

_LINK: Final = re.compile(r"https?://\S+/(proposals|choices|feedback|meetings)/[\w.~-]+")
_ANY_LINK: Final = re.compile(r"https?://\S+")
_OFFERED: Final = re.compile(r'name="start"[^>]*value="([^"]+)"')
_RANKED: Final = re.compile(r'<select id="(choice-\d+)"')
_RANKABLE: Final = re.compile(r'<option value="([^"]+)"')
_AT_ONCE: Final = 6
_HEADERS: Final = BytesHeaderParser()
Kind = Literal["proposals", "choices", "feedback", "meetings"]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail with a link that somebody may act on. `about` is what it says, without any random part."""

    to: str
    kind: Kind
    link: str
    about: str


@dataclass(frozen=True, slots=True)
class _Act:
    """What somebody does with a link. `order`: its consequences are there at once, come with time, or touch nobody.

    `taste` is how somebody chooses where there is something to choose from.
    """

    link: str
    path: str
    form: dict[str, str]
    order: Literal["at once", "with time", "any"]
    taste: int | None = None


class People:
    """Everybody who gets mail."""

    def __init__(self, mailbox: Path) -> None:
        self._mailbox = mailbox
        self._read: set[str] = set()
        self._message_ids: set[str] = set()
        self._found_nobody: list[_Act] = []
        # Everybody has a browser of their own; and a kept connection might be closed by the server as it is used again.
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(60), connector=aiohttp.TCPConnector(force_close=True)
        )
        self.done: Counter[str] = Counter()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def answer_mail(self, settle: Callable[[], Awaitable[object]]) -> int:
        """Read what came since the last time and act on it. Returns how many acts there were.

        `settle` waits until what was done has had its consequences: two acts whose consequences could meet somewhere
        are done one after the other. What was done last is not waited for.
        """
        mails = sorted(self._new_mails(), key=lambda mail: (mail.to, mail.kind, mail.about))
        acts = [act for mail in mails if (act := self._decide(mail)) is not None]
        if acts:  # others do something, so there may be somebody to choose now
            acts += self._found_nobody
            self._found_nobody = []
        unsettled = False
        for act in acts:
            if act.order == "at once":
                await self._do(act)
                unsettled = True
        for act in acts:
            if act.order == "with time":
                if unsettled:
                    await settle()
                await self._do(act)
                unsettled = True
        together = [act for act in acts if act.order == "any"]
        if together and unsettled:
            await settle()
        for start in range(0, len(together), _AT_ONCE):
            await asyncio.gather(*(self._do(act) for act in together[start : start + _AT_ONCE]))
        return len(acts)

    def _new_mails(self) -> list[Mail]:
        mails = []
        for name in sorted({entry.name for entry in os.scandir(self._mailbox)} - self._read):
            if name.endswith(".eml"):
                self._read.add(name)
                headers, body = read_headers((self._mailbox / name).read_bytes())
                if headers["Message-ID"] in self._message_ids:
                    continue  # sent again after a crash: the same mail, as mail programs see it
                self._message_ids.add(headers["Message-ID"])
                mail = _actionable(headers, body)
                if mail is not None:
                    mails.append(mail)
        return mails

    def _decide(self, mail: Mail) -> _Act | None:
        chance = zlib.crc32(f"{mail.to}|{mail.kind}|{mail.about}".encode()) % 1000 / 10
        if mail.kind == "proposals":
            return _answer_proposal(mail.link, chance)
        if mail.kind == "choices":
            return _choose_mentors(mail.link, chance)
        if mail.kind == "feedback":
            return _answer_feedback(mail.link, chance)
        return _change_meeting(mail.link, chance)

    async def _do(self, act: _Act) -> None:
        form = act.form
        if act.taste is not None:
            async with self._http.get(act.link) as page:
                form = _ranking(await page.text(), act.taste)
            if not form:
                self._found_nobody.append(act)
                return
        if act.path == "/reschedule":
            async with self._http.get(act.link) as page:
                offered = _OFFERED.search(await page.text())
            if offered is None:
                self.done["found no other time"] += 1
                return
            form = {"start": offered[1]}
        async with self._http.post(act.link + act.path, data=form) as answer:
            outcome = {200: "done", 409: "came too late", 410: "came too late"}.get(answer.status)
            if outcome is None:
                raise RuntimeError(f"a link of a mail answered {answer.status}: {(await answer.text())[:500]}")
        name = "choose" if act.taste is not None else act.path.strip("/") or next(iter(form))
        self.done[f"{name} {outcome}"] += 1


def _answer_proposal(link: str, chance: float) -> _Act | None:
    if chance < 8:
        return None  # never looks: the proposal expires
    return _Act(link, "", {"answer": "decline" if chance < 20 else "accept"}, "with time")


def _choose_mentors(link: str, chance: float) -> _Act | None:
    if chance < 4:
        return None  # never looks
    return _Act(link, "", {}, "with time", taste=int(chance))


def _ranking(page: str, taste: int) -> dict[str, str]:
    """As many as may be ranked, or for one in three just one, beginning anywhere; nothing where nobody is shown."""
    fields = _RANKED.findall(page)
    shown = list(dict.fromkeys(_RANKABLE.findall(page)))
    if not fields or not shown:
        return {}
    start = taste % len(shown)
    liked = [*shown[start:], *shown[:start]]
    return dict(zip(fields[:1] if taste % 3 == 0 else fields, liked, strict=False))


def _answer_feedback(link: str, chance: float) -> _Act | None:
    if chance < 20:
        return None
    form = {"took_place": "no" if chance > 98 else "yes", "rating": str(_rating(chance))}
    if chance < 50:
        form["went_well"] = "We agreed on the next step."
    rematch = 20 <= chance < 22
    if rematch:
        form |= {"rating": "1", "wants_rematch": "yes", "to_change": "We do not get on."}
    return _Act(link, "", form, "with time" if rematch else "any")


def _rating(chance: float) -> int:
    if chance < 25:
        return 2
    return 3 if chance < 35 else 4 if chance < 65 else 5


def _change_meeting(link: str, chance: float) -> _Act | None:
    if chance < 1.5:
        return _Act(link, "/cancel", {}, "at once")
    if chance < 4:
        return _Act(link, "/reschedule", {}, "at once")
    return None


def read_headers(part: bytes) -> tuple[Message, bytes]:
    """The headers of a mail, or of a part of one, and its body as it is.

    Parts are not looked for: for each mail's boundary Python would compile an expression of its own, and that is most
    of the work of reading eight thousand mails.
    """
    head, _, body = part.partition(b"\r\n\r\n")
    return _HEADERS.parsebytes(head + b"\r\n\r\n"), body


def _actionable(headers: Message, body: bytes) -> Mail | None:
    text = _text(headers, body)
    found = _LINK.search(text)
    if found is None:
        return None
    kind: Kind = found[1]  # type: ignore[assignment] # the expression has no other alternatives
    # Tokens differ at each run; everything else in a mail is the same.
    return Mail(str(headers["X-Envelope-To"]), kind, found[0], f"{headers['Subject']}\n{_ANY_LINK.sub('', text)}")


def _text(headers: Message, body: bytes) -> str:
    """The plain text, which is the first part of the first part and so on; empty where there is none."""
    while (boundary := headers.get_boundary()) is not None:
        mark = f"--{boundary}".encode()
        first = body.partition(mark + b"\r\n")[2].partition(b"\r\n" + mark)[0]
        headers, body = read_headers(first)
    if headers.get_content_type() != "text/plain":
        return ""
    headers.set_payload(body.decode("ascii", "replace"))
    payload = headers.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
