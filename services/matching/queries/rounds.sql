-- Rounds: what the consumer keeps of them, and what solvers take and bring back.

-- name: load_open_rounds
SELECT * FROM round WHERE program_id = ANY($1::uuid[]) AND status IN ('requested', 'drafted');

-- name: load_round_work
-- Of an answer that is there its input is of no use any more.
SELECT round_id, CASE WHEN result IS NULL THEN input END AS input, result, result_digest
FROM round_work WHERE round_id = ANY($1::uuid[]);

-- name: save_round
INSERT INTO round (round_id, program_id, status, asked_by, objective, policy_version, seed, requested_at, completed_at,
                   participants, input_digest, result_digest, figures)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::jsonb)
ON CONFLICT (round_id) DO UPDATE SET
    status = excluded.status, completed_at = excluded.completed_at, result_digest = excluded.result_digest,
    figures = excluded.figures;

-- name: add_round_work
INSERT INTO round_work (round_id, program_id, requested_at, input) VALUES ($1, $2, $3, $4);

-- name: close_round_work
-- The answer is known here also where no solver brought it. Profiles are not kept longer than they are needed.
UPDATE round_work SET result = coalesce(result, $2), result_digest = coalesce(result_digest, $3), input = NULL,
                      failed = failed OR coalesce(result_digest, $3) IS NULL, leased_by = NULL, leased_until = NULL
WHERE round_id = $1;

-- name: drop_drafts
DELETE FROM round_draft WHERE round_id = $1;

-- name: take_unsolved
-- Longest asked for first. A lease that has run out is that of a solver that died: the next one starts anew.
UPDATE round_work SET leased_by = $1, leased_until = clock_timestamp() + $2::interval
WHERE round_id = (
    SELECT round_id FROM round_work
    WHERE result_digest IS NULL AND NOT failed AND input IS NOT NULL
      AND (leased_until IS NULL OR leased_until <= clock_timestamp())
      AND (retry_at IS NULL OR retry_at <= clock_timestamp())
    ORDER BY requested_at, round_id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING round_id, program_id, requested_at, input, attempts;

-- name: keep_lease
UPDATE round_work SET leased_until = clock_timestamp() + $3::interval
WHERE round_id = $1 AND leased_by = $2 AND result_digest IS NULL AND NOT failed
RETURNING round_id;

-- name: give_lease_back
UPDATE round_work SET leased_by = NULL, leased_until = NULL WHERE round_id = $1 AND leased_by = $2;

-- name: bring_result
-- The first answer counts; whoever comes later found the same.
UPDATE round_work SET result = $2, result_digest = $3, solve_seconds = $4, leased_by = NULL, leased_until = NULL
WHERE round_id = $1 AND result_digest IS NULL AND NOT failed AND input IS NOT NULL
RETURNING (SELECT input_digest FROM round WHERE round.round_id = round_work.round_id) AS input_digest;

-- name: note_failure
UPDATE round_work SET attempts = attempts + 1, error = $2, failed = $3, leased_by = NULL, leased_until = NULL,
                      retry_at = clock_timestamp() + $4::interval
WHERE round_id = $1 AND result_digest IS NULL AND NOT failed AND input IS NOT NULL
RETURNING (SELECT input_digest FROM round WHERE round.round_id = round_work.round_id) AS input_digest;

-- name: oldest_unsolved
SELECT min(requested_at) FROM round_work WHERE result_digest IS NULL AND NOT failed AND input IS NOT NULL;

-- name: ask_due_rounds
-- Counted from the last round, whoever asked for it, or from when the clock was told to.
WITH planned AS (
    SELECT program_id, greatest(
               rounds_from,
               (SELECT max(requested_at) FROM round WHERE round.program_id = program.program_id),
               (SELECT max(due_at) FROM round_asked AS asked WHERE asked.program_id = program.program_id)
           ) + make_interval(days => (policy ->> 'round_every_days')::int) AS due_at
    FROM program WHERE rounds_from IS NOT NULL
), due AS (
    SELECT program_id, due_at FROM planned WHERE due_at <= $1 ORDER BY due_at, program_id LIMIT $2
), noted AS (
    INSERT INTO round_asked (program_id, due_at, asked_at) SELECT program_id, due_at, $1 FROM due
    ON CONFLICT DO NOTHING RETURNING program_id
)
SELECT program_id, due_at FROM due JOIN noted USING (program_id) ORDER BY due_at, program_id;

-- name: next_round
SELECT min(greatest(
           rounds_from,
           (SELECT max(requested_at) FROM round WHERE round.program_id = program.program_id),
           (SELECT max(due_at) FROM round_asked AS asked WHERE asked.program_id = program.program_id)
       ) + make_interval(days => (policy ->> 'round_every_days')::int))
FROM program WHERE rounds_from IS NOT NULL;
