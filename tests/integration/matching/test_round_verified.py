"""A round that matching solved and stored is checked by the command, and again from a file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.integration.matching.running import PROGRAM, MatchingService, configured, mentee, mentor
from typer.testing import CliRunner

from mentorstream_events import derived_id
from mentorstream_events.registrations import RunRound
from mentorstream_local.cli import app

ROUND = derived_id("a round to check")


@pytest.mark.parametrize("objective", ["total", "fairness"])
async def test_a_stored_round_is_as_it_says(service: MatchingService, objective: Any, tmp_path: Path) -> None:
    await service.send(
        configured(matching="rounds", objective=objective),
        mentor("omar", capacity=2),
        mentor("lena"),
        *(mentee(name) for name in ("ines", "zoe", "ivo", "noa")),
    )
    await service.send(RunRound(program_id=PROGRAM, round_id=ROUND, asked_by="coordinator", seed=0))
    url, file = service.database.url("mentorstream_matching_worker"), tmp_path / "round.json"

    async def command(*arguments: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, app, ["rounds", *arguments])

    result = await command("verify", "--round", str(ROUND), "--database-url", url, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["verified"], found["matched"], found["faults"]) == (True, 3, [])
    assert (await command("export", str(ROUND), str(file), "--database-url", url)).exit_code == 0
    assert (await command("verify", str(file))).exit_code == 0
    none = await command("verify", "--round", str(derived_id("none")), "--database-url", url)
    assert none.exit_code == 1
