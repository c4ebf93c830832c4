"""Values that several contracts share: profiles, weekly hours, policies, terms, members of a match.

Every value is frozen and carries no personal data: people appear as ids only. Readers ignore fields that they do not
know, so a field may be added with a default; it may never be removed, renamed or given another meaning within a
version. Texts, numbers and lists have bounds, so that whatever decodes also fits its column and its record.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

Role = Literal["mentor", "mentee"]
# What somebody is in a match: partners mentor each other.
Part = Literal["mentor", "mentee", "partner"]
ProgramId = Annotated[UUID, Meta(description="The program.")]
OrganisationId = Annotated[UUID, Meta(description="The organisation that the person belongs to.")]
PersonId = Annotated[UUID, Meta(description="Random id that intake minted; who it is, only `people` says.")]
ParticipantId = Annotated[UUID, Meta(description="The person's part in this program.")]
MatchId = Annotated[UUID, Meta(description="The match, from its proposal on.")]
SeriesId = Annotated[UUID, Meta(description="The series of regular meetings; planning anew makes a new one.")]
MeetingId = Annotated[UUID, Meta(description="The meeting; the same when it moves.")]
RequestId = Annotated[UUID, Meta(description="The request for feedback: one for each meeting and participant.")]
RoundId = Annotated[UUID, Meta(description="One matching of the whole pool.")]
Timestamp = Annotated[datetime, Meta(tz=True, description="RFC 3339 instant with an offset, UTC when written.")]
Zone = Annotated[str, Meta(min_length=1, max_length=64, description="IANA time zone, such as Europe/Paris.")]
Language = Annotated[
    str, Meta(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35, description="BCP 47 language tag.")
]
Email = Annotated[str, Meta(pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$", max_length=254, description="One bare address.")]
Tag = Annotated[str, Meta(min_length=1, max_length=120)]
Level = Annotated[int, Meta(ge=1, le=5, description="1 beginner to 5 expert.")]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0, le=2_147_483_647)]
Version = Annotated[int, Meta(ge=1, le=2_147_483_647)]
Seed = Annotated[int, Meta(ge=0, le=2_147_483_647, description="Orders what is equal, and decides nothing else.")]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64, description="SHA-256, in hexadecimal.")]
Matching = Literal["on_arrival", "rounds", "review", "on_request"]
Objective = Literal["total", "participation", "stability", "fairness"]
Vocabulary = Literal["exact", "starter", "own"]
SeniorityGap = Annotated[
    int, Meta(ge=-10, le=10, description="Steps that the mentor is above the mentee; below where negative.")
]


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False, gc=False):
    """Base of everything that travels inside an event: frozen, keyword only, open to unknown fields.

    Frozen values of values never form a cycle, so the garbage collector need not know of them, however many are kept.
    """


class WeeklyHours(Value, frozen=True, kw_only=True):
    """One interval of a week, in the local time of the participant's zone. Minutes count from local midnight."""

    weekday: Annotated[int, Meta(ge=1, le=7, description="ISO weekday: 1 Monday to 7 Sunday.")]
    start_minute: Annotated[int, Meta(ge=0, le=1439)]
    end_minute: Annotated[int, Meta(ge=1, le=1440, description="Exclusive; above start_minute.")]


class Skill(Value, frozen=True, kw_only=True):
    """A skill and how well it is known, or wanted."""

    skill: Tag
    level: Level = 3


class Profile(Value, frozen=True, kw_only=True):
    """What matching knows of a participant. Nothing in it names or describes the person otherwise."""

    zone: Zone
    languages: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=20)]
    availability: Annotated[tuple[WeeklyHours, ...], Meta(max_length=100)]
    offers: Annotated[tuple[Skill, ...], Meta(max_length=50)] = ()
    wants: Annotated[tuple[Skill, ...], Meta(max_length=50)] = ()
    goals: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()
    interests: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()
    values: Annotated[tuple[Tag, ...], Meta(max_length=50)] = ()
    style: Tag | None = None
    industry: Tag | None = None
    seniority: Annotated[int, Meta(ge=0, le=10, description="0 unknown, 1 first job to 10 executive.")] = 0


class AuditGroup(Value, frozen=True, kw_only=True):
    """A group that somebody counts to when a program's owner looks whether groups fare alike, and for nothing else."""

    attribute: Annotated[str, Meta(min_length=1, max_length=40, description="What is compared, such as an age band.")]
    group: Annotated[str, Meta(min_length=1, max_length=60, description="A wide group that many belong to.")]


class Weights(Value, frozen=True, kw_only=True):
    """Relative weight of each facet of the score. They are normalised to sum to one before use."""

    skills: Fraction = 0.40
    goals: Fraction = 0.15
    interests: Fraction = 0.10
    values: Fraction = 0.05
    style: Fraction = 0.05
    industry: Fraction = 0.05
    seniority: Fraction = 0.10
    common_time: Fraction = 0.10
    zone_distance: Annotated[float, Meta(ge=0.0, le=1.0, description="How near their clocks are.")] = 0.0


