"""What became of mails, as events. They carry no address and nothing of what the server said but its code."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal

import msgspec

from mentorstream_events.notifications import NotificationFailed, NotificationSent
from mentorstream_runtime.outbox import Cause, Outgoing, emit

from ..domain.delivery import Changed

_Reason = Literal["rejected", "expired", "erased"]
_REASONS: Final[tuple[_Reason, ...]] = ("rejected", "expired", "erased")


def report_changes(changes: Iterable[Changed], now: datetime) -> list[Outgoing]:
    """notification.sent and notification.failed for the mails that ended so; nothing for any other status.

    Ids derive from the notification, so a mail that was sent twice is reported once.
    """
    return [outgoing for change in changes if (outgoing := _report(change, now)) is not None]


def _report(change: Changed, now: datetime) -> Outgoing | None:
    cause = Cause(id=f"notification:{change.notification_id}", traceparent=change.traceparent)
    sent = NotificationSent(
        program_id=change.program_id,
        notification_id=change.notification_id,
        person_id=change.person_id,
        organisation_id=change.organisation_id,
        kind=change.kind,
        channel="email",
        cause_id=change.cause_id,
    )
    if change.status == "sent":
        return emit(cause, sent, time=now)
    if change.status == "failed":
        reason = next(reason for reason in _REASONS if reason == change.status_reason)
        detail = "" if change.last_status is None else str(change.last_status)
        failed = NotificationFailed(**msgspec.structs.asdict(sent), reason=reason, detail=detail)
        return emit(cause, failed, time=now)
    return None
