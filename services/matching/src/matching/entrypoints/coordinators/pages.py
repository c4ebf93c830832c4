"""How the page of coordinators shows what they may see: short references for people, points of a hundred, plain words.

Renders only. Nobody is named: the last eight characters of a participant's id tell people apart, and their organisation
is "yours" or the last eight characters of its id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from matching.entrypoints.words import facet_words, rule_words
from mentorstream_runtime.pages import Pages

from . import answers, explanations, policy_words
from .references import hundredths, short

if TYPE_CHECKING:
    from fastapi.responses import HTMLResponse

    from matching.adapters.coordinated_rounds import Draft, Edit, SeenRound
    from matching.adapters.coordination import SeenProgram
    from matching.adapters.coordinator_keys import Coordinator
    from matching.domain.auditing import FairnessAudit, StrategyAudit
    from matching.domain.explaining import WhyNotInRound
    from matching.domain.what_if import Comparison

_MATCHING: Final = {
    "on_arrival": "as people come",
    "rounds": "in rounds",
    "review": "in rounds that are reviewed",
    "on_request": "on request",
}
OBJECTIVES: Final = {
    "total": "The highest sum of scores",
    "participation": "As many matches as possible",
    "stability": "No two who would rather have each other",
    "fairness": "Those in need first, and nobody badly served",
}
_ASKED_BY: Final = {"clock": "the clock", "coordinator": "a coordinator", "import": "an import"}


@dataclass(frozen=True, slots=True)
class Visit:
    """What every page shows: who looks, their forms' token, and what was just done or went wrong."""

    who: Coordinator | None
    token: str
    program: SeenProgram | None = None
    done: str = ""
    error: str = ""
    status: int = 200


