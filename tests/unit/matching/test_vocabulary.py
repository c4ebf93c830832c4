"""Near skills: what the shipped vocabulary holds, and how near skills count for an offer."""

from __future__ import annotations

import re
from fractions import Fraction
from importlib.resources import files
from uuid import UUID

import numpy as np
import pytest
from tests.unit.matching.builders import Story, best_mentor, ident, mentee, mentor, pool_of, skills

from matching.domain import search, vocabulary
from matching.domain.pool import Pool
from matching.domain.score import SCALE, facet_points
from matching.domain.values import Confirmed, NearSkill, OwnVocabulary, SkillLink, Weights
from matching.domain.vocabulary import Entry, entries_of, of_links, starter, starter_entries, term
from mentorstream_events.values import Skill

ENTRIES = starter_entries()
OWN = OwnVocabulary(
    version=1,
    links=(
        SkillLink(skill="Sauces", to_skill="cooking", kind="parent"),
        SkillLink(skill="roux", to_skill="sauces ", kind="parent"),
        SkillLink(skill="sauces", to_skill="soups", kind="related"),
    ),
)
SKILLS_ONLY = Weights(**{name: float(name == "skills") for name in Weights.__struct_fields__})


def named(*levels: tuple[str, int]) -> tuple[Skill, ...]:
    return tuple(Skill(skill=name, level=level) for name, level in levels)


def skill_points(pool: Pool, first: int = 1, second: int = 2) -> Fraction:
    points = facet_points(pool.facts, SKILLS_ONLY, pool.rows([ident(first)]), pool.rows([ident(second)]))
    return Fraction(int(points[0, 0]), SCALE).limit_denominator(100)


def with_own(pool: Pool) -> Pool:
    pool.put_vocabulary(OWN)
    return pool


def test_the_starter_vocabulary_has_some_hundred_skills_each_once() -> None:
    names = [term(name) for entry in ENTRIES for name in (entry.label, *entry.other_names)]
    assert len(ENTRIES) > 300
    assert len(names) == len(set(names))


def test_every_link_names_a_known_skill() -> None:
    labels = {entry.label for entry in ENTRIES}
    for entry in ENTRIES:
        assert entry.parent is None or entry.parent in labels
        assert set(entry.related) <= labels, entry
        assert entry.label not in entry.related


def test_nothing_is_its_own_ancestor() -> None:
    parents = {entry.label: entry.parent for entry in ENTRIES}
    for label in parents:
        seen, above = {label}, parents[label]
        while above is not None:
            assert above not in seen
            seen.add(above)
            above = parents[above]


def test_concepts_are_ids_of_esco_each_once_and_their_source_is_named() -> None:
    concepts = [entry.concept for entry in ENTRIES if entry.concept]
    assert len(concepts) > 150
    assert len(concepts) == len(set(concepts))
    assert all(str(UUID(concept)) == concept for concept in concepts)
    text = (files(vocabulary.__name__) / "starter.txt").read_text(encoding="utf-8")
    assert "This service uses the ESCO classification of the European Commission." in text


def test_the_form_of_the_file() -> None:
    lines = "# said\n\na = b, c [0-1] ~ d\n  d\n    e ~ a\nf"
    assert list(entries_of(lines)) == [
        Entry("a", ("b", "c"), None, ("d",), "0-1"),
        Entry("d", (), "a", (), None),
        Entry("e", (), "d", ("a",), None),
        Entry("f", (), None, (), None),
    ]


@pytest.mark.parametrize("text", ["a\n   b", "a\n    b", "  a"])
def test_lines_that_stand_nowhere_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"line {len(text.splitlines())}")):
        list(entries_of(text))


@pytest.mark.parametrize(
    ("offered", "wanted", "expected"),
    [
        (("sauces", 4), ("SAUCES", 4), Fraction(1)),
        (("sauces", 4), ("cooking", 4), Fraction(3, 4)),  # the parent, one less
        (("cooking", 4), ("sauces", 4), Fraction(2, 4)),  # what is narrower, two less
        (("sauces", 5), ("soups", 5), Fraction(3, 5)),  # related, two less
        (("soups", 5), ("sauces", 5), Fraction(3, 5)),
        (("soups", 1), ("sauces", 4), Fraction(1, 4)),  # never below a beginner
        (("cooking", 5), ("roux", 5), Fraction(0)),  # two steps are none
        (("art", 5), ("roux", 5), Fraction(0)),
    ],
)
def test_how_much_near_skills_count(offered: tuple[str, int], wanted: tuple[str, int], expected: Fraction) -> None:
    pool = with_own(pool_of(mentor(1, offers=named(offered)), mentee(2, wants=named(wanted)), vocabulary="own"))
    assert skill_points(pool) == expected


def test_what_is_said_wins_over_what_follows() -> None:
    offers = named(("cooking", 5), ("sauces", 1))
    pool = with_own(pool_of(mentor(1, offers=offers), mentee(2, wants=named(("sauces", 5))), vocabulary="own"))
    assert skill_points(pool) == Fraction(1, 5)


