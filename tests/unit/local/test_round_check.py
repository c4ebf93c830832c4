"""The checker of rounds agrees with the engine on what is right, and finds each thing that may be wrong."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.unit.matching_engine.pools import random_market
from typer.testing import CliRunner

from matching.domain.engine import fairness, rounds
from matching.domain.engine.market import Market, load_costs
from mentorstream_local.cli import app
from mentorstream_local.round_check import ONE, Answer, Claims, check
from mentorstream_local.round_file import FORMAT, RoundFile, Unreadable, answer_of

OBJECTIVES = ("total", "participation", "stability", "fairness")


def solved(objective: Any, seed: int = 3) -> tuple[Market, rounds.Round]:
    market = random_market(seed, 60, 25)
    need = None
    if objective == "fairness":
        costs = load_costs(np.zeros(market.mentors, np.int64), market.capacity, 1 << 12)
        market = replace(market, place_cost=costs)
        need = fairness.need_order(np.arange(60), np.zeros(60, np.bool_))
    return market, rounds.run(market, rounds.Wish(objective, epsilon=512, need_order=need))


def written(objective: Any, seed: int = 3) -> tuple[Answer, Claims]:
    """What is stored of a round, as `round.completed` and the answer have it."""
    market, answer = solved(objective, seed)
    certificate, mentor_of = answer.certificate, answer.assignment.mentor_of
    mentors, mentees = tuple(f"o{j}" for j in range(market.mentors)), tuple(f"e{i}" for i in range(market.mentees))
    pairs = tuple((mentors[j], mentees[i], 0.5, (0.25, 0.25)) for i, j in enumerate(mentor_of.tolist()) if j >= 0)
    claims = Claims(
        kind="formal",
        objective=objective,
        value=max(0, certificate.value) / ONE,
        upper_bound=max(0, certificate.bound) / ONE,
        gap=min(1.0, max(0.0, certificate.gap)),
        blocking_pairs=certificate.blocking,
        matched=certificate.matched,
    )
    whole = Answer(
        mentors=mentors,
        mentees=mentees,
        start=market.start,
        mentor=market.mentor.astype(np.int64),
        points=market.points.astype(np.int64),
        capacity=market.capacity.astype(np.int64),
        place_cost=market.place_cost,
        mentor_of=mentor_of.astype(np.int64),
        price=answer.assignment.price,
        bonus=answer.assignment.bonus,
        floor=answer.floor,
        pairs=pairs,
    )
    return whole, claims


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seed", range(4))
def test_rounds_of_the_engine_are_as_they_say(objective: str, seed: int) -> None:
    answer, claims = written(objective, seed)
    findings = check(answer, claims)
    assert findings.faults == []
    assert findings.matched > 20
    assert findings.upper_bound >= findings.value


def _one_more(answer: Answer) -> Answer:
    """The best candidate of the first mentee left over, although that mentor is full."""
    mentor_of = answer.mentor_of.copy()
    full = np.flatnonzero(np.bincount(mentor_of[mentor_of >= 0], minlength=25) == answer.capacity)
    for i in np.flatnonzero(mentor_of < 0):
        for e in range(answer.start[i], answer.start[i + 1]):
            if answer.mentor[e] in full:
                mentor_of[i] = answer.mentor[e]
                return replace(answer, mentor_of=mentor_of)
    raise AssertionError("nobody is left over")


def _stranger(answer: Answer) -> Answer:
    mentor_of = answer.mentor_of.copy()
    i = int(np.flatnonzero(mentor_of >= 0)[0])
    own = set(answer.mentor[answer.start[i] : answer.start[i + 1]].tolist())
    mentor_of[i] = next(j for j in range(25) if j not in own)
    return replace(answer, mentor_of=mentor_of)


def _low_prices(answer: Answer) -> Answer:
    return replace(answer, price=np.zeros_like(answer.price))


WRONG: dict[str, tuple[Callable[[Answer], Answer], str]] = {
    "a place too many": (_one_more, "more than their places"),
    "no candidate": (_stranger, "no candidate"),
    "prices of nothing": (_low_prices, "upper_bound"),
    "negative prices": (lambda answer: replace(answer, price=answer.price - (1 << 40)), "negative"),
    "a pair not told": (lambda answer: replace(answer, pairs=answer.pairs[1:]), "made and not told"),
    "facets that do not sum": (
        lambda answer: replace(answer, pairs=((*answer.pairs[0][:3], (0.5, 0.25)), *answer.pairs[1:])),
        "sum of their facets",
    ),
    "fewer points": (lambda answer: replace(answer, points=answer.points[:-1]), "as many entries"),
    "a mentor beyond": (lambda answer: replace(answer, mentor_of=answer.mentor_of + 25), "not there"),
}


@pytest.mark.parametrize(("spoil", "fault"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_found(spoil: Callable[[Answer], Answer], fault: str) -> None:
    answer, claims = written("total", 1)
    assert any(fault in each for each in check(spoil(answer), claims).faults)


@pytest.mark.parametrize("claim", ["value", "upper_bound", "gap", "blocking_pairs", "matched"])
def test_claims_that_are_too_good_are_found(claim: str) -> None:
    answer, claims = written("total")
    better = replace(
        claims, **{claim: getattr(claims, claim) + (1 if claim in ("blocking_pairs", "matched") else 0.01)}
    )
    assert [each.split(":")[0] for each in check(answer, better).faults] == [claim]


def test_a_round_that_is_stable_has_nobody_who_would_swap() -> None:
    answer, claims = written("total")
    assert claims.blocking_pairs
    assert any("both rather" in each for each in check(answer, replace(claims, objective="stability")).faults)


def stored(objective: str = "total") -> RoundFile:
    """A file as `rounds export` writes it."""
    answer, claims = written(objective)

    def numbers(array: Any) -> Any:
        return None if array is None else [array.dtype.str, array.tobytes()]

    pairs = [[*each[:3], {"skills": each[3][0], "goals": each[3][1]}, None, 0.0, None, 0.0] for each in answer.pairs]
    arrays = [
        numbers(getattr(answer, name))
        for name in ("start", "mentor", "points", "capacity", "place_cost", "mentor_of", "price")
    ]
    fields = [answer.mentors, answer.mentees, *arrays, answer.bonus, 512, answer.floor, {}, pairs, []]
    data = msgspec.msgpack.encode(fields)
    return RoundFile(
        round_id="r1",
        program_id="p1",
        kind="formal",
        objective=objective,
        seed=0,
        policy_version=1,
        input_digest="0" * 64,
        result_digest=hashlib.sha256(data).hexdigest(),
        figures={
            "value": claims.value,
            "upper_bound": claims.upper_bound,
            "gap": claims.gap,
            "blocking_pairs": claims.blocking_pairs,
            "matched": claims.matched,
            "dropped": 0,
        },
        answer=data,
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_command_says_yes(objective: str, tmp_path: Path) -> None:
    (tmp_path / "round.json").write_bytes(stored(objective).written())
    result = CliRunner().invoke(app, ["rounds", "verify", str(tmp_path / "round.json"), "--json"])
    assert result.exit_code == 0, result.output
    assert msgspec.json.decode(result.stdout)["verified"] is True


def test_the_command_says_no_and_why(tmp_path: Path) -> None:
    file = stored()
    better = msgspec.structs.replace(file, figures={**file.figures, "value": file.figures["value"] + 1})
    other = msgspec.structs.replace(file, result_digest="1" * 64)
    for number, (each, fault) in enumerate(((better, "value:"), (other, "digest"))):
        path = tmp_path / f"{number}.json"
        path.write_bytes(each.written())
        result = CliRunner().invoke(app, ["rounds", "verify", str(path), "--json"])
        assert result.exit_code == 1
        assert [fault in said for said in msgspec.json.decode(result.stdout)["faults"]] == [True]


def test_what_is_no_round_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("{}")
    assert CliRunner().invoke(app, ["rounds", "verify", str(tmp_path / "none.json")]).exit_code == 1
    assert CliRunner().invoke(app, ["rounds", "verify"]).exit_code == 2
    with pytest.raises(Unreadable, match="format"):
        RoundFile.read(msgspec.json.encode(msgspec.structs.replace(stored(), format=FORMAT + "1")))
    with pytest.raises(Unreadable, match="answer"):
        answer_of(b"\x90")


@pytest.mark.parametrize("module", ["round_check", "round_file", "rounds"])
def test_no_line_of_the_engine_is_used(module: str) -> None:
    spec = importlib.util.find_spec(f"mentorstream_local.{module}")
    assert spec is not None
    assert spec.origin is not None
    names = set()
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    assert not [name for name in names if name.split(".")[0] == "matching"]
