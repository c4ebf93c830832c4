"""The catalogue: every event type and version, its model, its topic, who writes it.

One line for each type. To add an event: write its model, add its line here and an example in `examples/`, then run
`python -m mentorstream_events regenerate` for its schema, the AsyncAPI document and the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import cleandoc
from types import MappingProxyType

from . import feedback, matches, meetings, notifications, people, registrations
from .topics import TOPIC, Topic
from .values import Value


@dataclass(frozen=True, slots=True)
class Contract:
    """One event type. `key_field` is the field of the model that is the Kafka key.

    `subject` are the fields that name what the event is about: a later event that names it, too, may have changed it.
    Every event names its key; where the key is the subject, only a later event of the same type replaces this one.
    Empty where any later event of the same key may.
    """

    name: str
    model: type[Value]
    topic: Topic
    producers: tuple[str, ...]
    subject: tuple[str, ...] = ()
    tombstone: bool = False

    @property
    def key_field(self) -> str:
        """Name of the model's field whose value is the record's key."""
        return self.topic.key

    @property
    def meaning(self) -> str:
        """What the event says, in the words of its model."""
        return cleandoc(self.model.__doc__ or "")

    def key_of(self, data: Value) -> str:
        """The record's key for this data, as text."""
        return str(getattr(data, self.topic.key))


def _contract(
    name: str, model: type[Value], topic: str, *producers: str, subject: tuple[str, ...] = (), tombstone: bool = False
) -> Contract:
    return Contract(f"mentorstream.{name}", model, TOPIC[topic], producers, subject, tombstone)


# Whom or what the events are about. A participant is a person, too: reporting lines name people only.
_PARTICIPANT = ("participant_id", "person_id")
_MATCH = ("match_id",)
_SERIES = ("series_id",)
_MEETING = ("meeting_id",)
_REQUEST = ("request_id",)
_NOTIFICATION = ("notification_id",)
_ROUND = ("round_id",)

CONTRACTS: tuple[Contract, ...] = (
    _contract(
        "program.configured.v1", registrations.ProgramConfigured, "registrations", "intake", subject=("program_id",)
    ),
    _contract(
        "participant.registered.v1",
        registrations.ParticipantRegistered,
        "registrations",
        "intake",
        subject=_PARTICIPANT,
    ),
    _contract(
        "participant.updated.v1", registrations.ParticipantUpdated, "registrations", "intake", subject=_PARTICIPANT
    ),
    _contract(
        "participant.withdrawn.v1", registrations.ParticipantWithdrawn, "registrations", "intake", subject=_PARTICIPANT
    ),
    _contract(
        "participant.rematch_requested.v1",
        registrations.RematchRequested,
        "registrations",
        "intake",
        "feedback",
        "matching",
        subject=("participant_id",),
    ),
    _contract("reporting_line.changed.v1", registrations.ReportingLineChanged, "registrations", "intake"),
    _contract("proposal.accepted.v1", registrations.ProposalAccepted, "registrations", "matching", subject=_MATCH),
    _contract("proposal.declined.v1", registrations.ProposalDeclined, "registrations", "matching", subject=_MATCH),
    _contract("proposal.expire.v1", registrations.ExpireProposal, "registrations", "matching", subject=_MATCH),
    _contract("match.end.v1", registrations.EndMatch, "registrations", "matching", subject=_MATCH),
    _contract("round.run.v1", registrations.RunRound, "registrations", "matching", subject=_ROUND),
    _contract("round.solved.v1", registrations.RoundSolved, "registrations", "matching", subject=_ROUND),
    _contract("round.publish.v1", registrations.PublishRound, "registrations", "matching", subject=_ROUND),
    _contract("round.discard.v1", registrations.DiscardRound, "registrations", "matching", subject=_ROUND),
    _contract(
        "mentors.request.v1", registrations.RequestMentors, "registrations", "matching", subject=("participant_id",)
    ),
    _contract(
        "vocabulary.configured.v1",
        registrations.VocabularyConfigured,
        "registrations",
        "intake",
        subject=("program_id",),
    ),
    _contract("match.proposed.v1", matches.MatchProposed, "matches", "matching", subject=_MATCH),
    _contract("match.confirmed.v1", matches.MatchConfirmed, "matches", "matching", subject=_MATCH),
    _contract("match.changed.v1", matches.MatchChanged, "matches", "matching", subject=_MATCH),
    _contract("match.ended.v1", matches.MatchEnded, "matches", "matching", subject=_MATCH),
    _contract("participant.waitlisted.v1", matches.ParticipantWaitlisted, "matches", "matching", subject=_PARTICIPANT),
    _contract("round.completed.v1", matches.RoundCompleted, "matches", "matching", subject=_ROUND),
    _contract("series.planned.v1", meetings.SeriesPlanned, "meetings", "scheduling", subject=_SERIES),
    _contract("series.blocked.v1", meetings.SeriesBlocked, "meetings", "scheduling", subject=_MATCH),
    _contract("series.closed.v1", meetings.SeriesClosed, "meetings", "scheduling", subject=_SERIES),
    _contract("meeting.scheduled.v1", meetings.MeetingScheduled, "meetings", "scheduling", subject=_MEETING),
    _contract("meeting.rescheduled.v1", meetings.MeetingRescheduled, "meetings", "scheduling", subject=_MEETING),
    _contract(
        "meeting.attendees_changed.v1",
        meetings.MeetingAttendeesChanged,
        "meetings",
        "scheduling",
        subject=_MEETING,
    ),
    _contract("meeting.cancelled.v1", meetings.MeetingCancelled, "meetings", "scheduling", subject=_MEETING),
    _contract("meeting.completed.v1", meetings.MeetingCompleted, "meetings", "scheduling", subject=_MEETING),
    _contract("feedback.requested.v1", feedback.FeedbackRequested, "feedback", "feedback", subject=_REQUEST),
    _contract("feedback.submitted.v1", feedback.FeedbackSubmitted, "feedback", "feedback", subject=_REQUEST),
    _contract("match.at_risk.v1", feedback.MatchAtRisk, "feedback", "feedback", subject=_MATCH),
    _contract(
        "notification.sent.v1", notifications.NotificationSent, "notifications", "notifications", subject=_NOTIFICATION
    ),
    _contract(
        "notification.failed.v1",
        notifications.NotificationFailed,
        "notifications",
        "notifications",
        subject=_NOTIFICATION,
    ),
    _contract("person.known.v1", people.PersonKnown, "people", "intake"),
    _contract("person.erased.v1", people.PersonErased, "people", "intake", tombstone=True),
)
BY_TYPE: Mapping[str, Contract] = MappingProxyType({contract.name: contract for contract in CONTRACTS})
BY_MODEL: Mapping[type[Value], Contract] = MappingProxyType({contract.model: contract for contract in CONTRACTS})
