"""Coordinators of the demo: they publish the drafts of programs that are reviewed, by matching's API.

They do it at once and as drafted: what a coordinator may change is tested elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

_TIME_OUT: Final = aiohttp.ClientTimeout(60)


class Coordinators:
    """`keys`: the key of each organisation that has programs to review. `done` counts what they did."""

    def __init__(self, url: str, keys: Mapping[str, str]) -> None:
        self._url = url
        self._keys = keys
        self._reviewed: dict[str, list[str]] = {}
        self._http = aiohttp.ClientSession(timeout=_TIME_OUT)
        self.done: Counter[str] = Counter()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def review(self) -> int:
        """Publish every round that waits for it. Returns how many there were."""
        published = 0
        for organisation, key in self._keys.items():
            for program in await self._programs(organisation, key):
                for each in (await self._call("GET", key, f"programs/{program}/rounds?limit=5"))["items"]:
                    if each["status"] == "drafted":
                        await self._call("POST", key, f"programs/{program}/rounds/{each['round_id']}/publish")
                        published += 1
        self.done["round published"] += published
        return published

    async def _programs(self, organisation: str, key: str) -> list[str]:
        """Ids of the organisation's own programs that are reviewed; asked for once they are there."""
        if not self._reviewed.get(organisation):
            items = (await self._call("GET", key, "programs?limit=200"))["items"]
            self._reviewed[organisation] = [
                each["program_id"] for each in items if each["owned"] and each["matching"] == "review"
            ]
        return self._reviewed[organisation]

    async def _call(self, method: str, key: str, path: str) -> dict[str, Any]:
        """Raises RuntimeError for any answer but one that says that it was done."""
        headers = {"Authorization": f"Bearer {key}"}
        async with self._http.request(method, f"{self._url}/v1/{path}", headers=headers) as answer:
            told: dict[str, Any] = await answer.json()
            if not answer.ok:
                raise RuntimeError(f"matching answered {answer.status} to {method} {path}: {told}")
            return told
