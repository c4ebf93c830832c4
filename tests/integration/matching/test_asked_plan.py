"""After the broker was replaced: how what timers and pages asked, and was not decided, is found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.integration.matching.callers import QUERIES
from tests.integration.matching.running import ALPHA, BETA, PROGRAM, START, MatchingService, configured

from mentorstream_runtime.database import transaction


async def test_what_timers_asked_is_found_by_its_id_however_much_there_is(service: MatchingService) -> None:
    """Rows that the plan looks at, those it drops included, grow with the matches and not with their square."""
    await service.send(configured())
    matches = 400
    async with transaction(service.process.runtime.pool) as connection:
        await connection.execute(
            "INSERT INTO match (match_id, program_id, mentor_id, mentor_person_id, mentor_organisation_id, mentee_id,"
            " mentee_person_id, mentee_organisation_id, status, slot, capacity, score, facets, shared, policy_version,"
            " circle_id, waiting_since, proposed_at, expires_at) SELECT gen_random_uuid(), $1, gen_random_uuid(),"
            " gen_random_uuid(), $2, gen_random_uuid(), gen_random_uuid(), $3, 'proposed', 0, 1, 0.5, '{}', '{}', 1,"
            " gen_random_uuid(), $4, $4, $4 FROM generate_series(1, $5::int)",
            PROGRAM,
            ALPHA,
            BETA,
            START,
            matches,
        )
        await connection.execute(
            "INSERT INTO request_asked (match_id, kind, due_at, asked_at)"
            " SELECT circle_id, 'expire', $1, $1 FROM match",
            START,
        )
        await connection.execute(
            "INSERT INTO request_asked (match_id, kind, due_at, answer, asked_at)"
            " SELECT match_id, 'answer', $1, 'accept', $1 FROM match LIMIT 10",
            START,
        )
        found = await connection.fetch(QUERIES["load_asked"], PROGRAM)
        assert len({(row["match_id"], row["kind"]) for row in found}) == len(found) == matches + 10
        plan = await connection.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + QUERIES["load_asked"], PROGRAM)
    assert looked_at(json.loads(plan)[0]["Plan"]) < 30 * matches


def looked_at(node: Mapping[str, Any]) -> float:
    dropped = sum(node.get(name, 0) for name in ("Rows Removed by Join Filter", "Rows Removed by Filter"))
    rows: float = (node["Actual Rows"] + dropped) * node["Actual Loops"]
    return rows + sum(looked_at(each) for each in node.get("Plans", ()))
