"""What partner organisations send to intake. Requests, in partners' own references; intake turns them into facts.

A partner names people and programs by its own references. A program of another organisation that is open to it is
named "owner/reference". Unknown fields are refused here, so that a typing error is told and not lost.
Whoever decodes them also asks `has_control_character` of the document: a schema's `$` lets a line break slip by.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from .values import (
    AuditGroup,
    Email,
    Fraction,
    Language,
    Matching,
    Objective,
    Role,
    SeniorityGap,
    Skill,
    SkillLink,
    Tag,
    Vocabulary,
    Weights,
    Zone,
)

Reference = Annotated[
    str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$", description="The partner's own id of a person.")
]
ProgramReference = Annotated[
    str,
    Meta(
        pattern="^([a-z0-9][a-z0-9-]{0,62}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="The partner's own id of a program, or owner/id for a program of another organisation.",
    ),
]
OrganisationName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
LocalTime = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", description="HH:MM, local.")]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of what partners send: unknown fields are refused. Never part of a cycle, as no value of an event is."""


class Hours(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours of one weekday in the person's own zone."""

    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    start: LocalTime
    end: LocalTime


class SkillRequest(Skill, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A skill offered or wanted; unlike in an event, unknown fields are refused."""


class AuditGroupRequest(AuditGroup, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group that audits may compare; unlike in an event, unknown fields are refused."""


class WeightsRequest(Weights, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights of the score; unlike in an event, unknown fields are refused. At least one must be above zero."""


class SkillLinkRequest(SkillLink, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two skills that are near each other; unlike in an event, unknown fields are refused."""


class PersonDetails(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who somebody is. The only place where a partner sends personal data."""

    reference: Reference
    full_name: Annotated[str, Meta(min_length=1, max_length=200)]
    email: Email
    zone: Zone
    locale: Language = "en"


class ParticipantDetails(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody brings to a program and looks for in it."""

    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=2)]
    capacity: Annotated[int, Meta(ge=0, le=50, description="Mentees at a time; only for mentors.")] = 1
    languages: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=20)]
    availability: Annotated[tuple[Hours, ...], Meta(min_length=1, max_length=100)]
    offers: Annotated[tuple[SkillRequest, ...], Meta(max_length=50)] = ()
    wants: Annotated[tuple[SkillRequest, ...], Meta(max_length=50)] = ()
    goals: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()
    interests: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()
    values: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()
    style: Tag | None = None
    industry: Tag | None = None
    seniority: Annotated[int, Meta(ge=0, le=10)] = 0
    credentials: Annotated[tuple[Tag, ...], Meta(max_length=20)] = ()
    audit_groups: Annotated[
        tuple[AuditGroupRequest, ...],
        Meta(max_length=10, description="For audits of fairness only, one of each attribute; never part of a match."),
    ] = ()
    blocks: Annotated[tuple[Reference, ...], Meta(max_length=200, description="Never to be matched with.")] = ()


