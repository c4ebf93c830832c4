"""F13 and F15: a mail server that takes mails and hangs, defers, rejects, or closes the connection after the mail."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from tests.faults.mailserver import MailServer, SilentServer, Trouble
from tests.support.records import eventually

from mentorstream_local.daemons import free_port

if TYPE_CHECKING:
    import asyncpg
    from tests.faults.outcomes import Effort, Record
    from tests.faults.run import Run
    from tests.faults.system import FaultSystem

_LONGER_THAN_THE_TEST_SECONDS: Final = 600
_SENT_SECONDS: Final = 90.0
_OPEN: Final = """
    SELECT p.email, count(*) AS mails
    FROM notifications.open_notification JOIN notifications.person p USING (person_id)
    WHERE ready AND due_at <= (SELECT now FROM clock.business_time) GROUP BY p.email
"""


async def _use(system: FaultSystem, run: Run, port: int, **settings: float) -> None:
    """Make notifications hand its mails to this server."""
    notifications = system.services["notifications"]
    notifications.variables |= {"MENTORSTREAM_SMTP_PORT": str(port), "MENTORSTREAM_RETRY_LIMIT_SECONDS": "2"}
    notifications.variables |= {f"MENTORSTREAM_{name.upper()}": str(value) for name, value in settings.items()}
    system.resends += 1
    await run.offline(notifications.restart)


async def _until_only(connection: asyncpg.Connection[asyncpg.Record], troubled: Callable[[str], bool]) -> None:
    """Wait until nobody has a mail to wait for but those with a troubled address."""

    async def others_have_theirs() -> bool:
        return all(troubled(row["email"]) for row in await connection.fetch(_OPEN))

    await eventually(others_have_theirs, what="everybody else's mails are sent", seconds=_SENT_SECONDS)


@pytest.mark.fault("F13")
async def test_a_server_that_takes_mails_and_hangs_holds_up_nobody_else(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    """More of them than there are connections, and each hangs for longer than the test lasts."""
    load = run.load(people=60)
    hanging = {f"{reference}@people.example" for reference in load.references()[::8]}
    with MailServer(system.mailbox, lambda address: "hang" if address in hanging else None) as server:
        await _use(
            system,
            run,
            server.port,
            smtp_timeout_seconds=_LONGER_THAN_THE_TEST_SECONDS,
        )
        await run.send(load)
        async with run.connection() as connection:
            await eventually(lambda: _all_read(system), what="everything is read", seconds=_SENT_SECONDS)
            await _until_only(connection, lambda address: address in hanging)
        await run.until(lambda: server.hanging > 4, "more mails hang than there are connections")
        hung = server.hanging
        server.heal()
        # A patience as in production, if shorter: the next attempts go through.
        await _use(system, run, server.port, smtp_timeout_seconds=3)
        await run.drain()
        await run.live(days=3)
        await run.check()
    record(mails_hanging=hung)


@pytest.mark.fault("F13")
async def test_a_server_that_accepts_connections_and_says_nothing_costs_no_mail_an_attempt(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    port = free_port()
    load = run.load(people=effort.size(30, 100))
    with SilentServer(port):
        await _use(system, run, port, smtp_timeout_seconds=1)
        await run.send(load)
        await run.until(
            lambda: "mail_server_unusable" in system.services["notifications"].last_lines(50),
            "notifications says that the mail server cannot be used",
        )
        async with run.connection() as connection:
            tried = await connection.fetchval(
                "SELECT count(*) FROM notifications.notification WHERE status = 'waiting' AND attempts > 0"
            )
        assert tried == 0
    await _use(system, run, system.mail.ports["port"])
    drained = await run.drain()
    await run.live(days=3)
    await run.check()
    record(drained_seconds=drained)


@pytest.mark.fault("F15")
async def test_deferred_rejected_and_dropped_mails_hold_up_nobody_else(
    system: FaultSystem, run: Run, record: Record, effort: Effort
) -> None:
    """Each trouble has recipients of its own. Deferred and dropped ones get their mails once it is over."""
    kinds: tuple[Trouble, ...] = ("defer", "reject", "drop")

    def trouble(address: str) -> Trouble | None:
        place = zlib.crc32(address.encode()) % 20
        return kinds[place] if place < len(kinds) else None

    with MailServer(system.mailbox, trouble) as server:
        await _use(system, run, server.port, mail_attempts=200, smtp_timeout_seconds=3)
        load = run.load(people=effort.size(90, 300))
        await run.send(load)
        async with run.connection() as connection:
            await eventually(lambda: _all_read(system), what="everything is read", seconds=_SENT_SECONDS)
            await _until_only(connection, lambda address: trouble(address) in ("defer", "drop"))
            server.heal()
            await run.drain()
            failed = await connection.fetch(
                "SELECT DISTINCT p.email, n.last_status FROM notifications.notification n"
                " JOIN notifications.person p USING (person_id) WHERE status_reason = 'rejected'"
            )
        seen = {kind: sum(count for (_, each), count in server.seen.items() if each == kind) for kind in kinds}
        assert all(seen.values()), seen
        rejected = {address for address, each in server.seen if each == "reject"}
        assert {(row["email"], row["last_status"]) for row in failed} == {(address, 550) for address in rejected}
        # Kept by the server at each attempt: the sender cannot know. All copies have one Message-ID.
        system.resends += max(count for (_, each), count in server.seen.items() if each == "drop")
        await run.live(days=3)
        await run.check()
    record(**{f"attempts_met_by_{kind}": count for kind, count in seen.items()})


async def _all_read(system: FaultSystem) -> bool:
    """Whether everything was read and published, as the services themselves say; whatever hangs is not asked for."""
    async with aiohttp.ClientSession() as http:
        for service in system.services.values():
            async with http.get(f"{service.metrics_url}/quiescence") as answer:
                state = await answer.json()
                if answer.status != 200 or state["lag"] or state["outbox"]:
                    return False
    return True
