"""Sends what partner organisations send: over HTTP, with a signature or a key, trying again until there is an answer.

Keeps its own list of what was accepted, because the invariants are checked against that and not against what the
services believe.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from standardwebhooks.webhooks import Webhook

from mentorstream_local.demo.accepted import ERASE, AcceptedRequest
from mentorstream_local.demo.data import (
    BATCH_CONTENT_TYPE,
    EVENT_CONTENT_TYPE,
    Batch,
    Erasure,
    Import,
    PartnerEvent,
    RefusedRequest,
    batch_body,
)

_PATIENCE_SECONDS: Final = 90.0
_ACCEPTED: Final = 202
_UNAVAILABLE: Final = 503
_REGISTER: Final = "mentorstream.participant.register.v1"


class DemoRequestError(RuntimeError):
    """An answer that the demo did not expect."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How one organisation proves who it is. The key is for what has no body to sign."""

    key: str
    signing_id: str = ""
    signing_secret: str = ""


@dataclass(slots=True)
class Ledger:
    """What was accepted with 202: event ids and rows by organisation, whose erasure, and all of it in its order."""

    events: list[tuple[str, str, str]] = field(default_factory=list)  # organisation, event id, type
    registered: list[tuple[str, str, str]] = field(default_factory=list)  # organisation, program, person's reference
    erased: list[tuple[str, str, str]] = field(default_factory=list)  # organisation, reference, person id
    requests: list[AcceptedRequest] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Events and rows accepted, erasures included."""
        rows = len(self.registered) - sum(1 for _, _, kind in self.events if kind.endswith("participant.register.v1"))
        return len(self.events) + rows + len(self.erased)


class Partners:
    """All organisations' HTTP clients in one."""

    def __init__(self, intake_url: str, credentials: dict[str, Credentials]) -> None:
        self._http = httpx.AsyncClient(base_url=intake_url, trust_env=False, timeout=60)
        self._credentials = credentials
        self.ledger = Ledger()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send_event(self, event: PartnerEvent) -> None:
        """One structured CloudEvent, which must be accepted."""
        await self._accepted(event.organisation, "/v1/events", EVENT_CONTENT_TYPE, event.body)
        self._note(event)

    async def send_batch(self, batch: Batch) -> None:
        """Events in batches of a hundred, each of which must be accepted whole."""
        for start in range(0, len(batch.events), 100):
            events = batch.events[start : start + 100]
            await self._accepted(batch.organisation, "/v1/events", BATCH_CONTENT_TYPE, batch_body(events))
            for event in events:
                self._note(event)

    async def send_import(self, item: Import, rows: Sequence[Mapping[str, Any]]) -> None:
        """A file, every row of which must be accepted. `rows` are the registrations that they stand for."""
        headers = {"idempotency-key": f"{item.organisation}-{item.path.stem}"}
        answer = await self._accepted(
            item.organisation, "/v1/imports", item.content_type, item.path.read_bytes(), headers
        )
        told = answer.json()
        if told["accepted"] + told["repeated"] != item.rows or told["refused"]:
            raise DemoRequestError(f"{item.organisation}: of {item.rows} rows {told}")
        for row in rows:
            self.ledger.registered.append((item.organisation, row["program"], row["person"]["reference"]))
            self.ledger.requests.append(AcceptedRequest(item.organisation, _REGISTER, row))

    async def erase(self, erasure: Erasure) -> None:
        """Ask for a person to be erased."""
        headers = {"authorization": f"Bearer {self._credentials[erasure.organisation].key}"}
        answer = await self._patiently("DELETE", f"/v1/people/{erasure.person}", headers=headers)
        if answer.status_code != _ACCEPTED:
            raise DemoRequestError(f"erasure of {erasure.person}: {answer.status_code} {answer.text[:500]}")
        person_id = answer.json()["person_id"]
        self.ledger.erased.append((erasure.organisation, erasure.person, person_id))
        self.ledger.requests.append(
            AcceptedRequest(erasure.organisation, ERASE, {"person": erasure.person, "person_id": person_id})
        )

    async def send_refused(self, request: RefusedRequest) -> str | None:
        """Send what must be refused. Returns what was wrong with the refusal, None if it was as expected."""
        headers = {"content-type": request.content_type}
        if request.authentication != "none":
            headers |= self._proof(request.organisation, request.body, wrong=request.authentication == "wrong")
        answer = await self._patiently("POST", request.path, headers=headers, content=request.body)
        pointers = [error.get("pointer") for error in _errors(answer)]
        if answer.status_code != request.status:
            return f"{request.name}: expected {request.status}, got {answer.status_code}: {answer.text[:300]}"
        if request.pointer is not None and request.pointer not in pointers:
            return f"{request.name}: expected the pointer {request.pointer}, got {pointers}"
        return None

    def _note(self, event: PartnerEvent) -> None:
        data = json.loads(event.body)["data"]
        self.ledger.events.append((event.organisation, event.id, event.type))
        self.ledger.requests.append(AcceptedRequest(event.organisation, event.type, data))
        if event.type == _REGISTER:
            self.ledger.registered.append((event.organisation, data["program"], data["person"]["reference"]))

    async def _accepted(
        self, organisation: str, path: str, content_type: str, body: bytes, extra: dict[str, str] | None = None
    ) -> httpx.Response:
        answer = await self._patiently(
            "POST",
            path,
            content=body,
            headers={"content-type": content_type, **(extra or {})},
            sign=(organisation, body),
        )
        if answer.status_code != _ACCEPTED:
            raise DemoRequestError(f"{organisation} {path}: {answer.status_code} {answer.text[:1000]}")
        return answer

    async def _patiently(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str],
        content: bytes | None = None,
        sign: tuple[str, bytes] | None = None,
    ) -> httpx.Response:
        """As a good partner does: without an answer, or with 503, the same request again. Signed anew each time."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            proof = {} if sign is None else self._proof(*sign)
            try:
                answer = await self._http.request(method, path, headers={**headers, **proof}, content=content)
                if answer.status_code != _UNAVAILABLE or time.monotonic() > deadline:
                    return answer
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)

    def _proof(self, organisation: str, body: bytes, *, wrong: bool = False) -> dict[str, str]:
        credentials = self._credentials[organisation]
        if not credentials.signing_secret:
            return {"authorization": f"Bearer {credentials.key[:-4] + 'AAAA' if wrong else credentials.key}"}
        secret = f"whsec_{secrets.token_hex(12)}AAAAAAAA" if wrong else credentials.signing_secret
        message_id, now = f"msg_{secrets.token_hex(8)}", datetime.now(UTC)
        return {
            "mentorstream-key": credentials.signing_id,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, now, body.decode("utf-8", "replace")),
        }


def _errors(answer: httpx.Response) -> list[dict[str, Any]]:
    try:
        told = answer.json()
    except ValueError:
        return []
    errors = list(told.get("errors", []))
    for refused in [*(told["refused"] if isinstance(told.get("refused"), list) else []), *told.get("refusals", [])]:
        errors += refused.get("errors", [])
    return errors
