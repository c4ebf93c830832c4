"""Sends a load as partners would, and keeps its own list of what was answered 202.

None of it is the services' code. A request without an answer, or answered 503, is sent again with the same bytes until
it is accepted. Any other answer is a defect and raises.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import aiohttp
from standardwebhooks.webhooks import Webhook
from tests.faults.expectations import Expected
from tests.faults.load import ORGANISATIONS, Item, Load, Request
from uuid_utils.compat import uuid7

from intake.adapters.postgres_partners import PostgresPartners
from intake.handlers.credentials import Sealer
from intake.handlers.partners import add_partner
from mentorstream_local.migrations import role_url, worker_role
from mentorstream_runtime.database import open_pool

if TYPE_CHECKING:
    from tests.faults.system import FaultSystem

_ACCEPTED: Final = 202
_NOT_FOUND: Final = 404
_UNAVAILABLE: Final = 503
_PATIENCE_SECONDS: Final = 180.0
_PAUSE_SECONDS: Final = 0.1


class UnexpectedAnswerError(AssertionError):
    """Neither accepted nor put off: a partner would not know what to do."""


@dataclass(frozen=True, slots=True)
class Partner:
    """How an organisation proves who it is. The key is for what has no body to sign, or where there is no secret."""

    key: str
    signing_id: str = ""
    signing_secret: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """One attempt: when it was answered (monotonic seconds), after how long, and how; 0 is no answer."""

    at: float
    seconds: float
    status: int


@dataclass(slots=True)
class Driver:
    """All organisations' clients. What it learns is kept by the system, which outlives it."""

    system: FaultSystem
    answers: list[Answered] = field(default_factory=list)
    _http: aiohttp.ClientSession = field(init=False)

    def __post_init__(self) -> None:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(40))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def add_partners(self) -> None:
        """Make the organisations, once in a system's life: what `mentorstream partners add` does."""
        if self.system.partners:
            return
        wiring = self.system.wiring
        url = role_url(wiring.servers.postgres_admin_url, wiring.database, worker_role("intake"), wiring.role_secret)
        pool = await open_pool(url, size=1, application_name="mentorstream-faults")
        try:
            store, sealer = PostgresPartners(pool), Sealer(list(wiring.encryption_keys))
            for name, proof in ORGANISATIONS.items():
                wanted = "both" if proof == "signature" else "key"
                made = await add_partner(store, sealer, uuid7(), name, name.title(), wanted)  # type: ignore[arg-type]
                by_kind = {credential.kind: credential for credential in made.credentials}
                signing = by_kind.get("signing")
                self.system.partners[name] = Partner(
                    by_kind["key"].secret, signing.lookup if signing else "", signing.secret if signing else ""
                )
        finally:
            await pool.close()

    async def send(self, load: Load, *, pause_seconds: float = 0.0, rest: asyncio.Event | None = None) -> None:
        """Programs, then each organisation's requests in their order, all organisations at once.

        The last quarter of each organisation's, one at least, is kept until `rest` is set, where it is given.
        """
        for request in load.programs:
            await self.deliver(request)

        async def send_all(requests: list[Request]) -> None:
            kept_from = len(requests) - max(1, len(requests) // 4)
            for place, request in enumerate(requests):
                if rest is not None and place >= kept_from:
                    await rest.wait()
                await self.deliver(request)
                load.accepted += 1
                if pause_seconds:
                    await asyncio.sleep(pause_seconds)

        async with asyncio.TaskGroup() as group:
            for requests in load.requests.values():
                group.create_task(send_all(requests))

    async def deliver(self, request: Request) -> None:
        """Send until accepted. Raises UnexpectedAnswerError, or TimeoutError after three minutes."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        unanswered = False
        while time.monotonic() < deadline:
            status, told = await self.attempt(request)
            if status == _ACCEPTED:
                self._note(request, told)
                return
            if status == _NOT_FOUND and request.method == "DELETE" and unanswered:
                self._note(request, {})  # the attempt without an answer did it: nobody is known any more
                return
            if status not in (0, _UNAVAILABLE):
                raise UnexpectedAnswerError(f"{request.organisation} {request.path}: {status} {told}")
            unanswered = unanswered or status == 0 or request.method == "DELETE"
            await asyncio.sleep(_PAUSE_SECONDS)
        raise TimeoutError(
            f"{request.organisation} {request.path} was not accepted in {_PATIENCE_SECONDS:.0f} s; answers:"
            f" {Counter(answer.status for answer in self.answers)}"
        )

    async def attempt(self, request: Request) -> tuple[int, dict[str, object]]:
        """Send once. Returns the status, 0 for no answer, and the answer's body."""
        started = time.monotonic()
        status, told = 0, {}
        try:
            async with self._http.request(
                request.method,
                self.system.services["intake"].url + request.path,
                data=request.body or None,
                headers=self._headers(request),
            ) as answer:
                told = await answer.json(content_type=None)
                status = answer.status
                if status == _UNAVAILABLE and "Retry-After" not in answer.headers:
                    raise UnexpectedAnswerError(f"{request.path}: 503 without Retry-After: {told}")
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        now = time.monotonic()
        self.answers.append(Answered(now, now - started, status))
        return status, told

    def _headers(self, request: Request) -> dict[str, str]:
        partner = self.system.partners[request.organisation]
        headers = {"content-type": request.content_type} if request.content_type else {}
        if not partner.signing_secret or not request.body:
            headers["authorization"] = f"Bearer {partner.key}"
            if request.idempotency_key:
                headers["idempotency-key"] = request.idempotency_key
            return headers
        # Signed anew at each attempt: a signature is good for minutes only.
        message_id, now = f"msg_{secrets.token_hex(8)}", datetime.now(UTC)
        return {
            **headers,
            "mentorstream-key": partner.signing_id,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(partner.signing_secret).sign(message_id, now, request.body.decode()),
        }

    def _note(self, request: Request, told: dict[str, object]) -> None:
        if told.get("refused") or told.get("refusals"):
            raise UnexpectedAnswerError(f"{request.path}: {told}")
        for item in request.items:
            self._note_item(request.organisation, item, told)

    def _note_item(self, organisation: str, item: Item, told: dict[str, object]) -> None:
        system, key = self.system, (organisation, item.program, item.reference)
        if item.event_id:
            system.ledger.events.append((organisation, item.event_id, item.event_type))
        if item.kind == "register":
            system.ledger.registered.append((organisation, item.program, item.reference))
        if item.kind in ("register", "update"):
            system.expected[key] = Expected(active=True, mentor=item.mentor, capacity=item.capacity)
        if item.kind in ("register", "rename"):
            system.names[organisation, item.reference] = item.full_name
        if item.kind == "withdraw":
            system.expected[key] = Expected(active=False, mentor=item.mentor, capacity=item.capacity)
        if item.kind == "erase":
            for known in [known for known in system.expected if (known[0], known[2]) == (organisation, item.reference)]:
                del system.expected[known]
            system.names.pop((organisation, item.reference), None)
            # Without the first answer the id is not known, and nobody may be known by the reference.
            system.ledger.erased.append((organisation, item.reference, str(told.get("person_id", _NOBODY))))


_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
