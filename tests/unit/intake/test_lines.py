"""Reporting lines against a plain model: chains, circles, who is below."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from intake.domain.lines import Lines

PEOPLE = [UUID(int=number) for number in range(1, 9)]
person = st.sampled_from(PEOPLE)
changes = st.lists(st.tuples(person, st.one_of(st.none(), person)), max_size=30)


def _apply(steps: list[tuple[UUID, UUID | None]]) -> tuple[Lines, dict[UUID, UUID]]:
    lines, model = Lines({}), dict[UUID, UUID]()
    for who, manager in steps:
        if manager is not None and lines.closes_circle(who, manager):
            continue
        lines.put(who, manager)
        if manager is None:
            model.pop(who, None)
        else:
            model[who] = manager
    return lines, model


def _all_above(model: dict[UUID, UUID], who: UUID) -> list[UUID]:
    above = []
    while who in model:
        who = model[who]
        above.append(who)
        assert len(above) <= len(PEOPLE), "a circle"
    return above


@given(changes, st.integers(min_value=0, max_value=10))
def test_chains_are_what_walking_up_finds_and_never_circle(steps: list[tuple[UUID, UUID | None]], levels: int) -> None:
    lines, model = _apply(steps)
    for who in PEOPLE:
        assert list(lines.chain(who, levels)) == _all_above(model, who)[:levels]
        assert lines.manager_of(who) == model.get(who)
        assert set(lines.reports_of(who)) == {each for each, manager in model.items() if manager == who}


@given(changes, st.integers(min_value=0, max_value=10))
def test_below_are_those_who_have_the_person_in_their_chain(steps: list[tuple[UUID, UUID | None]], levels: int) -> None:
    lines, model = _apply(steps)
    for who in PEOPLE:
        expected = {each for each in PEOPLE if who in _all_above(model, each)[:levels]} | {who}
        found = lines.from_here_down(who, levels)
        assert set(found) == expected
        assert len(found) == len(expected)
        assert found[0] == who


@given(changes, person, person)
def test_a_circle_is_what_would_lead_back(steps: list[tuple[UUID, UUID | None]], who: UUID, manager: UUID) -> None:
    lines, model = _apply(steps)
    assert lines.closes_circle(who, manager) == (who == manager or who in _all_above(model, manager))


def test_a_stored_circle_keeps_nobody_busy() -> None:
    first, second = PEOPLE[:2]
    lines = Lines({first: second, second: first})
    assert lines.chain(first, 10) == (second, first)
    assert lines.closes_circle(PEOPLE[2], first) is False
    assert set(lines.from_here_down(first, 10)) == {first, second}