def test_of_two_near_skills_the_nearer_counts() -> None:
    offers = named(("soups", 3), ("roux", 5))
    pool = with_own(pool_of(mentor(1, offers=offers), mentee(2, wants=named(("sauces", 5))), vocabulary="own"))
    assert skill_points(pool) == Fraction(4, 5)


def test_where_skills_are_linked_twice_the_nearer_link_counts() -> None:
    links = [SkillLink(skill="a", to_skill="b", kind=kind) for kind in ("related", "parent")]
    assert of_links(links).near("a") == of_links(reversed(links)).near("a") == (("b", 1),)
    assert of_links([SkillLink(skill="A ", to_skill="a", kind="parent")]).near("a") == ()


def test_only_the_vocabulary_of_the_policy_counts() -> None:
    people = mentor(1, offers=skills(golang=4, Leadership=3)), mentee(2, wants=skills(go=4, delegation=4))
    assert skill_points(pool_of(*people, vocabulary="exact")) == 0
    assert skill_points(pool_of(*people, vocabulary="starter")) == Fraction(4 + 1, 8)  # another name, and narrower
    assert skill_points(with_own(pool_of(*people, vocabulary="own"))) == 0


def test_every_skill_of_the_starter_vocabulary_counts_for_its_neighbours() -> None:
    known = starter()
    for entry in ENTRIES:
        near = dict(known.near(term(entry.label)))
        assert entry.parent is None or near[term(entry.parent)] == 1
        assert all(near[term(each)] == 2 for each in entry.related if each != entry.parent)
        assert {known.skill(name) for name in entry.other_names} <= {term(entry.label)}


def test_another_vocabulary_repacks_whoever_is_there() -> None:
    story = Story(vocabulary="exact", minimum_score=0.3, weights=SKILLS_ONLY)
    story.join(mentor(1, capacity=2, offers=skills(leadership=5)))
    story.join(mentee(2, wants=skills(delegation=3)))
    story.join(mentee(3, wants=skills(sauces=3)))
    assert sorted(story.pool.waiting) == [ident(2), ident(3)]
    decided = story.configure(vocabulary="starter", minimum_score=0.3, weights=SKILLS_ONLY)
    assert [each.match.mentee.participant_id for each in decided if isinstance(each, Confirmed)] == [ident(2)]
    assert list(story.pool.waiting) == [ident(3)]


def test_an_own_vocabulary_counts_when_it_comes_and_an_older_one_does_not() -> None:
    story = Story(vocabulary="own", minimum_score=0.3, weights=SKILLS_ONLY)
    story.join(mentor(1, offers=skills(cooking=5)))
    story.join(mentee(2, wants=skills(sauces=3)))
    assert story.vocabulary(OwnVocabulary(version=2)) == []
    assert story.vocabulary(OWN) == []
    assert story.pool.waiting
    decided = story.vocabulary(OwnVocabulary(version=3, links=OWN.links))
    assert [type(each) for each in decided] == [Confirmed]


def test_a_pool_loaded_anew_has_its_own_vocabulary() -> None:
    pool = with_own(pool_of(mentor(1, offers=skills(cooking=5)), mentee(2, wants=skills(sauces=3)), vocabulary="own"))
    again = Pool.restored(
        pool.program,
        pool.now,
        participants=pool.participants.values(),
        left={},
        matches=(),
        waiting=(),
        own_vocabulary=pool.own_vocabulary,
    )
    assert skill_points(again) == skill_points(pool) == 1
    assert not again.changes.vocabulary


def test_what_counts_as_near_is_said() -> None:
    pool = with_own(
        pool_of(
            mentor(1, offers=named(("Cooking", 4), ("Soups", 2), ("law", 3))),
            mentee(2, wants=named(("sauces", 3), ("Law", 2), ("roux", 1))),
            vocabulary="own",
        )
    )
    shared = search.common_ground(pool, *(pool.participants[ident(number)] for number in (1, 2)))
    assert shared.skills == ("law",)
    assert shared.near_skills == (
        NearSkill(offered="Cooking", wanted="sauces"),
        NearSkill(offered="Soups", wanted="sauces"),
    )


def test_many_near_skills_widen_the_table_without_harm() -> None:
    """A mentor's neighbours need more room than the table had when the first people came."""
    first = [mentor(number, offers=skills(**{f"craft{number}": 3})) for number in range(1, 40)]
    generalist = mentor(100, offers=named(*((entry.label, 4) for entry in ENTRIES if entry.parent is None)))
    pool = pool_of(*first, generalist, mentee(200, wants=skills(craft7=3)), mentee(201, wants=named(("Python", 2))))
    assert best_mentor(pool, pool.facts.row_of[ident(200)]) is not None
    assert skill_points(pool, 7, 200) == 1
    assert skill_points(pool, 100, 201) == 1
    assert np.all(pool.facts.skills.offers <= 5)
