"""The people behind the addresses: they read their mail, open links and answer, and try again while a page is away.

What somebody does follows from their address and from what the mail says, so equal seeds answer equally. Nobody moves
meetings more than a few times: two who are free for little time would move theirs back and forth for ever.
"""

from __future__ import annotations

import asyncio
import email
import re
import time
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from pathlib import Path

_LINK: Final = re.compile(r"https?://\S+/(proposals|feedback|meetings)/[\w.~-]+")
_ANY_LINK: Final = re.compile(r"https?://\S+")
_OFFERED: Final = re.compile(r'name="start"[^>]*value="([^"]+)"')
_AT_ONCE: Final = 8
_MOST_MOVES: Final = 3
_PATIENCE_SECONDS: Final = 60.0


class Correspondents:
    """Everybody who gets mail. `seen` remembers mails by file name, with their Message-ID, across tests of a system."""

    def __init__(self, mailbox: Path, seen: dict[str, str]) -> None:
        self._mailbox = mailbox
        self._seen = seen
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20))
        self.done: Counter[str] = Counter()
        self._moves: Counter[str] = Counter()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def answer(self) -> int:
        """Read what came since the last time and act on it. Returns how many acts there were."""
        acts = [act for act in map(self._act, self._new_mails()) if act is not None]
        for start in range(0, len(acts), _AT_ONCE):
            await asyncio.gather(*(self._do(*act) for act in acts[start : start + _AT_ONCE]))
        return len(acts)

    def arrivals(self) -> Counter[str]:
        """How often each Message-ID arrived."""
        for _ in self._new_mails():
            pass
        return Counter(self._seen.values())

    def _new_mails(self) -> list[tuple[str, str, str, str]]:
        """To, what it says without its links, kind and link of mails that ask for something; each Message-ID once."""
        known = set(self._seen.values())
        found = []
        for path in sorted(self._mailbox.glob("*.eml")):
            if path.name in self._seen:
                continue
            message = email.message_from_bytes(path.read_bytes())
            message_id = str(message["Message-ID"]).strip()
            self._seen[path.name] = message_id
            if message_id in known:
                continue  # sent again after a crash: mail programs show it once
            known.add(message_id)
            text = next(
                (
                    part.get_payload(decode=True).decode("utf-8", "replace")  # type: ignore[union-attr]
                    for part in message.walk()
                    if part.get_content_type() == "text/plain"
                ),
                "",
            )
            link = _LINK.search(text)
            if link is not None:
                found.append((str(message["X-Envelope-To"]), _ANY_LINK.sub("", text), link[1], link[0]))
        return found

    def _act(self, mail: tuple[str, str, str, str]) -> tuple[str, str, dict[str, str]] | None:
        to, said, kind, link = mail
        chance = zlib.crc32(f"{to}|{said}|{kind}".encode()) % 1000 / 10
        if kind == "proposals":
            return None if chance < 8 else (link, "", {"answer": "decline" if chance < 20 else "accept"})
        if kind == "meetings":
            if chance < 3:
                return link, "/cancel", {}
            if chance >= 9 or self._moves[to] == _MOST_MOVES:
                return None
            self._moves[to] += 1
            return link, "/reschedule", {}
        if chance < 25:
            return None
        form = {"took_place": "yes", "rating": str(1 + int(chance) % 5)}
        if chance < 28:
            form |= {"rating": "1", "wants_rematch": "yes", "to_change": "We do not get on."}
        return link, "", form

    async def _do(self, link: str, path: str, form: dict[str, str]) -> None:
        if path == "/reschedule":
            page = await self._patiently("GET", link, {})
            offered = _OFFERED.search(page[1])
            if offered is None:
                self.done["found no other time"] += 1
                return
            form = {"start": offered[1]}
        status, text = await self._patiently("POST", link + path, form)
        outcome = {200: "done", 409: "came too late", 410: "came too late", 404: "was removed"}.get(status)
        if outcome is None:
            raise AssertionError(f"a link of a mail answered {status}: {text[:500]}")
        self.done[f"{path.strip('/') or next(iter(form))} {outcome}"] += 1

    async def _patiently(self, method: str, url: str, form: dict[str, str]) -> tuple[int, str]:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                async with self._http.request(method, url, data=form or None) as answer:
                    if answer.status != 503 or time.monotonic() > deadline:
                        return answer.status, await answer.text()
            except (aiohttp.ClientError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)
