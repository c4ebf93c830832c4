"""What the word to whoever waits says, by why they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.support.notifications_service import ORGANISATION, PROGRAM, NotificationsService, known, program
from tests.support.records import T0

from mentorstream_events.matches import ParticipantWaitlisted
from mentorstream_events.values import Reason

if TYPE_CHECKING:
    from mentorstream_local.smtp_sink import SmtpSink

# Who waits for these reasons is told this, and none of the others.
TOLD: dict[tuple[Any, ...], str] = {
    ("next_round",): "You take part in the next one",
    ("language", "awaits_circle"): "a circle begins only when",
    ("language", "better_used_elsewhere"): "this time all their places went to others",
    ("language", "capacity"): "no mentor in Women in Data who fits and is free",
}


def waits(number: int, rules: tuple[Any, ...]) -> ParticipantWaitlisted:
    return ParticipantWaitlisted(
        program_id=PROGRAM,
        participant_id=UUID(int=40 + number),
        person_id=UUID(int=10 + number),
        organisation_id=ORGANISATION,
        role="mentee",
        waiting_since=T0,
        reasons=tuple(Reason(rule=rule, removed=1) for rule in rules),
    )


async def test_who_waits_is_told_why(service: NotificationsService, smtp_sink: SmtpSink) -> None:
    people = [known(UUID(int=10 + number), f"Person {number}", f"p{number}@example.org") for number in range(len(TOLD))]
    await service.send(program(), *people, *(waits(number, rules) for number, rules in enumerate(TOLD)))
    await service.settle()
    mails = {str(mail.message["To"]): mail.message for mail in smtp_sink.mails}
    for number, words in enumerate(TOLD.values()):
        (message,) = (each for to, each in mails.items() if f"p{number}@" in to)
        for part in message.get_payload():  # the text, and the same as HTML
            text = " ".join(str(part.get_payload(decode=True), "utf-8").split())  # type: ignore[union-attr,arg-type]
            assert [each for each in TOLD.values() if each in text] == [words], text
    assert [("next round" in str(each["Subject"])) for each in mails.values()].count(True) == 1


async def test_whom_rounds_leave_over_gets_one_more_mail(service: NotificationsService, smtp_sink: SmtpSink) -> None:
    await service.send(program(), known(UUID(int=10), "Ines", "ines@example.org"))
    counts = []
    for rules in (("next_round",), ("language", "better_used_elsewhere"), ("capacity",), ("awaits_circle",)):
        await service.send(waits(0, rules))
        await service.settle()
        counts.append(len(smtp_sink.mails))
    assert counts == [1, 2, 2, 2]
    subjects = [str(mail.message["Subject"]) for mail in smtp_sink.mails]
    assert ["next round" in each for each in subjects] == [True, False]
