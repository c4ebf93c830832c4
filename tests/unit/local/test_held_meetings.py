"""I4: a meeting that was held and not completed, or not asked about, is found."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from tests.unit.local.story import (
    ANNA,
    ATTENDEES,
    BEN,
    ENDS,
    MATCH,
    MEETINGS,
    MEMBERS,
    NOW,
    PROGRAM,
    meeting,
    requested,
    story,
)

from mentorstream_events.feedback import FeedbackRequested
from mentorstream_events.matches import MatchChanged
from mentorstream_events.meetings import MeetingCancelled, MeetingCompleted, MeetingRescheduled
from mentorstream_events.values import Terms
from mentorstream_local.demo.held_meetings import wrongly_asked


def test_the_whole_story_holds() -> None:
    assert wrongly_asked(story().facts, NOW) == []


def test_a_meeting_whose_end_passed_without_completion_is_found() -> None:
    assert wrongly_asked(story().facts, ENDS[2])[0] == f"meeting {MEETINGS[2]} was held and never completed"
    assert len(wrongly_asked(story().facts, ENDS[2])) == 3  # and nobody was asked
    told = story()
    told.drop(MeetingCompleted)
    assert wrongly_asked(told.facts, NOW) == [f"meeting {MEETINGS[0]} was held and never completed"]


def test_a_meeting_that_moved_is_held_when_its_new_end_passes() -> None:
    told = story()
    later = {**meeting(2), "starts_at": ENDS[2] + timedelta(days=1), "ends_at": ENDS[2] + timedelta(days=1, hours=1)}
    told.add(MeetingRescheduled(**later, revision=1, previous_starts_at=meeting(2)["starts_at"]))
    assert wrongly_asked(told.facts, ENDS[2]) == []
    assert len(wrongly_asked(told.facts, later["ends_at"])) == 3


def test_a_meeting_that_was_completed_although_cancelled_is_found() -> None:
    told = story()
    told.drop(MeetingCancelled)
    told.add(MeetingCompleted(**meeting(1), terms=Terms()), ENDS[1])
    told.add(MeetingCancelled(**meeting(1), revision=1, reason="attendee"), ENDS[1])
    assert wrongly_asked(told.facts, NOW) == [f"meeting {MEETINGS[1]} was completed and not held"]


def test_a_meeting_that_was_completed_before_its_end_or_twice_is_found() -> None:
    told = story()
    told.add(MeetingCompleted(**meeting(2), terms=Terms()))
    told.add(MeetingCompleted(**meeting(0), terms=Terms()))
    assert wrongly_asked(told.facts, NOW) == [
        f"meeting {MEETINGS[0]} was completed 2 times",
        f"meeting {MEETINGS[2]} was completed and not held",
    ]


def test_others_at_the_end_than_were_invited_are_found() -> None:
    told = story()
    told.drop(MeetingCompleted)
    others = (ATTENDEES[0], msgspec.structs.replace(ATTENDEES[1], person_id=MATCH))
    told.add(MeetingCompleted(**{**meeting(0), "attendees": others}, terms=Terms()))
    assert wrongly_asked(told.facts, NOW) == [f"meeting {MEETINGS[0]} was completed with others than were invited"]


def test_a_request_too_few_and_one_too_many_are_found() -> None:
    told = story()
    told.drop(FeedbackRequested, 1)
    told.add(requested(0, ATTENDEES[0]))
    assert sorted(wrongly_asked(told.facts, NOW)) == sorted(
        [
            f"meeting {MEETINGS[0]}, person {ANNA}: 2 requests, expected 1",
            f"meeting {MEETINGS[0]}, person {BEN}: 0 requests, expected 1",
        ]
    )


def test_where_terms_ask_for_no_feedback_nobody_may_be_asked() -> None:
    told = story()
    told.add(
        MatchChanged(
            program_id=PROGRAM,
            match_id=MATCH,
            mentor=MEMBERS[0],
            mentees=MEMBERS[1:],
            terms=Terms(ask_feedback=False),
            ends_at=NOW,
            reason="terms",
        ),
        ENDS[0] - timedelta(hours=1),
    )
    assert len(wrongly_asked(told.facts, NOW)) == 2
