"""Notifications carries what happened to people by e-mail, once, in order. This is the only place of its wiring."""

from __future__ import annotations

from mentorstream_runtime.ownership import HandlerFactory
from mentorstream_runtime.process import Parts, Runtime

from .adapters.ledger import Ledger
from .adapters.preferences import Preferences
from .adapters.restoring import MailRestorer
from .adapters.smtp import Carrier, MailServer
from .adapters.writing import Letterhead, Writer
from .domain.delivery import RetryPolicy
from .entrypoints.consumer import MAIL_TOPICS, MailHandler, PeopleHandler
from .entrypoints.http import build_api
from .entrypoints.sender import Sender, SenderLimits
from .settings import NotificationsSettings


def build_sender(runtime: Runtime[NotificationsSettings]) -> Sender:
    """The sender with all that it needs."""
    settings = runtime.settings
    ledger = Ledger(
        runtime.pool,
        runtime,
        attempts=settings.mail_attempts,
        lease_seconds=settings.mail_lease_seconds,
        hold_seconds=settings.mail_hold_seconds,
        domain=settings.mail_from.rpartition("@")[2],
    )
    limits = SenderLimits(
        batch=settings.mail_batch,
        lease_seconds=settings.mail_lease_seconds,
        retry=RetryPolicy(
            attempts=settings.mail_attempts,
            base_seconds=settings.retry_base_seconds,
            limit_seconds=settings.retry_limit_seconds,
        ),
    )
    letterhead = Letterhead(
        sender=settings.mail_from,
        sender_name=settings.mail_from_name,
        organizer=settings.organizer,
        matching_url=settings.matching_url,
        scheduling_url=settings.scheduling_url,
        feedback_url=settings.feedback_url,
        notifications_url=settings.notifications_url,
    )
    server = MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_username or None,
        password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        starttls=settings.smtp_starttls,
        connections=settings.smtp_connections,
        slow_connections=settings.smtp_slow_connections,
        timeout_seconds=settings.smtp_timeout_seconds,
        envelope_sender=settings.mail_from,
    )
    return Sender(ledger, Writer(letterhead, runtime.links), Carrier(server), limits)


def build(runtime: Runtime[NotificationsSettings]) -> Parts:
    """What the process consists of."""
    sender = build_sender(runtime)

    # A committed batch may have made mails due: the timers of this process look now, others within a second.
    news = runtime.wakeups.clock.set
    readers: dict[str, HandlerFactory] = dict.fromkeys(MAIL_TOPICS, lambda: MailHandler(news))
    readers["people"] = lambda: PeopleHandler(news)
    return Parts(
        readers=readers,
        timers=[sender],
        api=build_api(runtime.settings, runtime.links, runtime.clock, Preferences(runtime.pool, runtime.api_pool)),
        restorer=MailRestorer(runtime.settings.mail_from.rpartition("@")[2]),
        closing=[sender.close],
    )
