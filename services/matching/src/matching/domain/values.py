"""What matching decides on and what it decides, as plain frozen values.

Structs rather than dataclasses: some ten of them are made for each registration, in a tenth of the time. Frozen values
of values never form a cycle, so the garbage collector need not know of them.

They mirror the wire's values without importing them: a contract may get a new version without the rules noticing.
Refuses to hold anything that names a person; people are ids.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias
from uuid import UUID

from msgspec import Struct, field

Role = Literal["mentor", "mentee"]
RuleName = Literal[
    "no_candidates",
    "role",
    "same_person",
    "organisation",
    "credentials",
    "mentee_credentials",
    "language",
    "common_time",
    "seniority_gap",
    "reporting_line",
    "same_boss",
    "block",
    "former_match",
    "minimum_score",
    "capacity",
    "next_round",
    "no_request",
    "better_used_elsewhere",
    "awaits_circle",
]
FacetName = Literal[
    "skills", "goals", "interests", "values", "style", "industry", "seniority", "common_time", "zone_distance"
]
Status = Literal["proposed", "confirmed", "ended"]
EndReason = Literal[
    "declined",
    "expired",
    "withdrawn",
    "rematch",
    "coordinator",
    "term_over",
    "unfit",
    "other_accepted",
    "no_longer_fits",
]
Matching = Literal["on_arrival", "rounds", "review", "on_request"]
Objective = Literal["total", "participation", "stability", "fairness"]
ChangeReason = Literal["participant_updated", "terms", "reporting_line", "members"]


# How a request ends that one of the two, or their coordinator, does not want.
_SAID_NO: Final[frozenset[EndReason]] = frozenset({"declined", "rematch", "coordinator"})


class Contradiction(ValueError):
    """A request that makes no sense in this program. Raised before anything has changed.

    `reason` is stable, `detail` is for people and carries no personal data.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Hours(Protocol):
    """One interval of a week in local time: ISO weekday, minutes from local midnight, the end exclusive."""

    @property
    def weekday(self) -> int: ...
    @property
    def start_minute(self) -> int: ...
    @property
    def end_minute(self) -> int: ...


class Skill(Protocol):
    """A skill and its level, 1 beginner to 5 expert."""

    @property
    def skill(self) -> str: ...
    @property
    def level(self) -> int: ...


class Profile(Protocol):
    """What the rules and the score look at, and no more. Empty tuples, None and seniority 0 mean: not known.

    What it is made of is not said here, so that what was decoded is looked at as it came: nothing is copied for each
    registration. It is frozen, and profiles that say the same are equal.
    """

    @property
    def zone(self) -> str: ...
    @property
    def languages(self) -> tuple[str, ...]: ...
    @property
    def availability(self) -> tuple[Hours, ...]: ...
    @property
    def offers(self) -> tuple[Skill, ...]: ...
    @property
    def wants(self) -> tuple[Skill, ...]: ...
    @property
    def goals(self) -> tuple[str, ...]: ...
    @property
    def interests(self) -> tuple[str, ...]: ...
    @property
    def values(self) -> tuple[str, ...]: ...
    @property
    def style(self) -> str | None: ...
    @property
    def industry(self) -> str | None: ...
    @property
    def seniority(self) -> int: ...


class Participant(Struct, frozen=True, kw_only=True, gc=False):
    """A person in a program. `managers` (nearest first) and `blocks` are person ids."""

    participant_id: UUID
    person_id: UUID
    organisation_id: UUID
    roles: tuple[Role, ...]
    capacity: int
    profile: Profile
    managers: tuple[UUID, ...] = ()
    blocks: tuple[UUID, ...] = ()
    credentials: tuple[str, ...] = ()
    joined_at: datetime

    @property
    def is_mentor(self) -> bool:
        return "mentor" in self.roles

    @property
    def is_mentee(self) -> bool:
        return "mentee" in self.roles


