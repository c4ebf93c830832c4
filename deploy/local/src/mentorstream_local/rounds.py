"""`mentorstream rounds verify|export`: check a round without the engine that solved it, and write one down for that.

A round is read from a file, or from matching's tables. It is not changed and nothing is sent.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import asyncpg
import typer

from mentorstream_local.loops import run_apart
from mentorstream_local.round_check import Findings, check
from mentorstream_local.round_file import RoundFile, Unreadable, answer_of
from mentorstream_local.system import DATABASE
from mentorstream_local.terminal import (
    AsJson,
    MatchingDatabaseUrl,
    StackName,
    console,
    plain_errors,
    print_json,
    progress,
    running_stack,
    worker_url,
)
from mentorstream_runtime.database import open_pool

app = typer.Typer(help="Check rounds, and write them down to be checked.", no_args_is_help=True)

# The answer is kept when the input, which has profiles, is gone.
_STORED: Final = """
SELECT round.program_id, program.kind, round.objective, round.seed, round.policy_version, round.input_digest,
       round_work.result_digest, round.figures, round_work.result
FROM round JOIN program USING (program_id) LEFT JOIN round_work USING (round_id)
WHERE round.round_id = $1
"""


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="A round that `rounds export` wrote.", exists=True)] = None,
    round_id: Annotated[UUID | None, typer.Option("--round", help="A round that matching has stored.")] = None,
    stack: StackName = "default",
    database_url: MatchingDatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check a round: is it allowed, is it worth what it says, how much better could another be, who would swap.

    Exit code 0: it is as it says. 1: it is not, or it cannot be read.
    """
    if (file is None) == (round_id is None):
        raise typer.BadParameter("name a file, or a round with --round")
    with plain_errors(Unreadable, asyncpg.PostgresError, OSError):
        found = RoundFile.read(file.read_bytes()) if file is not None else _stored(round_id, stack, database_url)
        findings = check(answer_of(found.answer), found.claims())
    if not found.digest_fits():
        findings.faults.insert(0, "the answer is not the one whose digest the round has")
    _show(found, findings, as_json=as_json)
    if findings.faults:
        raise typer.Exit(1)


@app.command()
def export(
    round_id: Annotated[UUID, typer.Argument(help="A round that matching has solved.")],
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    stack: StackName = "default",
    database_url: MatchingDatabaseUrl = None,
) -> None:
    """Write a round down: ids, candidates, points, places, prices and pairs; no profile and no name."""
    with plain_errors(Unreadable, asyncpg.PostgresError, OSError):
        file.write_bytes(_stored(round_id, stack, database_url).written())
    progress(f"wrote {file}")


def _show(found: RoundFile, findings: Findings, *, as_json: bool) -> None:
    if as_json:
        print_json({"round_id": found.round_id, "verified": not findings.faults, **asdict(findings)})
        return
    for fault in findings.faults:
        console.print(f"fault: {fault}", markup=False)
    if findings.faults:
        console.print(f"round {found.round_id} is not as it says")
        return
    console.print(f"round {found.round_id} is as it says: allowed, and")
    console.print(f"  {findings.matched} pairs worth {findings.value:.6f}; no answer is worth more than", end=" ")
    console.print(f"{findings.upper_bound:.6f} (gap {findings.gap:.4%})")
    console.print(f"  {findings.blocking_pairs} pairs would both rather have each other")


def _stored(round_id: UUID | None, stack: str, database_url: str | None) -> RoundFile:
    address = worker_url(running_stack(stack), "matching", DATABASE) if database_url is None else database_url
    return run_apart(_fetch(address, round_id))


async def _fetch(address: str, round_id: UUID | None) -> RoundFile:
    async with await open_pool(address, size=1, application_name="mentorstream-rounds") as pool:
        row = await pool.fetchrow(_STORED, round_id)
    if row is None:
        raise Unreadable(f"there is no round {round_id}")
    if row["result"] is None or row["figures"] is None:
        raise Unreadable(f"round {round_id} is not solved, or its answer is not kept any more")
    return RoundFile(
        round_id=str(round_id),
        program_id=str(row["program_id"]),
        kind=row["kind"],
        objective=row["objective"],
        seed=row["seed"],
        policy_version=row["policy_version"],
        input_digest=row["input_digest"],
        result_digest=row["result_digest"],
        figures=row["figures"],
        answer=zlib.decompress(row["result"]),
    )