class CoordinatorPages:
    """Renders each page."""

    def __init__(self, package_file: str) -> None:
        self._pages = Pages(package_file)

    def login(self, visit: Visit) -> HTMLResponse:
        """The form that asks for a key."""
        return self._render("login", "Coordination", visit)

    def trouble(self, visit: Visit, title: str) -> HTMLResponse:
        """A page that says what went wrong."""
        return self._render("_frame", title, visit)

    def programs(self, visit: Visit, programs: Sequence[SeenProgram], following: UUID | None) -> HTMLResponse:
        """Where to begin."""
        return self._render("programs", "Programs", visit, programs=programs, next=following)

    def program(
        self, visit: Visit, glance: answers.GlanceAnswer, under_way: SeenRound | None, nonce: UUID
    ) -> HTMLResponse:
        """A pool at a glance."""
        program = _of(visit)
        most = max(glance.waiting_weeks, default=0) or 1
        bars = []
        for week, people in enumerate(glance.waiting_weeks):
            last = week == len(glance.waiting_weeks) - 1
            height = round(90 * people / most)
            bars.append(
                {
                    "x": 4 + 39 * week,
                    "y": 116 - height,
                    "height": height,
                    "people": people,
                    "short": f"{week}+" if last else week,
                    "label": f"{week} weeks or more" if last else f"{week} weeks",
                }
            )
        days = 0 if glance.waiting_since is None else max(0, (program.now - glance.waiting_since).days)
        return self._render(
            "program",
            program.title,
            visit,
            glance=glance,
            bars=bars,
            rate="nobody to match" if glance.match_rate is None else f"{100 * glance.match_rate:.0f} of 100 mentees",
            mean_score="none yet" if glance.mean_score is None else f"{hundredths(glance.mean_score)} of 100 points",
            longest=f"the longest for {days} days",
            under_way=under_way,
            may_run=visit.who is not None and visit.who.may_act and program.policy.matching in ("rounds", "review"),
            matching=_MATCHING.get(program.policy.matching, program.policy.matching),
            nonce=nonce,
        )

    def waiting(self, visit: Visit, entries: Sequence[answers.WaitingAnswer], following: str | None) -> HTMLResponse:
        """Who waits, and why."""
        told = [
            {
                "who": short(each.participant_id),
                "organisation": self._organisation(visit, each.organisation_id),
                "days": each.days,
                "reasons": each.reasons,
                "still": ""
                if each.estimate is None
                else f"{each.estimate.low:.0f} to {each.estimate.high:.0f} more, as waits went here so far",
            }
            for each in entries
        ]
        return self._render("waiting", "Who waits", visit, entries=told, next=following)

    def matches(self, visit: Visit, entries: Sequence[answers.MatchAnswer], following: UUID | None) -> HTMLResponse:
        """Matches, each with a link to why."""
        told = [
            {
                "match_id": each.match_id,
                "mentor": short(each.mentor.participant_id),
                "mentee": short(each.mentee.participant_id),
                "status": each.status,
                "points": hundredths(each.score),
            }
            for each in entries
        ]
        return self._render("matches", "Matches", visit, entries=told, next=following)

    def match(self, visit: Visit, found: explanations.ExplanationAnswer, asked: str) -> HTMLResponse:
        """Why two were matched, and why not another."""
        match, now = found.match, found.now
        sides = [
            f"{short(side.participant_id)}, {self._organisation(visit, side.organisation_id)}"
            for side in (match.mentor, match.mentee)
        ]
        return self._render(
            "match",
            "Why were they matched?",
            visit,
            match=match,
            mentor=sides[0],
            mentee=sides[1],
            points=hundredths(match.score),
            facets=[(facet_words(name), hundredths(share)) for name, share in match.facets.items()],
            now=now,
            broken=[rule_words(rule) for rule in now.broken] if now else [],
            next_mentor=_runner_up(now.runner_up_mentor if now else None),
            next_mentee=_runner_up(now.runner_up_mentee if now else None),
            on_the_day=[] if found.on_the_day is None else _on_the_day(found.on_the_day),
            circle=match.circle_id is not None,
            why_not="" if found.why_not is None else _why_not(found.why_not, match),
            asked=asked,
        )

    def rounds(self, visit: Visit, entries: Sequence[SeenRound], following: str | None) -> HTMLResponse:
        """Rounds, newest first."""
        told = [
            {
                "round_id": each.round_id,
                "when": f"{each.requested_at:%Y-%m-%d %H:%M} UTC",
                "by": _ASKED_BY.get(each.asked_by, each.asked_by),
                "status": each.status,
                "matched": _figure(each, "matched"),
                "gap": _figure(each, "gap"),
            }
            for each in entries
        ]
        return self._render("rounds", "Rounds", visit, entries=told, next=following)

    def round(
        self,
        visit: Visit,
        found: SeenRound,
        drafts: Sequence[Draft],
        edits: Sequence[Edit],
        following: UUID | None,
        *,
        whole: bool,
    ) -> HTMLResponse:
        """A round: what proves it and, while it is drafted, its drafts. `whole`: all of them are on this page."""
        words = (
            ("matched", "Pairs found"),
            ("value", "Sum of scores"),
            ("upper_bound", "No choice is worth more than"),
            ("gap", "So at most this share is missing"),
            ("blocking_pairs", "Pairs who would rather have each other"),
            ("dropped", "Pairs that could not be any more"),
        )
        return self._render(
            "round",
            "A round",
            visit,
            round=found,
            when=f"{found.requested_at:%Y-%m-%d %H:%M} UTC",
            by=_ASKED_BY.get(found.asked_by, found.asked_by),
            objective=OBJECTIVES.get(found.objective, found.objective),
            figures=[(text, _figure(found, name)) for name, text in words if found.figures],
            drafts=[_draft(each) for each in drafts],
            edits=[_edit(each) for each in edits],
            next=following,
            whole=whole,
        )

    def what_if(
        self,
        visit: Visit,
        weights: Mapping[str, tuple[float, int]],
        objective: str,
        scope: str,
        grouping: tuple[Sequence[str], str],
        result: Comparison | None,
    ) -> HTMLResponse:
        """The sliders and, where something was asked, what would be otherwise. `weights`: in force, and asked for.

        `grouping`: by what people can be grouped, and by what they are.
        """
        sliders = [
            {"name": name, "words": facet_words(name), "now": f"{100 * now:.0f}", "value": value}
            for name, (now, value) in weights.items()
        ]
        context: dict[str, Any] = {"result": None}
        if result is not None:
            context = policy_words.compared(result, self._name_of_group(visit, grouping[1]))
        return self._render(
            "what_if",
            "What if?",
            visit,
            sliders=sliders,
            objectives=list(OBJECTIVES.items()),
            objective=objective,
            scope=scope,
            groupings=policy_words.groupings(grouping[0]),
            by=grouping[1],
            by_words=policy_words.grouping_words(grouping[1]),
            **context,
        )

    def audits(
        self,
        visit: Visit,
        grouping: tuple[Sequence[str], str],
        outcome: str,
        fairness: FairnessAudit | None,
        misstating: str,
        strategy: StrategyAudit | None,
    ) -> HTMLResponse:
        """Two forms and, where something was asked, what was found. `grouping` is as for a what-if."""
        context: dict[str, Any] = {"fairness": None, "strategy": None}
        if fairness is not None:
            context |= policy_words.fairness(fairness, self._name_of_group(visit, grouping[1]))
        if strategy is not None:
            context |= policy_words.strategy(strategy)
        return self._render(
            "audits",
            "Audits",
            visit,
            groupings=policy_words.groupings(grouping[0]),
            by=grouping[1],
            by_words=policy_words.grouping_words(grouping[1]),
            outcome=outcome,
            misstating=misstating,
            partners=_of(visit).kind == "peer",
            **context,
        )

    def _name_of_group(self, visit: Visit, grouping: str) -> Callable[[str], str]:
        if grouping == "organisation":
            return lambda group: self._organisation(visit, UUID(group))
        return lambda group: group

    def _organisation(self, visit: Visit, organisation_id: UUID) -> str:
        if visit.who is not None and visit.who.organisation_id == organisation_id:
            return "yours"
        return short(organisation_id)

    def _render(self, template: str, title: str, visit: Visit, **context: object) -> HTMLResponse:
        return self._pages.render(
            f"coordinate/{template}.html",
            status=visit.status,
            title=title,
            who=visit.who,
            token=visit.token,
            program=visit.program,
            done=visit.done,
            error=visit.error,
            **context,
        )


