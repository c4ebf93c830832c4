-- What timers and pages read, and what they note down so that each thing is asked of `registrations` once.

-- name: ask_due_expiries
-- Of what falls due at one moment, who waited longest comes first, and is first to look again. A circle is asked about
-- once, by the id under which others know it.
WITH due AS (
    SELECT coalesce(circle_id, match_id) AS match_id, program_id, expires_at, waiting_since, mentee_id FROM match
    WHERE status = 'proposed' AND expires_at <= $1
      AND NOT EXISTS (SELECT FROM request_asked AS asked
                      WHERE asked.match_id = coalesce(circle_id, match.match_id) AND asked.kind = 'expire'
                        AND asked.due_at = expires_at)
    ORDER BY expires_at, waiting_since, mentee_id LIMIT $2
), noted AS (
    -- Another process may look at the same moment: only what was noted here is asked here.
    INSERT INTO request_asked (match_id, kind, due_at, asked_at)
    SELECT DISTINCT match_id, 'expire', expires_at, $1 FROM due
    ON CONFLICT DO NOTHING RETURNING match_id
)
SELECT match_id, program_id, expires_at AS due_at FROM due JOIN noted USING (match_id)
GROUP BY match_id, program_id, expires_at
ORDER BY expires_at, min(waiting_since), min(mentee_id::text);

-- name: ask_due_ends
WITH due AS (
    SELECT coalesce(circle_id, match_id) AS match_id, program_id, ends_at, waiting_since, mentee_id FROM match
    WHERE status = 'confirmed' AND ends_at <= $1
      AND NOT EXISTS (SELECT FROM request_asked AS asked
                      WHERE asked.match_id = coalesce(circle_id, match.match_id) AND asked.kind = 'end'
                        AND asked.due_at = ends_at)
    ORDER BY ends_at, waiting_since, mentee_id LIMIT $2
), noted AS (
    INSERT INTO request_asked (match_id, kind, due_at, asked_at)
    SELECT DISTINCT match_id, 'end', ends_at, $1 FROM due
    ON CONFLICT DO NOTHING RETURNING match_id
)
SELECT match_id, program_id, ends_at AS due_at FROM due JOIN noted USING (match_id)
GROUP BY match_id, program_id, ends_at
ORDER BY ends_at, min(waiting_since), min(mentee_id::text);

-- name: next_expiry
SELECT min(expires_at) FROM match
WHERE status = 'proposed'
  AND NOT EXISTS (SELECT FROM request_asked AS asked
                  WHERE asked.match_id = coalesce(circle_id, match.match_id) AND asked.kind = 'expire'
                    AND asked.due_at = expires_at);

-- name: next_end
SELECT min(ends_at) FROM match
WHERE status = 'confirmed'
  AND NOT EXISTS (SELECT FROM request_asked AS asked
                  WHERE asked.match_id = coalesce(circle_id, match.match_id) AND asked.kind = 'end'
                    AND asked.due_at = ends_at);

-- name: load_proposal
-- As one organisation sees it: nothing when it is not concerned. Of a circle a row for each mentee, those that are
-- still proposed first.
SELECT match.program_id, match.mentor_person_id, match.status, match.expires_at,
       match.score, match.facets, match.shared, program.title, program.terms,
       (SELECT answer FROM request_asked AS asked WHERE asked.match_id = $1 AND asked.kind = 'answer') AS answer
FROM match JOIN program USING (program_id)
WHERE match.match_id = $1 OR match.circle_id = $1
ORDER BY match.status <> 'proposed', match.status <> 'confirmed', match.mentee_id;

-- name: ask_answer
-- Returns a row the first time only: a second click finds it noted.
INSERT INTO request_asked (match_id, kind, due_at, answer, asked_at)
SELECT DISTINCT $1::uuid, 'answer', expires_at, $2::text, $3::timestamptz FROM match
WHERE (match_id = $1 OR circle_id = $1) AND status = 'proposed'
ON CONFLICT DO NOTHING
RETURNING match_id;
