"""What the mail server does to mails: refuses, defers, hangs, dies; and what a dying sender leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from aiosmtpd.controller import Controller
from tests.support.notifications_service import (
    ORGANISATION,
    PROGRAM,
    NotificationsService,
    attendee,
    confirmed,
    known,
    program,
    running_notifications,
    scheduled,
)
from tests.support.records import T0, eventually

from mentorstream_events import Value
from mentorstream_events.matches import ParticipantWaitlisted
from mentorstream_events.notifications import NotificationFailed, NotificationSent
from mentorstream_local.daemons import free_port
from mentorstream_local.smtp_sink import SmtpSink
from notifications.bootstrap import build_sender
from notifications.domain.delivery import Accepted, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from aiosmtpd.smtp import SMTP, Envelope, Session
    from tests.support.shared_servers import Database

    from mentorstream_local.stack import Servers

ANNA, BEN = UUID(int=11), UUID(int=12)


def waitlisted(person_id: UUID) -> ParticipantWaitlisted:
    return ParticipantWaitlisted(
        program_id=PROGRAM,
        participant_id=uuid4(),
        person_id=person_id,
        organisation_id=ORGANISATION,
        role="mentee",
        waiting_since=T0,
        reasons=(),
    )


async def test_a_mail_that_is_refused_for_good_fails_with_the_code_and_nothing_else(
    service: NotificationsService, smtp_sink: SmtpSink
) -> None:
    await service.send(program(), known(ANNA, "Anna", "reject-5xx@example.org"), waitlisted(ANNA))
    await service.settle()

    [failed] = await service.events(NotificationFailed)
    assert (failed.person_id, failed.reason, failed.detail) == (ANNA, "rejected", "550")
    assert not smtp_sink.mails


async def test_a_deferred_mail_goes_at_a_later_attempt_and_driven_time_waits_for_it(
    service: NotificationsService, smtp_sink: SmtpSink
) -> None:
    await service.send(program(), known(ANNA, "Anna", "defer-4xx-2@example.org"), waitlisted(ANNA))
    await service.settle()

    assert [mail.recipients for mail in smtp_sink.mails] == [("defer-4xx-2@example.org",)]
    [row] = await service.rows("SELECT status, attempts, last_status FROM notification")
    assert tuple(row) == ("sent", 3, 250)


async def test_a_mail_that_is_always_deferred_fails_after_its_attempts(
    servers: Servers, database: Database, topic_prefix: str, smtp_sink: SmtpSink
) -> None:
    port = smtp_sink.port
    async with running_notifications(servers, database, topic_prefix, smtp_port=port, mail_attempts=3) as service:
        await service.send(program(), known(ANNA, "Anna", "defer-4xx@example.org"), waitlisted(ANNA))
        await service.settle()

        [failed] = await service.events(NotificationFailed)
        assert (failed.reason, failed.detail) == ("expired", "451")
        [row] = await service.rows("SELECT attempts FROM notification")
        assert row["attempts"] == 3


async def test_while_the_server_is_away_no_mail_counts_as_tried(
    servers: Servers, database: Database, topic_prefix: str, tmp_path: Path
) -> None:
    with SmtpSink(tmp_path / "first") as sink:
        port = sink.port
    async with running_notifications(servers, database, topic_prefix, smtp_port=port, mail_attempts=2) as service:
        await service.send(program(), known(ANNA, "Anna"), waitlisted(ANNA))

        async def paused() -> bool:
            rows = await service.rows("SELECT status, attempts FROM notification WHERE message_id IS NOT NULL")
            return [tuple(row) for row in rows] == [("waiting", 0)]

        await eventually(paused, what="the mail was taken and given back")
        with SmtpSink(tmp_path / "second", port) as sink:
            await service.settle()
            assert [mail.recipients for mail in sink.mails] == [("anna@example.org",)]


class _Hanging:
    """Takes mails of everybody at once, except that it never answers about `hang@`."""

    def __init__(self) -> None:
        self.arrived: Counter[str] = Counter()
        self.hanging = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name and arguments
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if address.startswith("hang"):
            self.hanging += 1
            await asyncio.sleep(3600)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.arrived.update(envelope.rcpt_tos)
        return "250 OK"


@contextlib.contextmanager
def hanging_server() -> Iterator[tuple[_Hanging, int]]:
    handler = _Hanging()
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield handler, port
    finally:
        controller.stop()


async def test_more_hanging_recipients_than_connections_do_not_hold_up_the_others(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    hanging = [UUID(int=number) for number in range(50, 56)]
    people = [UUID(int=number) for number in range(100, 130)]
    with hanging_server() as (server, port):
        async with running_notifications(
            servers, database, topic_prefix, smtp_port=port, smtp_timeout_seconds=60
        ) as service:
            facts: list[Value] = [program()]
            for person_id in hanging:
                facts += [known(person_id, "Anna", f"hang{person_id.int}@example.org"), waitlisted(person_id)]
            facts += [known(person_id, f"p{person_id.int}") for person_id in people]
            await service.send(*facts)

            async def hangs() -> bool:
                return server.hanging == len(hanging)

            await eventually(hangs, what="more mails hang than there are connections")
            await service.send(*(waitlisted(person_id) for person_id in people))

            async def others_sent() -> bool:
                rows = await service.rows("SELECT status, count(*) AS mails FROM notification GROUP BY status")
                return {row["status"]: row["mails"] for row in rows} == {
                    "sent": len(people),
                    "trying": len(hanging),
                }

            await eventually(others_sent, what="all mails but the hanging ones are sent and settled")
        assert sum(server.arrived.values()) == len(people)


async def test_one_mailbox_that_hangs_costs_one_connection_however_many_mails_it_has(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    full, others = UUID(int=50), [UUID(int=number) for number in range(100, 110)]
    with hanging_server() as (server, port):
        async with running_notifications(
            servers,
            database,
            topic_prefix,
            smtp_port=port,
            smtp_timeout_seconds=60,
            smtp_connections=1,
            smtp_slow_connections=1,
        ) as service:
            people = [known(full, "Anna", "hang@example.org"), *(known(each, f"p{each.int}") for each in others)]
            await service.send(program(), *people)
            # They wait for each other, not for a connection: six would have filled both.
            both = [attendee(full, "mentee"), attendee(others[0], "mentor")]
            await service.send(*(scheduled(both) for _ in range(6)))
            await service.send(*(waitlisted(person_id) for person_id in others))

            async def others_sent() -> bool:
                rows = await service.rows("SELECT person_id FROM notification WHERE status = 'sent'")
                return {row["person_id"] for row in rows} == set(others)

            await eventually(others_sent, what="everybody else's mails are sent")
        assert server.hanging == 1


async def test_a_mail_that_takes_too_long_is_tried_again(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    with hanging_server() as (server, port):
        async with running_notifications(
            servers, database, topic_prefix, smtp_port=port, smtp_timeout_seconds=0.3, mail_attempts=2
        ) as service:
            await service.send(program(), known(ANNA, "Anna", "hang@example.org"), waitlisted(ANNA))
            await service.settle()

            [failed] = await service.events(NotificationFailed)
            assert (failed.reason, failed.detail) == ("expired", "")
            # So little time may be over before the server hangs, but not without a try that counts.
            [row] = await service.rows("SELECT status, attempts FROM notification")
            assert tuple(row) == ("failed", 2)
        assert not server.arrived


async def test_a_mail_that_takes_longer_than_its_lease_is_left_to_who_sends_it(
    servers: Servers, database: Database, topic_prefix: str
) -> None:
    with hanging_server() as (server, port):
        async with running_notifications(
            servers, database, topic_prefix, smtp_port=port, smtp_timeout_seconds=60, mode="api"
        ) as idle:
            runtime = idle.process.runtime
            slow, other = build_sender(runtime), build_sender(runtime)
            now = await runtime.clock.now()
            await idle.rows("INSERT INTO program VALUES ($1, 'Women in Data') RETURNING program_id", PROGRAM)
            async with running_notifications(servers, database, topic_prefix, smtp_port=1, mode="worker") as reader:
                await reader.send(known(ANNA, "Anna", "hang@example.org"), waitlisted(ANNA))

                async def planned() -> bool:
                    return bool(await idle.rows("SELECT FROM notification"))

                await eventually(planned, what="the mail is planned")
            assert await slow.run_due(now) == 1

            async def hangs() -> bool:
                return server.hanging == 1

            await eventually(hangs, what="the mail is under way")
            for _ in range(3):
                await idle.rows("UPDATE notification SET try_after = now() RETURNING key")  # the lease ends
                slow._renew_at = 0.0
                await slow.run_due(now)
                assert await other.run_due(now) == 0, "it was renewed"
            assert server.hanging == 1
            await slow.close()
            await other.close()


@contextlib.asynccontextmanager
async def mail_planned(
    servers: Servers, database: Database, topic_prefix: str, port: int
) -> AsyncIterator[tuple[NotificationsService, datetime]]:
    """A service that sends nothing by itself, one mail that is due, and the time."""
    async with running_notifications(servers, database, topic_prefix, smtp_port=port) as reader:
        await reader.send(known(ANNA, "Anna"), waitlisted(ANNA))  # it waits for the program's title
    async with running_notifications(servers, database, topic_prefix, smtp_port=port, mode="api") as idle:
        await idle.rows("INSERT INTO program VALUES ($1, 'Women in Data') RETURNING program_id", PROGRAM)
        yield idle, await idle.process.runtime.clock.now()


async def test_a_sender_that_dies_after_sending_leaves_a_mail_that_comes_again_as_the_same(
    servers: Servers, database: Database, topic_prefix: str, smtp_sink: SmtpSink
) -> None:
    """The documented window: sent, but not yet marked. Both copies carry the same Message-ID; one event tells of it."""
    port = smtp_sink.port
    async with mail_planned(servers, database, topic_prefix, port) as (idle, now):
        dying, heir = build_sender(idle.process.runtime), build_sender(idle.process.runtime)
        # Phases one and two; then the process is gone before phase three.
        [mail] = await dying._ledger.take_due(now, 10, 0)
        outcome = await dying._send(mail, now, lambda: True)
        await dying._carrier.close()
        del dying

        assert len(smtp_sink.mails) == 1
        assert await heir.run_due(now) == 0, "the lease holds"
        await idle.rows("UPDATE notification SET try_after = now() RETURNING key")  # the lease ends
        assert await heir.run_due(now) == 1

        async def settled() -> bool:
            await heir.run_due(now)
            return bool(await idle.rows("SELECT FROM notification WHERE status = 'sent'"))

        await eventually(settled, what="the heir has sent it")
        await heir.close()

        first, second = smtp_sink.mails
        assert first.message["Message-ID"] == second.message["Message-ID"]
        [row] = await idle.rows("SELECT status, attempts FROM notification")
        assert tuple(row) == ("sent", 2)
        assert outcome is not None
    async with running_notifications(servers, database, topic_prefix, smtp_port=port) as service:
        await service.settle()
        assert len(await service.events(NotificationSent)) == 1


@pytest.mark.parametrize("is_wanted", [True, False])
async def test_a_mail_counts_as_sent_once_its_frozen_sender_says_so_whatever_became_of_it(
    servers: Servers, database: Database, topic_prefix: str, smtp_sink: SmtpSink, is_wanted: bool
) -> None:
    port = smtp_sink.port
    async with mail_planned(servers, database, topic_prefix, port) as (idle, now):
        frozen, other = build_sender(idle.process.runtime), build_sender(idle.process.runtime)
        [mail] = await frozen._ledger.take_due(now, 10, 0)
        outcome = await frozen._send(mail, now, lambda: True)
        await idle.rows("UPDATE notification SET try_after = now() RETURNING key")  # the lease ends
        if is_wanted:
            [again] = await other._ledger.take_due(now, 10, 1)
            await other._ledger.settle([(again, Verdict(status="waiting", code=451, delay_seconds=3600.0))], now)
        else:
            await idle.rows("INSERT INTO preference VALUES ($1, $2, now()) RETURNING person_id", ANNA, ORGANISATION)
            assert await other.run_due(now) == 1
        [row] = await idle.rows("SELECT status, status_reason FROM notification")
        assert tuple(row) == (("waiting", None) if is_wanted else ("superseded", "unsubscribed"))

        assert outcome == Accepted(250)
        await frozen._ledger.settle([(mail, Verdict(status="sent", code=250))], now)
        [row] = await idle.rows("SELECT status, status_reason FROM notification")
        assert tuple(row) == ("sent", None)
        await frozen.close()
        await other.close()
    assert len(smtp_sink.mails) == 1
    async with running_notifications(servers, database, topic_prefix, smtp_port=port) as service:
        await service.settle()
        assert len(await service.events(NotificationSent)) == 1


async def test_processes_share_the_mails_and_send_none_twice(
    servers: Servers, database: Database, topic_prefix: str, smtp_sink: SmtpSink
) -> None:
    people = [UUID(int=number) for number in range(100, 300)]
    port = smtp_sink.port
    async with (
        running_notifications(servers, database, topic_prefix, smtp_port=port, mail_batch=10) as service,
        running_notifications(servers, database, topic_prefix, smtp_port=port, mail_batch=10, mode="worker"),
    ):
        await service.send(*(known(person_id, f"p{person_id.int}") for person_id in people))
        await service.send(
            program(), *(confirmed(one, other) for one, other in zip(people[::2], people[1::2], strict=True))
        )
        await service.settle()

        assert Counter(mail.recipients for mail in smtp_sink.mails) == {
            (f"p{person_id.int}@example.org",): 1 for person_id in people
        }
        assert len({item.notification_id for item in await service.events(NotificationSent)}) == len(people)