class Policy(Value, frozen=True, kw_only=True):
    """How a program matches. The version grows by one with each change and is recorded with every decision."""

    version: Version = 1
    matching: Annotated[
        Matching,
        Meta(
            description=(
                "When pairs are made: as people come; by rounds over the whole pool; by rounds that a coordinator"
                " reviews first; or when a mentee asks for mentors."
            )
        ),
    ] = "on_arrival"
    objective: Annotated[
        Objective, Meta(description="What rounds are for: the largest sum, most pairs, no pair that would swap, need.")
    ] = "total"
    round_every_days: Annotated[
        Annotated[int, Meta(ge=1, le=91)] | None, Meta(description="Null: a round is run only when it is asked for.")
    ] = None
    round_minimum_matched: Annotated[
        float, Meta(ge=0.0, le=1.0, description="A round that matches a smaller share of the mentees changes nothing.")
    ] = 0.0
    incumbent_bonus: Annotated[
        float, Meta(ge=0.0, le=1.0, description="Score that an open proposal counts more, so that rounds move few.")
    ] = 0.02
    requests_limit: Annotated[int, Meta(ge=1, le=10, description="Mentors whom a mentee may ask for.")] = 3
    requests_at_once: Annotated[int, Meta(ge=1, le=3, description="How many of them are asked at a time.")] = 1
    circle_minimum: Annotated[int, Meta(ge=2, le=50, description="Mentees in a circle, at least.")] = 3
    circle_maximum: Annotated[int, Meta(ge=2, le=50, description="Mentees in a circle, at most.")] = 8
    mentor_consent: Annotated[bool, Meta(description="A proposal waits for the mentor's yes.")] = False
    proposal_days: Annotated[int, Meta(ge=1, le=60, description="Days until a proposal expires.")] = 7
    minimum_common_minutes: Annotated[int, Meta(ge=0, le=10080, description="Least common time in a week.")] = 60
    minimum_score: Fraction = 0.0
    share_language: bool = True
    organisations: Annotated[
        Literal["any", "same", "other"], Meta(description="Which organisations a pair may come from.")
    ] = "any"
    boss_levels: Annotated[
        int, Meta(ge=0, le=10, description="How far up or down a reporting line a pair may not be.")
    ] = 2
    same_boss_allowed: Annotated[bool, Meta(description="Two people with the same manager may be paired.")] = True
    seniority_gap_minimum: SeniorityGap | None = None
    seniority_gap_maximum: SeniorityGap | None = None
    mentor_credentials: Annotated[
        tuple[Tag, ...], Meta(max_length=20, description="What a mentor must hold, such as 'trained'.")
    ] = ()
    mentee_credentials: Annotated[tuple[Tag, ...], Meta(max_length=20, description="What a mentee must hold.")] = ()
    rematch_former: Annotated[bool, Meta(description="People whose match ended may be paired again.")] = False
    vocabulary: Annotated[
        Vocabulary,
        Meta(description="Which skills count as near: none; those of the vocabulary that comes along; the program's."),
    ] = "starter"
    weights: Weights = Weights()


class Terms(Value, frozen=True, kw_only=True):
    """What a match agreed: cadence, meeting length, end, whose local time holds, how feedback is asked."""

    cadence_days: Annotated[int, Meta(ge=7, le=91, multiple_of=7)] = 14
    meeting_minutes: Annotated[int, Meta(ge=10, le=240)] = 45
    weeks: Annotated[int, Meta(ge=1, le=104, description="Length of the match.")] = 26
    notice_days: Annotated[int, Meta(ge=0, le=30, description="Days between confirmation and first meeting.")] = 2
    meetings_ahead: Annotated[int, Meta(ge=1, le=12, description="Meetings kept booked ahead.")] = 3
    local_time_of: Annotated[Role, Meta(description="Whose local time stays the same when clocks change.")] = "mentee"
    ask_feedback: bool = True
    low_rating: Annotated[int, Meta(ge=1, le=5, description="A rating at or below it puts the match at risk.")] = 2
    meetings_total: Annotated[
        Annotated[int, Meta(ge=1, le=500)] | None,
        Meta(description="Meetings that a match has at most; null: as many as fit into its weeks."),
    ] = None


class Member(Value, frozen=True, kw_only=True):
    """One side of a match, with all that scheduling needs of them."""

    participant_id: ParticipantId
    person_id: PersonId
    organisation_id: OrganisationId
    role: Part
    zone: Zone
    languages: Annotated[tuple[Language, ...], Meta(min_length=1, max_length=20)]
    availability: Annotated[tuple[WeeklyHours, ...], Meta(max_length=100)]


class ReportingLine(Value, frozen=True, kw_only=True):
    """A person's managers, nearest first, as far up as the program's policy looks."""

    person_id: PersonId
    managers: Annotated[tuple[UUID, ...], Meta(max_length=10)]


class Reason(Value, frozen=True, kw_only=True):
    """A rule that stood in the way and how many candidates it removed."""

    rule: Literal[
        "no_candidates",
        "capacity",
        "role",
        "same_person",
        "language",
        "common_time",
        "reporting_line",
        "organisation",
        "block",
        "credentials",
        "former_match",
        "minimum_score",
        "seniority_gap",
        "same_boss",
        "mentee_credentials",
        "next_round",
        "no_request",
        "better_used_elsewhere",
        "awaits_circle",
    ]
    removed: Count


class Pair(Value, frozen=True, kw_only=True):
    """A mentor and a mentee, as participants of the program."""

    mentor_id: ParticipantId
    mentee_id: ParticipantId


class SkillLink(Value, frozen=True, kw_only=True):
    """Two skills that are near each other: the one is a kind of the other, or they are related."""

    skill: Tag
    kind: Annotated[Literal["parent", "related"], Meta(description="Parent: to_skill is the wider one.")]
    to_skill: Tag


class Attendee(Value, frozen=True, kw_only=True):
    """Who is invited to a meeting. The zone is for showing the time, never for computing it."""

    participant_id: ParticipantId
    person_id: PersonId
    organisation_id: OrganisationId
    role: Part
    zone: Zone
