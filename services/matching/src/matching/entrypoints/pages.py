"""What a mentor sees of a proposal: what the two have in common and how the score came about. No names: the e-mail that
brought the link has them, this service does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from mentorstream_runtime.local_times import local_time
from mentorstream_runtime.pages import Pages

from .words import facet_words

if TYPE_CHECKING:
    from datetime import datetime

    from fastapi.responses import HTMLResponse

    from matching.adapters.requests import Answer, ShownProposal

_DONE: Final = {
    "accept": ("Thank you, the match begins", "You will get an e-mail with the first meetings."),
    "decline": ("Thank you for telling us", "We will look for another mentor. You need not do anything else."),
}
_BEFORE: Final = {
    "accept": "You accepted this proposal. There is nothing more to do.",
    "decline": "You declined this proposal. There is nothing more to do.",
}


class ProposalPages:
    """Renders the pages of one proposal."""

    def __init__(self, package_file: str) -> None:
        self._pages = Pages(package_file)

    def form(
        self, proposal: ShownProposal, expires_at: datetime, *, status: int = 200, error: str = ""
    ) -> HTMLResponse:
        """What is proposed, and two buttons."""
        until = local_time(expires_at, "UTC")  # where mentors are, this service does not know
        fit, parts = whole_points(proposal.facets)
        facets = [(facet_words(name), points) for name, points in parts.items()]
        return self._pages.render(
            "proposal.html",
            status=status,
            title="Will you be their mentor?",
            proposal=proposal,
            fit=fit,
            facets=facets,
            common_hours=hours_and_minutes(proposal.shared.common_minutes),
            answer_until=f"{until.day}, {until.clock} UTC",
            error=error,
        )

    def thanks(self, answer: Answer) -> HTMLResponse:
        """The answer was taken now."""
        title, text = _DONE[answer]
        return self._pages.message(title, text)

    def already_answered(self, answer: Answer, *, status: int = 200) -> HTMLResponse:
        """An answer was taken before. `status` is 409 where another one was sent now."""
        return self._pages.message("You have already answered", _BEFORE[answer], status=status)

    def expired(self) -> HTMLResponse:
        """Nobody answered in time."""
        return self._pages.message("The time to answer is over", "This proposal is no longer open.", status=410)

    def over(self) -> HTMLResponse:
        """The proposal was taken back, or what came of it has ended."""
        return self._pages.message(
            "This proposal is no longer open", "It was withdrawn, or the match has ended.", status=410
        )


def whole_points(facets: Mapping[str, float]) -> tuple[int, dict[str, int]]:
    """The score in points of a hundred, and its facets in whole points that sum to it (by largest remainder)."""
    exact = {name: 100 * value for name, value in facets.items()}
    total = round(sum(exact.values()))
    points = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (points[name] - exact[name], name))
    for name in by_remainder[: max(0, total - sum(points.values()))]:
        points[name] += 1
    return total, points


def hours_and_minutes(minutes: int) -> str:
    """For example "2 h 30 min"."""
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} h"] * (hours > 0) + [f"{rest} min"] * (rest > 0)
    return " ".join(parts) or "none"