def _of(visit: Visit) -> SeenProgram:
    if visit.program is None:
        raise ValueError("this page is about a program")
    return visit.program


def _runner_up(found: explanations.RunnerUpAnswer | None) -> str:
    if found is None:
        return ""
    return f"{short(found.participant_id)}, with {hundredths(found.short)} points less"


def _why_not(found: explanations.WhyNotAnswer, match: answers.MatchAnswer) -> str:
    who = short(found.participant_id)
    if found.rules:
        return f"{who}: " + "; ".join(found.words) + "."
    if found.change == 0 or found.score is None or found.change is None:
        return f"{who} would be chosen as the pool is now; when this match was made it was different."
    verified = "as solving again shows" if found.verified else "though solving again did not show it"
    return (
        f"{who} scores {hundredths(found.score)} points, this match {hundredths(match.score)}."
        f" With {hundredths(found.change)} points more it would have been {who}, {verified}."
    )


def _on_the_day(day: explanations.OnTheDayAnswer) -> list[str]:
    """What the round knew, in sentences."""
    told = []
    if day.runner_up_mentor is not None and day.ahead is not None:
        told.append(f"The next mentor was {short(day.runner_up_mentor)}, {hundredths(day.ahead)} points behind.")
    if day.runner_up_mentee is not None and day.short is not None:
        told.append(f"The next for the place was {short(day.runner_up_mentee)}, {hundredths(day.short)} points behind.")
    if day.why_not is not None:
        told.append(_why_not_then(day.why_not))
    return told or ["Nobody else came near."]


def _why_not_then(why_not: WhyNotInRound) -> str:
    if not why_not.candidate or why_not.short is None:
        return "The other mentor was no candidate: a rule, no free place, or too many better ones."
    told = f"The other mentor fell short by {hundredths(why_not.short)} points, places' prices counted."
    if why_not.change is None:
        return told
    verified = "as solving the round again shows" if why_not.verified else "though solving it again did not show it"
    return f"{told} {hundredths(why_not.change)} points more would have made the pair, {verified}."


def _figure(found: SeenRound, name: str) -> str:
    value = None if found.figures is None else found.figures.get(name)
    if value is None:
        return "not yet"
    if name == "gap":
        return f"{100 * value:.2f} %"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _draft(draft: Draft) -> dict[str, Any]:
    best = sorted(draft.facets.items(), key=lambda item: (-item[1], item[0]))[:2]
    otherwise = []
    if draft.next_mentor_id is not None:
        ahead = "" if draft.ahead_of_next is None else f" ({hundredths(draft.ahead_of_next)} behind)"
        otherwise.append(f"mentor {short(draft.next_mentor_id)}{ahead}")
    if draft.next_mentee_id is not None:
        lacked = "" if draft.short_of_place is None else f" ({hundredths(draft.short_of_place)} behind)"
        otherwise.append(f"mentee {short(draft.next_mentee_id)}{lacked}")
    return {
        "pair": f"{draft.mentor_id} {draft.mentee_id}",
        "mentor": short(draft.mentor_id),
        "mentee": short(draft.mentee_id),
        "points": hundredths(draft.score),
        "mostly": ", ".join(f"{facet_words(name)} {hundredths(share)}" for name, share in best),
        "otherwise": "; ".join(otherwise) or "nobody",
        "removed": draft.removed,
    }


def _edit(edit: Edit) -> str:
    what = "taken out" if edit.kind == "remove" else "put in"
    return f"{short(edit.mentor_id)} with {short(edit.mentee_id)} {what}"
