"""What a mentee sees where mentees choose: the mentors who fit, without names, and a form that ranks them.

A candidate is called by a number, in the order of the score. What is entered goes by ids, which mean nothing to anybody
and stay the same while the page is open and the order changes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from matching.entrypoints.pages import hours_and_minutes, whole_points
from mentorstream_runtime.local_times import local_time
from mentorstream_runtime.pages import Pages

if TYPE_CHECKING:
    from datetime import datetime

    from fastapi.responses import HTMLResponse

    from matching.adapters.choices import Candidate, Chooser

CHOICES_LIMIT: Final = 10
CANDIDATES_SHOWN: Final = 20
_PLACES: Final = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")
_NONE: Final = "Choose at least one mentor."
_TAKEN: Final = "This mentor cannot be asked any more. Choose another one, or nobody."


def field_of(place: int) -> str:
    """The form's field for a place in the ranking, from 1."""
    return f"choice-{place}"


def read_ranking(entered: Mapping[str, str], limit: int) -> tuple[UUID, ...] | dict[str, str]:
    """The ids chosen, the best liked first, or what is wrong, by field. Places left empty are closed up."""
    ranked: dict[UUID, int] = {}
    errors: dict[str, str] = {}
    for place in range(1, limit + 1):
        text = entered.get(field_of(place), "").strip()
        if not text:
            continue
        try:
            chosen = UUID(text)
        except ValueError:
            errors[field_of(place)] = _TAKEN
            continue
        if chosen in ranked:
            earlier = _PLACES[ranked[chosen] - 1].lower()
            errors[field_of(place)] = f"This mentor is your {earlier} choice already. Choose another one, or nobody."
        else:
            ranked[chosen] = place
    if not ranked and not errors:
        return {field_of(1): _NONE}
    return errors or tuple(ranked)


def gone_of(entered: Mapping[str, str], limit: int, possible: Collection[UUID]) -> dict[str, str]:
    """The fields whose mentors cannot be asked any more, each with what to do."""
    still = {str(each) for each in possible}
    chosen = {field_of(place): entered.get(field_of(place), "").strip() for place in range(1, limit + 1)}
    return {field: _TAKEN for field, text in chosen.items() if text and text.lower() not in still}


@dataclass(frozen=True, slots=True)
class _Shown:
    """A candidate as the page says it. `label` is how the form calls them."""

    value: str
    number: int
    points: int
    wanted: Sequence[str]
    near: Sequence[str]
    offered: Sequence[str]
    goals: Sequence[str]
    industry: str | None
    seniority: int
    languages: Sequence[str]
    common_time: str

    @property
    def label(self) -> str:
        skills = ", ".join((*self.wanted, *self.near, *self.offered)[:3])
        return f"Mentor {self.number}: {self.points} points" + (f", {skills}" if skills else "")


class ChoicePages:
    """Renders the pages of one mentee."""

    def __init__(self, package_file: str) -> None:
        self._pages = Pages(package_file)

    def form(
        self,
        chooser: Chooser,
        candidates: Sequence[Candidate],
        entered: Mapping[str, str],
        errors: Mapping[str, str],
        until: datetime,
    ) -> HTMLResponse:
        """The mentors who fit, and one field for each place of the ranking. With errors the status is 422."""
        if not candidates:
            moment = local_time(until, "UTC")
            return self._pages.message(
                "Nobody to choose at the moment",
                "No mentor who fits has a place at the moment. Please look again later: this link works until"
                f" {moment.day}.",
                status=422 if errors else 200,
            )
        limit = min(chooser.policy.requests_limit, len(candidates))
        return self._pages.render(
            "choice.html",
            status=422 if errors else 200,
            title="Choose who should mentor you",
            program=chooser.title,
            again=chooser.in_vain,
            at_once=chooser.policy.requests_at_once,
            days=chooser.policy.proposal_days,
            candidates=[_shown(number, each) for number, each in enumerate(candidates, 1)],
            places=[(field_of(place), f"{_PLACES[place - 1]} choice") for place in range(1, limit + 1)],
            entered=entered,
            errors=errors,
        )

    def thanks(self) -> HTMLResponse:
        """The list was taken now."""
        return self._pages.message("Thank you, we ask them now", _ASKING)

    def already_chosen(self, *, status: int = 200) -> HTMLResponse:
        """A list was taken before. `status` is 409 where another one was sent now."""
        return self._pages.message("You have already chosen", f"Your first list counts. {_ASKING}", status=status)

    def asking(self, *, status: int = 200) -> HTMLResponse:
        """Mentors are being asked. `status` is 409 where a list was sent now."""
        return self._pages.message("Your mentors are being asked", _ASKING, status=status)

    def over(self) -> HTMLResponse:
        """There is nothing to choose: a match, another policy, or they left."""
        return self._pages.message(
            "There is nothing to choose any more",
            "You have a match, you have left the program, or it does not ask you to choose any more.",
            status=410,
        )


_ASKING: Final = (
    "You need not do anything. We write to you when somebody says yes, or when nobody whom you chose can mentor you:"
    " then you can choose again."
)


def _shown(number: int, candidate: Candidate) -> _Shown:
    profile, shared = candidate.mentor.profile, candidate.shared
    levels = {each.skill: f"{each.skill} ({each.level})" for each in profile.offers}
    near = {each.offered: each.wanted for each in shared.near_skills}
    return _Shown(
        value=str(candidate.mentor.participant_id),
        number=number,
        points=whole_points(candidate.facets)[0],
        wanted=[text for skill, text in levels.items() if skill in shared.skills],
        near=[f"{levels[skill]}, near {wanted}" for skill, wanted in near.items()],
        offered=[text for skill, text in levels.items() if skill not in shared.skills and skill not in near],
        goals=profile.goals,
        industry=profile.industry,
        seniority=profile.seniority,
        languages=profile.languages,
        common_time=hours_and_minutes(shared.common_minutes),
    )
