"""What whoever waits is told of rounds: matching's own events, as notifications reads and the checks expect them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec.structs import replace
from tests.unit.matching.builders import Story, ident, match_id, mentee, mentor

from matching.domain import round_steps
from matching.domain.rounding import snapshot_of, solve
from matching.domain.values import Decision, Round
from matching.handlers.decisions import tell
from mentorstream_events import TOPICS, Event, Value, contract_of
from mentorstream_events.matches import ParticipantWaitlisted
from mentorstream_local.demo.expected_mails import expected_of
from mentorstream_local.demo.facts import Facts
from mentorstream_runtime.outbox import Cause
from notifications.domain.book import Book
from notifications.entrypoints.consumer import MAIL_ROUTES


class Told(Story):
    """A program, its events on `matches`, and the book of mails that reads them."""

    def __init__(self, *, kind: str = "formal", **policy: Any) -> None:
        super().__init__(**policy)
        self.pool.configure(replace(self.pool.program, kind=kind))
        self.book, self.events, self.causes = Book(), list[Event[Value]](), 0

    def tell(self, decisions: list[Decision]) -> list[set[str]]:
        """Publish and read them; the reasons of each notice to who waits."""
        self.causes += 1
        new = [
            Event(
                id=each.id,
                type=contract_of(each.data).name,
                source="test",
                time=each.time,
                key=contract_of(each.data).key_of(each.data),
                data=each.data,
            )
            for each in tell(self.pool, Cause(id=f"cause {self.causes}"), decisions)
        ]
        self.events += new
        self.read(new)
        notices = [each.data for each in new if isinstance(each.data, ParticipantWaitlisted)]
        return [{reason.rule for reason in notice.reasons} for notice in notices]

    def read(self, events: list[Event[Value]]) -> None:
        for event in events:
            if type(event.data) in MAIL_ROUTES:
                MAIL_ROUTES[type(event.data)].handle(event, self.book)

    def round(self) -> list[set[str]]:
        snapshot = snapshot_of(self.pool, 0)
        asked = Round(
            round_id=UUID(int=77 + self.causes),
            asked_by="coordinator",
            objective=self.pool.program.policy.objective,
            policy_version=1,
            seed=0,
            requested_at=self.pool.now,
            participants=len(snapshot.seekers),
            input_digest="in",
        )
        round_steps.asked(self.pool, asked)
        return self.tell(round_steps.solved(self.pool, self._tick(), match_id, asked, solve(snapshot), "out"))

    def words(self, number: int) -> list[tuple[object, str | None]]:
        """What each word to this mentee says, and why it is not to go out where it is not.

        The checks of a whole run expect the same ones, and reading everything again makes no other.
        """
        self.read(self.events)
        posted = [each for each in self.book.posted if each.mail.kind == "waitlisted"]
        by_topic = {topic.name: self.events if topic.name == "matches" else [] for topic in TOPICS}
        expected = [told for every in expected_of(Facts({}, by_topic)).values() for told in every]
        assert {each.mail.key for each in posted} == {
            f"participant:{told.subject}:waitlisted:{told.about}" for told in expected if told.kind == "waitlisted"
        }
        return [(each.mail.params["why"], each.void) for each in posted if each.mail.subject_id == ident(number)]


def test_whom_rounds_leave_over_is_told_once_more_however_many_they_are() -> None:
    story = Told(matching="rounds")
    story.tell(story.join(mentor(1)))
    assert story.tell(story.join(mentee(101))) == [{"next_round"}]
    story.tell(story.join(mentee(102)))
    assert story.round() == [{"better_used_elsewhere"}]
    (left,) = (number for number in (101, 102) if ident(number) in story.pool.waiting)
    first = [("next_round", "newer_revision"), ("places_gone", None)]
    assert story.words(left) == first
    assert story.words(203 - left) == [("next_round", None)]
    assert story.round() == [{"capacity"}]  # the place is taken by now: another reason, and no more mail
    assert story.words(left) == first


def test_whom_a_round_leaves_over_because_nobody_fits_is_told_that() -> None:
    story = Told(matching="rounds")
    story.tell(story.join(mentor(1, languages=("fi",))))
    story.tell(story.join(mentee(101)))
    assert story.round() == [{"language"}]
    assert story.words(101) == [("next_round", "newer_revision"), ("nobody_fits", None)]


def test_who_waits_for_a_circle_is_told_so() -> None:
    story = Told(kind="group", matching="rounds", circle_minimum=3)
    story.tell(story.join(mentor(1, capacity=5)))
    story.tell(story.join(mentee(101)))
    assert story.round() == [{"awaits_circle"}]
    assert story.words(101) == [("next_round", "newer_revision"), ("small_circle", None)]


def test_a_new_waiting_has_words_of_its_own() -> None:
    story = Told(matching="rounds")
    story.tell(story.join(mentor(1)))
    story.tell(story.join(mentee(101)))
    story.round()
    story.tell(story.rematch(101))
    assert story.round() == [{"former_match"}]
    assert [why for why, _ in story.words(101)] == ["next_round", "next_round", "nobody_fits"]


def test_who_waits_without_rounds_is_told_once() -> None:
    story = Told()
    story.tell(story.join(mentor(1, languages=("fi",))))
    assert story.tell(story.join(mentee(101))) == [{"language"}]
    story.tell(story.join(mentor(2, capacity=0)))
    assert story.tell(story.update(mentee(101, goals=("a first lead role",)))) == [{"capacity", "language"}]
    assert story.words(101) == [("nobody_fits", None)]


def test_who_waits_when_a_program_turns_to_rounds_is_told_what_only_a_round_can_say() -> None:
    story = Told()
    for number in (101, 102):
        story.tell(story.join(mentee(number)))
    story.tell(story.configure(matching="rounds"))
    story.tell(story.join(mentor(1)))
    assert story.round() == [{"better_used_elsewhere"}]
    (left,) = (number for number in (101, 102) if ident(number) in story.pool.waiting)
    assert story.words(left) == [("nobody_fits", "newer_revision"), ("places_gone", None)]
