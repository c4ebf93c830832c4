-- What coordinators read, as the API's role: row-level security shows them their own people and what concerns these, and
-- of programs that their organisation owns everything.

-- name: coordinated_programs
SELECT program_id, organisation_id, title, kind, policy, now, revision FROM program
WHERE $1::uuid IS NULL OR program_id > $1
ORDER BY program_id LIMIT $2;

-- name: coordinated_program
SELECT program_id, organisation_id, title, kind, policy, now, revision FROM program WHERE program_id = $1;

-- name: count_people
SELECT count(*) AS participants,
       count(*) FILTER (WHERE details -> 'roles' ? 'mentor') AS mentors,
       count(*) FILTER (WHERE details -> 'roles' ? 'mentee') AS mentees,
       coalesce(sum(capacity) FILTER (WHERE details -> 'roles' ? 'mentor'), 0)::bigint AS capacity
FROM participant WHERE program_id = $1 AND details IS NOT NULL;

-- name: count_matches
SELECT count(*) FILTER (WHERE status = 'proposed') AS proposed,
       count(*) FILTER (WHERE status = 'confirmed') AS running,
       count(*) FILTER (WHERE status = 'ended' AND confirmed_at IS NOT NULL) AS ended,
       count(DISTINCT mentee_id) FILTER (WHERE status = 'confirmed') AS matched_mentees,
       avg(score) FILTER (WHERE status = 'confirmed') AS mean_score
FROM match WHERE program_id = $1;

-- name: count_free
-- Mentors with a place left, and how many places.
SELECT count(*) FILTER (WHERE capacity > live) AS open_mentors, coalesce(sum(greatest(capacity - live, 0)), 0)::bigint AS free
FROM (SELECT capacity, (SELECT count(*) FROM match
                        WHERE match.program_id = $1 AND mentor_id = participant_id AND status <> 'ended') AS live
      FROM participant
      WHERE participant.program_id = $1 AND details -> 'roles' ? 'mentor') AS mentor;

-- name: count_waiting
-- By how many whole weeks they wait, up to the eighth; and the longest wait.
SELECT least(greatest(extract(epoch FROM $2 - since), 0)::bigint / 604800, 8)::int AS weeks, count(*) AS people,
       min(since) AS since
FROM waiting WHERE program_id = $1 GROUP BY 1 ORDER BY 1;

-- name: list_waiting
SELECT participant_id, organisation_id, since, reasons FROM waiting
WHERE program_id = $1 AND ($2::timestamptz IS NULL OR (since, participant_id) > ($2, $3::uuid))
ORDER BY since, participant_id LIMIT $4;

-- name: waits_lately
-- The latest waits that ended with a match that began, and those that go on.
(SELECT waiting_since AS since, confirmed_at AS until, true AS matched FROM match
 WHERE program_id = $1 AND confirmed_at IS NOT NULL ORDER BY confirmed_at DESC LIMIT 500)
UNION ALL
(SELECT since, $2::timestamptz, false FROM waiting WHERE program_id = $1 ORDER BY since DESC LIMIT 500);

-- name: list_matches
SELECT * FROM match
WHERE program_id = $1 AND ($2::text IS NULL OR status = $2) AND ($3::uuid IS NULL OR match_id > $3)
ORDER BY match_id LIMIT $4;

-- name: coordinated_match
-- By its id, or that of its circle: then one that still runs, if there is one.
SELECT * FROM match WHERE program_id = $1 AND (match_id = $2 OR circle_id = $2)
ORDER BY match_id = $2 DESC, status = 'ended', match_id LIMIT 1;

-- name: coordinated_circle
SELECT match_id FROM match WHERE program_id = $1 AND circle_id = $2 AND status <> 'ended' ORDER BY match_id;

-- name: seen_participants
SELECT participant_id FROM participant
WHERE program_id = $1 AND participant_id = ANY($2::uuid[]) AND details IS NOT NULL;

-- name: named_participants
SELECT participant_id FROM participant
WHERE program_id = $1 AND details IS NOT NULL AND $2::text IN (participant_id::text, right(participant_id::text, 8))
LIMIT 2;

-- name: drop_audit_groups
-- As the worker, before what a batch told of these people is stored.
DELETE FROM audit_group USING unnest($1::uuid[], $2::uuid[]) AS row (program_id, participant_id)
WHERE audit_group.program_id = row.program_id AND audit_group.participant_id = row.participant_id;

-- name: audited_attributes
-- Those that enough people have a group of.
SELECT attribute FROM audit_group WHERE program_id = $1 GROUP BY attribute HAVING count(*) >= $2 ORDER BY attribute;

-- name: audit_groups
SELECT participant_id, group_name FROM audit_group WHERE program_id = $1 AND attribute = $2;

-- name: ask_as_coordinator
-- Returns a row the first time only: what was asked before is not asked again.
INSERT INTO coordinator_request (program_id, kind, subject_id, request_id, organisation_id, key_lookup, asked_at, request)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
RETURNING request_id;

-- name: size_of_program
-- As the worker, before a whole pool is read.
SELECT revision, (SELECT count(*) FROM participant WHERE participant.program_id = program.program_id) AS participants
FROM program WHERE program_id = $1;
