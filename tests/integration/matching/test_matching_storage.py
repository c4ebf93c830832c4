"""How matching's rows are found: what is read of one program costs nothing of the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

import matching
from mentorstream_runtime.database import load_queries

if TYPE_CHECKING:
    from tests.integration.matching.running import MatchingService

PROGRAM = UUID(int=1)
# Queries that read the matches of one program, and what they are given.
OF_ONE_PROGRAM: Mapping[str, Sequence[Any]] = {
    "load_matches": ([PROGRAM],),
    "load_matches_of_person": (PROGRAM, UUID(int=2)),
    "load_choosable": (PROGRAM, UUID(int=2), None, 5),
    "count_matches": (PROGRAM,),
    "count_free": (PROGRAM,),
    "list_matches": (PROGRAM, None, None, 20),
}


def reads_of_matches(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if plan.get("Relation Name") == "match" or str(plan.get("Index Name", "")).startswith("match"):
        yield plan
    for each in plan.get("Plans", ()):
        yield from reads_of_matches(each)


async def test_matches_of_one_program_are_found_by_an_index(service: MatchingService) -> None:
    queries, conditions = load_queries(matching.__file__), {}
    connection = await asyncpg.connect(service.database.url("mentorstream_matching_worker"))
    try:
        await connection.execute("SET enable_seqscan = off")
        for query, arguments in OF_ONE_PROGRAM.items():
            (explained,) = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {queries[query]}", *arguments))
            reads = reads_of_matches(explained["Plan"])
            conditions[query] = [str(each["Index Cond"]) for each in reads if "Index Cond" in each]
    finally:
        await connection.close()
    assert all(found and all("program_id" in each for each in found) for found in conditions.values()), conditions