class PolicyRequest(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the program matches; the version is counted by intake."""

    matching: Matching = "on_arrival"
    objective: Annotated[Objective, Meta(description="Of rounds and reviews.")] = "total"
    round_every_days: Annotated[
        Annotated[int, Meta(ge=1, le=91)] | None, Meta(description="Null: a round is run only when it is asked for.")
    ] = None
    round_minimum_matched: Annotated[
        float, Meta(ge=0.0, le=1.0, description="A round that matches a smaller share of the mentees changes nothing.")
    ] = 0.0
    incumbent_bonus: Fraction = 0.02
    requests_limit: Annotated[int, Meta(ge=1, le=10, description="Mentors whom a mentee may ask for.")] = 3
    requests_at_once: Annotated[int, Meta(ge=1, le=3, description="How many of them are asked at a time.")] = 1
    circle_minimum: Annotated[int, Meta(ge=2, le=50)] = 3
    circle_maximum: Annotated[int, Meta(ge=2, le=50)] = 8
    mentor_consent: bool = False
    proposal_days: Annotated[int, Meta(ge=1, le=60)] = 7
    minimum_common_minutes: Annotated[int, Meta(ge=0, le=10080)] = 60
    minimum_score: Fraction = 0.0
    share_language: bool = True
    organisations: Literal["any", "same", "other"] = "any"
    boss_levels: Annotated[int, Meta(ge=0, le=10)] = 2
    same_boss_allowed: bool = True
    seniority_gap_minimum: SeniorityGap | None = None
    seniority_gap_maximum: SeniorityGap | None = None
    mentor_credentials: Annotated[tuple[Tag, ...], Meta(max_length=20)] = ()
    mentee_credentials: Annotated[tuple[Tag, ...], Meta(max_length=20)] = ()
    rematch_former: bool = False
    vocabulary: Vocabulary = "starter"
    weights: WeightsRequest = WeightsRequest()


class TermsRequest(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What matches of the program agree on."""

    cadence_days: Annotated[int, Meta(ge=7, le=91, multiple_of=7)] = 14
    meeting_minutes: Annotated[int, Meta(ge=10, le=240)] = 45
    weeks: Annotated[int, Meta(ge=1, le=104)] = 26
    notice_days: Annotated[int, Meta(ge=0, le=30)] = 2
    meetings_ahead: Annotated[int, Meta(ge=1, le=12)] = 3
    local_time_of: Role = "mentee"
    ask_feedback: bool = True
    low_rating: Annotated[int, Meta(ge=1, le=5)] = 2
    meetings_total: Annotated[
        Annotated[int, Meta(ge=1, le=500)] | None, Meta(description="Left out: one in a flash program, else no limit.")
    ] = None


class ConfigureProgram(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Create a program of one's own, or change it."""

    program: ProgramReference
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: Literal["formal", "informal", "group", "peer", "reverse", "flash"] = "formal"
    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=2)] = ("mentor", "mentee")
    open_to: Annotated[
        tuple[OrganisationName, ...], Meta(max_length=200, description="Other organisations' short names.")
    ] = ()
    policy: PolicyRequest = PolicyRequest()
    terms: TermsRequest = TermsRequest()


class ConfigureVocabulary(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say which skills are near each other in a program of one's own. Replaces what was said before."""

    program: ProgramReference
    links: Annotated[
        tuple[SkillLinkRequest, ...], Meta(max_length=5000, description="At most 32 of them name the same skill.")
    ]


class RegisterParticipant(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Enter a person into a program."""

    program: ProgramReference
    person: PersonDetails
    participant: ParticipantDetails
    manager: Annotated[Reference | UnsetType | None, Meta(description="Their manager; left out: unchanged.")] = UNSET


class UpdateParticipant(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Replace what is known of a participant in a program."""

    program: ProgramReference
    person: Reference
    participant: ParticipantDetails


class WithdrawParticipant(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take a person out of a program."""

    program: ProgramReference
    person: Reference


class RequestRematch(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for another match on a participant's behalf."""

    program: ProgramReference
    person: Reference


class UpdatePerson(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Replace a person's details. A new zone reaches every program that they are in."""

    person: PersonDetails


class SetReportingLine(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say who somebody reports to; null: nobody."""

    person: Reference
    manager: Reference | None


REQUESTS: Mapping[str, type[Request]] = MappingProxyType(
    {
        "mentorstream.program.configure.v1": ConfigureProgram,
        "mentorstream.vocabulary.configure.v1": ConfigureVocabulary,
        "mentorstream.participant.register.v1": RegisterParticipant,
        "mentorstream.participant.update.v1": UpdateParticipant,
        "mentorstream.participant.withdraw.v1": WithdrawParticipant,
        "mentorstream.participant.request_rematch.v1": RequestRematch,
        "mentorstream.person.update.v1": UpdatePerson,
        "mentorstream.reporting_line.set.v1": SetReportingLine,
    }
)