class Weights(Struct, frozen=True, kw_only=True, gc=False, cache_hash=True):
    """Relative weight of each facet, from 0 to 1; only their proportions count."""

    skills: float = 0.40
    goals: float = 0.15
    interests: float = 0.10
    values: float = 0.05
    style: float = 0.05
    industry: float = 0.05
    seniority: float = 0.10
    common_time: float = 0.10
    zone_distance: float = 0.0


class Policy(Struct, frozen=True, kw_only=True, gc=False):
    """How a program matches. `version` is recorded with every decision. `reverse` comes of the program's kind."""

    version: int = 1
    matching: Matching = "on_arrival"
    objective: Objective = "total"
    round_every_days: int | None = None
    round_minimum_matched: float = 0.0
    incumbent_bonus: float = 0.02
    requests_limit: int = 3
    requests_at_once: int = 1
    circle_minimum: int = 3
    circle_maximum: int = 8
    mentor_consent: bool = False
    proposal_days: int = 7
    minimum_common_minutes: int = 60
    minimum_score: float = 0.0
    share_language: bool = True
    organisations: Literal["any", "same", "other"] = "any"
    boss_levels: int = 2
    same_boss_allowed: bool = True
    seniority_gap_minimum: int | None = None
    seniority_gap_maximum: int | None = None
    mentor_credentials: tuple[str, ...] = ()
    mentee_credentials: tuple[str, ...] = ()
    rematch_former: bool = False
    vocabulary: Literal["exact", "starter", "own"] = "starter"
    reverse: bool = False
    weights: Weights = field(default_factory=Weights)

    @property
    def in_rounds(self) -> bool:
        """Whether nobody is matched before a round."""
        return self.matching in ("rounds", "review")


class Terms(Struct, frozen=True, kw_only=True, gc=False):
    """What a match agrees. Matching itself needs `weeks` only; the rest is passed on."""

    cadence_days: int = 14
    meeting_minutes: int = 45
    weeks: int = 26
    notice_days: int = 2
    meetings_ahead: int = 3
    local_time_of: Role = "mentee"
    ask_feedback: bool = True
    low_rating: int = 2
    meetings_total: int | None = None


class SkillLink(Struct, frozen=True, kw_only=True, gc=False):
    """Two skills that are near: `to_skill` is the wider one, the parent, or the two are related."""

    skill: str
    kind: Literal["parent", "related"]
    to_skill: str


class OwnVocabulary(Struct, frozen=True, kw_only=True, gc=False):
    """The links of skills that a program configured. Version 0: none."""

    version: int = 0
    links: tuple[SkillLink, ...] = ()


class NearSkill(Struct, frozen=True, kw_only=True, gc=False):
    """A skill that is offered and one near to it that is wanted, each in its owner's words."""

    offered: str
    wanted: str


class Program(Struct, frozen=True, kw_only=True, gc=False):
    """One pool of people under one policy."""

    program_id: UUID
    organisation_id: UUID
    organisations: tuple[UUID, ...]
    title: str
    kind: str
    policy: Policy
    terms: Terms


class Shared(Struct, frozen=True, kw_only=True, gc=False):
    """What the two of a match have in common, in words, for the page where the mentor answers."""

    languages: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    near_skills: tuple[NearSkill, ...] = ()
    goals: tuple[str, ...] = ()
    interests: tuple[str, ...] = ()
    common_minutes: int = 0


class Side(Struct, frozen=True, kw_only=True, gc=False):
    """Who stands on one side of a match: enough to end it after they have left."""

    participant_id: UUID
    person_id: UUID
    organisation_id: UUID


