"""Partner organisations of one case: their credentials, and the workload as they would send it, signed.

The people and programs are those of `workload`, so that what comes over HTTP is what the other cases read from a topic.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import secrets
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from standardwebhooks.webhooks import Webhook
from uuid_utils.compat import uuid7

from intake.adapters.postgres_partners import PostgresPartners
from intake.handlers.credentials import Sealer
from intake.handlers.partners import add_partner
from mentorstream_events import derived_id
from mentorstream_runtime.database import open_pool

from .bed import Place, source_environment, worker_url
from .partner_load import Order, Request
from .workload import Size, program_id, registrations

CLIENTS: Final = 64
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SINGLE: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"


@dataclass(frozen=True, slots=True)
class Partner:
    """One organisation and how it signs."""

    name: str
    signing_id: str
    secret: str

    def request(self, events: Sequence[dict[str, Any]], *, single: bool) -> Request:
        """A signed POST of one event, or of a batch. The signature holds for five minutes."""
        body = json.dumps(events[0] if single else events).encode()
        message_id, now = f"msg_{secrets.token_hex(8)}", datetime.now(UTC)
        headers = {
            "content-type": _SINGLE if single else _BATCH,
            "mentorstream-key": self.signing_id,
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(message_id, now, body.decode()),
        }
        return Request(headers, body)


async def add_partners(place: Place, count: int) -> list[Partner]:
    """Organisations with a signing secret each."""
    pool = await open_pool(worker_url(place, "intake"), size=1, application_name="bench")
    try:
        store, sealer = PostgresPartners(pool), Sealer(list(place.bed.stack.secrets.encryption_keys))
        found = []
        for number in range(count):
            name = f"organisation-{number}"
            added = await add_partner(store, sealer, uuid7(), name, name, "signing")
            found.append(Partner(name, added.credentials[0].lookup, added.credentials[0].secret))
        return found
    finally:
        await pool.close()


def programs(partners: Sequence[Partner], size: Size) -> list[Request]:
    """The workload's programs: each one's owner configures it and opens it to the next two organisations."""
    return [
        partners[index % size.organisations].request(
            [
                _event(
                    partners[index % size.organisations],
                    f"configured-{index}",
                    "program.configure",
                    {
                        "program": f"program-{index}",
                        "title": f"Program {index}",
                        "open_to": sorted(
                            {partners[(index + step) % size.organisations].name for step in (1, 2)}
                            - {partners[index % size.organisations].name}
                        ),
                        "policy": {"mentor_consent": index % 4 == 3, "boss_levels": 2},
                    },
                )
            ],
            single=True,
        )
        for index in range(size.programs)
    ]


def joining(partners: Sequence[Partner], size: Size, seed: str, batch: int) -> list[Request]:
    """The workload's people in requests of `batch` events each; 1: single events. A request is of one organisation."""
    ready: list[Request] = []
    gathered: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for sender, event in _joining(partners, size, seed):
        gathered[sender].append(event)
        if len(gathered[sender]) == batch:
            ready.append(partners[sender].request(gathered.pop(sender), single=batch == 1))
    ready += [partners[sender].request(events, single=False) for sender, events in gathered.items()]
    return ready


def _joining(partners: Sequence[Partner], size: Size, seed: str) -> Iterator[tuple[int, dict[str, Any]]]:
    senders = {derived_id(seed, "organisation", number): number for number in range(size.organisations)}
    numbers = {program_id(seed, index): index for index in range(size.programs)}
    for index, each in enumerate(registrations(size, seed)):
        assert each.value is not None
        fact = json.loads(each.value)
        program = numbers[UUID(fact["program_id"])]
        sender = senders[UUID(fact["organisation_id"])]
        data = {
            "program": f"{partners[program % size.organisations].name}/program-{program}",
            "person": {
                "reference": f"{seed}-{index}",
                "full_name": f"Person {index}",
                "email": f"{seed}-{index}@people.example",
                "zone": fact["profile"]["zone"],
            },
            "participant": _participant(fact),
        }
        yield sender, _event(partners[sender], f"{seed}-{index}", "participant.register", data)


def _participant(fact: dict[str, Any]) -> dict[str, Any]:
    profile = fact["profile"]
    names = ("languages", "offers", "wants", "goals", "interests", "values", "style", "industry", "seniority")
    hours = [
        {
            "weekday": _WEEKDAYS[each["weekday"] - 1],
            "start": _local_time(each["start_minute"]),
            "end": _local_time(each["end_minute"]),
        }
        for each in profile["availability"]
    ]
    details = {"roles": fact["roles"], "availability": hours, **{name: profile[name] for name in names}}
    return {**details, "capacity": fact["capacity"]} if "mentor" in fact["roles"] else details


def _local_time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _event(partner: Partner, event_id: str, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": f"https://{partner.name}.example/mentoring",
        "type": f"mentorstream.{kind}.v1",
        "time": "2026-03-02T08:00:00Z",
        "datacontenttype": "application/json",
        "data": data,
    }


async def send(place: Place, url: str, requests: list[Request], cores: Sequence[int]) -> tuple[float, float]:
    """Send from another process, on these cores. When it began and ended, by the monotonic clock.

    Raises RuntimeError where an answer was not 202.
    """
    file = place.bed.stack.directory / f"order-{secrets.token_hex(4)}.pickle"
    file.write_bytes(pickle.dumps(Order(f"{url}/v1/events", CLIENTS, requests)))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "benchmarks.delivery.partner_load",
        str(file),
        env={**os.environ, **source_environment()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.sched_setaffinity(process.pid, cores)
    try:
        told, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        file.unlink()
    if process.returncode:
        raise RuntimeError(f"the partners' load failed: {complaint.decode(errors='replace')[-2000:]}\n{place.output()}")
    times = json.loads(told)
    return times["started"], times["ended"]
