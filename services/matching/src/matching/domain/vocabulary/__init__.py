"""Which skills are near one another, so that who offers one may count for another, at a lower level.

A vocabulary has skills, other names of theirs, parents, and skills that are related. Other names mean the same skill.
An offer counts for its neighbours too: a step up for its parent, two for what is narrower than it and for what is
related, never below a beginner's level. Who names a skill themselves is taken at their word: what they say of it wins
over what follows from its neighbours. Only one step is taken: what is near to something near is not.

Three kinds: `EXACT`, where every skill stands for itself; `starter`, shipped beside this file, of skills that programs
of many kinds ask for; and a program's own, from the links that it configured. What a skill's neighbours are is decided
here and nowhere else; facts pack them, and rules and score see levels only.

Refuses to guess: nothing is compared by how it is spelt, beyond case and outer blanks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

from ..values import SkillLink

Kind = Literal["exact", "starter", "own"]

_PARENT_STEPS: Final = 1
_OTHER_STEPS: Final = 2


@lru_cache(maxsize=50_000)
def term(text: str) -> str:
    """How tags are compared: without regard to case and outer blanks."""
    return text.strip().casefold()


class Vocabulary:
    """Neighbours of skills. All names in it are as `term` makes them."""

    def __init__(self, names: Mapping[str, str], near: Mapping[str, tuple[tuple[str, int], ...]]) -> None:
        """`names`: other names and the skills they mean. `near`: by skill its neighbours and by how many levels less
        an offer counts for them.
        """
        self._names = names
        self._near = near

    def skill(self, tag: str) -> str:
        """The skill that a tag means."""
        compared = term(tag)
        return self._names.get(compared, compared)

    def near(self, skill: str) -> tuple[tuple[str, int], ...]:
        """The neighbours of a skill, and how many levels less they count."""
        return self._near.get(skill, ())


EXACT: Final = Vocabulary({}, {})


@dataclass(frozen=True, slots=True)
class Entry:
    """A skill of the starter vocabulary. `concept`: the same concept in ESCO, as the last part of its URI."""

    label: str
    other_names: tuple[str, ...]
    parent: str | None
    related: tuple[str, ...]
    concept: str | None


def of_links(links: Iterable[SkillLink], names: Mapping[str, str] | None = None) -> Vocabulary:
    """A vocabulary of links. Where two skills are linked twice, the nearer link counts."""
    steps: dict[str, dict[str, int]] = {}

    def link(skill: str, other: str, fewer: int) -> None:
        known = steps.setdefault(skill, {})
        known[other] = min(fewer, known.get(other, fewer))

    for each in links:
        skill, other = term(each.skill), term(each.to_skill)
        if skill == other:
            continue
        link(skill, other, _PARENT_STEPS if each.kind == "parent" else _OTHER_STEPS)
        link(other, skill, _OTHER_STEPS)
    return Vocabulary(names or {}, {skill: tuple(sorted(near.items())) for skill, near in steps.items()})


@lru_cache(maxsize=1)
def starter() -> Vocabulary:
    """The vocabulary that is shipped."""
    entries = starter_entries()
    links = [SkillLink(skill=each.label, to_skill=each.parent, kind="parent") for each in entries if each.parent]
    links += [SkillLink(skill=each.label, to_skill=other, kind="related") for each in entries for other in each.related]
    return of_links(links, {term(name): term(each.label) for each in entries for name in each.other_names})


def starter_entries() -> tuple[Entry, ...]:
    """The skills of the vocabulary that is shipped, parents before their children."""
    return tuple(entries_of((files(__name__) / "starter.txt").read_text(encoding="utf-8")))


def entries_of(text: str) -> Iterable[Entry]:
    """Read the form of `starter.txt`, which its first lines describe. Raises ValueError naming the line."""
    above: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        depth, odd = divmod(len(line) - len(line.lstrip()), 2)
        if odd or depth > len(above):
            raise ValueError(f"line {number}: indented by neither two blanks more nor as much as a line before")
        rest, _, related = stripped.partition(" ~ ")
        rest, _, concept = rest.partition(" [")
        label, _, names = rest.partition(" = ")
        del above[depth:]
        yield Entry(
            label=label.strip(),
            other_names=_listed(names),
            parent=above[-1] if above else None,
            related=_listed(related),
            concept=concept.rstrip("]") or None,
        )
        above.append(label.strip())


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
