"""I5: whoever was not told, was told twice, or was told what nothing says, is found."""

from __future__ import annotations

import pytest
from tests.unit.local.story import ANNA, ANNA_HERE, BEN, MEETINGS, Story, story

from mentorstream_events.meetings import MeetingScheduled
from mentorstream_events.notifications import NotificationSent
from mentorstream_local.demo.expected_mails import wrongly_told


def found(told: Story, resends_allowed: int = 0) -> list[str]:
    return wrongly_told(told.facts, told.notifications, resends_allowed=resends_allowed)


def number_of(told: Story, kind: str) -> int:
    return next(number for number, row in enumerate(told.notifications) if row.kind == kind)


def test_the_whole_story_holds() -> None:
    assert found(story()) == []


@pytest.mark.parametrize("kind", ["registered", "match", "invitation", "cancellation", "feedback_request"])
def test_a_mail_that_was_never_planned_is_found(kind: str) -> None:
    told = story()
    lost = told.notifications.pop(number_of(told, kind))
    assert found(told) == [f"{kind} about {lost.subject_id}: {ANNA} was never told"]


def test_a_mail_that_nothing_asks_for_is_found() -> None:
    told = story()
    told.drop(MeetingScheduled, 2)
    assert [text.partition(": ")[2] for text in found(told)] == [
        f"nothing says that {person} must be told" for person in (ANNA, BEN)
    ]


def test_a_second_mail_about_the_same_is_found() -> None:
    told = story()
    cause = next(each for each in told.events if isinstance(each.data, MeetingScheduled))
    row = told.notifications[number_of(told, "invitation")]
    told.notify(cause, "invitation", [ANNA], row.subject_id)
    assert found(told) == [f"invitation about {MEETINGS[0]}: {ANNA} was told 2 times"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"arrived": 0}, ["is marked as sent and never arrived"]),
        ({"arrived": 2}, ["arrived 2 times"]),
        ({"status": "trying"}, ["is still trying", "is trying, and that it was sent is told"]),
        ({"status": "superseded", "status_reason": "withdrawn", "arrived": 0},
         ["is superseded, and that it was sent is told", "superseded as withdrawn, and no event shows why"]),
        ({"status": "failed", "status_reason": "erased", "arrived": 0},
         ["is failed, and that it was sent is told", "is failed, and that it failed is not told",
          "failed as erased, and no event shows why"]),
    ],
)  # fmt: skip
def test_an_end_that_is_not_so_is_found(changes: dict[str, object], expected: list[str]) -> None:
    told = story()
    row = told.notifications[0]
    told.change(0, **changes)
    assert [text.removeprefix(f"registered {row.notification_id}").lstrip(": ") for text in found(told)] == expected
    assert row.subject_id == ANNA_HERE


def test_a_mail_may_come_again_as_often_as_its_sender_was_interrupted() -> None:
    told = story()
    told.change(0, arrived=2)
    assert found(told, resends_allowed=1) == []


def test_a_mail_given_up_may_have_come_only_where_its_sender_was_interrupted_while_it_tried() -> None:
    for attempts, resends_allowed, allowed in ((1, 1, True), (0, 1, False), (1, 0, False)):
        told = story()
        told.change(0, status="superseded", status_reason="unsubscribed", attempts=attempts, arrived=1)
        doubted = any("superseded and arrived" in text for text in found(told, resends_allowed=resends_allowed))
        assert doubted is not allowed


def test_an_invitation_is_superseded_by_a_newer_revision_only() -> None:
    told = story()
    for meeting, allowed in ((MEETINGS[1], True), (MEETINGS[2], False)):
        number = next(i for i, row in enumerate(told.notifications) if row.subject_id == meeting)
        row = told.notifications[number]
        told.change(number, status="superseded", status_reason="newer_revision", arrived=0)
        told.events = [
            each
            for each in told.events
            if not isinstance(each.data, NotificationSent) or each.data.notification_id != row.notification_id
        ]
        wanted = f"invitation {row.notification_id}: superseded as newer_revision, and no event shows why"
        assert found(told) == ([] if allowed else [wanted])