class Match(Struct, frozen=True, kw_only=True, gc=False):
    """A mentor and a mentee. It holds `slot` of the mentor's capacity until it has ended.

    `again`: their persons were matched in this program before, and the policy let them meet again. Mentees of one
    circle have a match each, with the same `circle_id`. `partners` mentor each other: each is on both sides, and has no
    other match. `capacity` is the capacity in force when the slot was taken; it may have been lowered since.
    `waiting_since` is when the mentee's wait had begun: should the proposal fall through, that is their place in the
    queue again. `requested`: the mentee had chosen this mentor.
    """

    match_id: UUID
    mentor: Side
    mentee: Side
    status: Status
    slot: int
    capacity: int
    score: float
    facets: dict[str, float]
    shared: Shared
    policy_version: int
    round_id: UUID | None = None
    again: bool = False
    circle_id: UUID | None = None
    partners: bool = False
    waiting_since: datetime
    proposed_at: datetime
    expires_at: datetime | None = None
    confirmed_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    requested: bool = False

    @property
    def told_as(self) -> UUID:
        """The id under which others know it: that of its circle, if it is in one."""
        return self.circle_id or self.match_id

    @property
    def bars_repeat(self) -> bool:
        """Whether its two are not to be brought together again.

        A mentor whom a mentee chose, and who neither began nor said no, may be chosen again.
        """
        return not self.requested or self.confirmed_at is not None or self.end_reason in _SAID_NO


class Choice(Struct, frozen=True, kw_only=True, gc=False):
    """A mentee's list of mentors, where mentees choose. `number` counts their lists, from 1.

    `mentors` are participant ids of those on it who were not asked yet, the one they would like best first; nobody is
    left on a list that is done with. `decided_at`: when the newest one was decided on.
    """

    participant_id: UUID
    organisation_id: UUID
    number: int
    mentors: tuple[UUID, ...] = ()
    decided_at: datetime


class Reason(Struct, frozen=True, kw_only=True, gc=False):
    """A rule and how many mentors it was the first to remove."""

    rule: RuleName
    removed: int


class Waiting(Struct, frozen=True, kw_only=True, gc=False):
    """A mentee without a mentor, since when, and why as of the last look at the whole pool."""

    participant_id: UUID
    organisation_id: UUID
    since: datetime
    reasons: tuple[Reason, ...] = ()


class Proposed(Struct, frozen=True, gc=False):
    """The match waits for the mentor's yes."""

    match: Match


class Confirmed(Struct, frozen=True, gc=False):
    """The match began."""

    match: Match


class Changed(Struct, frozen=True, gc=False):
    """Something that others must know of changed in a running match."""

    match: Match
    reason: ChangeReason


class Ended(Struct, frozen=True, gc=False):
    """The match is over; its `end_reason` says why."""

    match: Match
    was_confirmed: bool


class Waitlisted(Struct, frozen=True, gc=False):
    """A mentee has to wait now, or waits for other reasons than before."""

    waiting: Waiting


AskedBy = Literal["clock", "coordinator", "import"]
RoundStatus = Literal["requested", "applied", "drafted", "gated", "discarded", "published", "failed"]


class Figures(Struct, frozen=True, kw_only=True, gc=False):
    """What a round says of its own answer, in scores. `dropped`: pairs that could not be when they were to begin."""

    value: float = 0.0
    upper_bound: float = 0.0
    gap: float = 0.0
    blocking_pairs: int = 0
    matched: int = 0
    dropped: int = 0


class Round(Struct, frozen=True, kw_only=True, gc=False):
    """One matching of the whole pool, from the request on. Open while it is asked for, or its drafts wait."""

    round_id: UUID
    asked_by: AskedBy
    objective: Objective
    policy_version: int
    seed: int
    requested_at: datetime
    participants: int
    input_digest: str
    status: RoundStatus = "requested"
    completed_at: datetime | None = None
    result_digest: str | None = None
    figures: Figures = field(default_factory=Figures)

    @property
    def open(self) -> bool:
        return self.status in ("requested", "drafted")


class RoundDone(Struct, frozen=True, gc=False):
    """Something came of a round: its `status` says what."""

    round: Round


Decision: TypeAlias = Proposed | Confirmed | Changed | Ended | Waitlisted | RoundDone
