-- What a restored database takes over from facts that a later state of it published. Each statement may meet a fact that
-- it has taken over before.

-- name: take_over_program
INSERT INTO program (program_id, now) VALUES ($1, $2)
ON CONFLICT (program_id) DO UPDATE SET now = greatest(program.now, excluded.now)

-- name: take_over_match
-- Its terms come with the held meeting, which is read after this.
INSERT INTO match (match_id, program_id, low_rating) VALUES ($1, $2, $3) ON CONFLICT (match_id) DO NOTHING

-- name: take_over_request
-- When the meeting began, and the zone to show it in, come with the held meeting.
INSERT INTO request (
    request_id, program_id, match_id, meeting_id, participant_id, person_id, organisation_id, role, zone,
    meeting_started_at, meeting_ended_at, expires_at
)
SELECT $1, $2, $3, $4, $5, person_id, $7, $8, 'UTC', $9::timestamptz, $9::timestamptz,
    CASE WHEN erased THEN $9::timestamptz ELSE $10::timestamptz END
FROM person WHERE person_id = $6
ON CONFLICT DO NOTHING

-- name: complete_requests
UPDATE request SET zone = told.zone, meeting_started_at = told.started_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) AS told (meeting_id, person_id, zone, started_at)
WHERE request.meeting_id = told.meeting_id AND request.person_id = told.person_id
    AND (request.zone, request.meeting_started_at) IS DISTINCT FROM (told.zone, told.started_at)

-- name: take_over_response
-- The texts are gone: they never leave this service's database.
INSERT INTO response (request_id, organisation_id, took_place, rating, wants_rematch, submitted_at)
SELECT request_id, organisation_id, $2, $3, false, $4 FROM request WHERE request_id = $1
ON CONFLICT (request_id) DO NOTHING

-- name: take_over_answered
UPDATE request SET answered_at = coalesce(answered_at, $2) WHERE request_id = $1

-- name: take_over_signal
INSERT INTO match_signal (meeting_id, signal, match_id, raised_at)
SELECT $1, $2, match_id, $4 FROM match WHERE match_id = $3
ON CONFLICT DO NOTHING

-- name: take_over_rematch
INSERT INTO rematch_request (match_id, participant_id, requested_at)
SELECT match_id, $2, $3 FROM match WHERE match_id = $1
ON CONFLICT DO NOTHING

-- name: people_not_among
SELECT person_id FROM person WHERE NOT erased AND NOT person_id = ANY ($1::uuid[])

-- name: current_requests
SELECT request_id, program_id, match_id, meeting_id, participant_id, person_id, organisation_id, role,
    meeting_ended_at, expires_at, now
FROM request JOIN program USING (program_id)
WHERE answered_at IS NULL AND expires_at > now
ORDER BY request_id

-- name: current_rematches
SELECT program_id, match_id, participant_id, now
FROM rematch_request JOIN match USING (match_id) JOIN program USING (program_id)
WHERE requested_at > now - interval '90 days'
ORDER BY match_id, participant_id
