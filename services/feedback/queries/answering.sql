-- One request opened from its link, and the answer to it.

-- name: read_request
-- As the API's role: finds the request only where it belongs to the organisation that the link names.
SELECT request.zone, request.meeting_started_at, request.meeting_ended_at, request.expires_at,
    response.took_place, response.rating, response.went_well, response.to_change, response.wants_rematch
FROM request LEFT JOIN response USING (request_id)
WHERE request.request_id = $1 AND request.person_id = $2

-- name: find_request
SELECT program_id, match_id, meeting_id, participant_id, organisation_id, role, expires_at FROM request
WHERE request_id = $1 AND person_id = $2

-- name: lock_program
SELECT now FROM program WHERE program_id = $1 FOR NO KEY UPDATE

-- name: lock_person
SELECT erased FROM person WHERE person_id = $1 FOR NO KEY UPDATE

-- name: load_standing
-- After both locks, so that it sees all that others committed under them. Every attendee was asked, so the meeting's
-- requests tell the organisations that it concerns.
SELECT match.low_rating,
    ARRAY(
        SELECT DISTINCT attending.organisation_id FROM request AS attending
        WHERE attending.meeting_id = request.meeting_id ORDER BY attending.organisation_id
    ) AS organisation_ids,
    ARRAY(SELECT signal FROM match_signal WHERE match_signal.meeting_id = request.meeting_id) AS signals,
    EXISTS (
        SELECT FROM rematch_request
        WHERE rematch_request.match_id = request.match_id AND rematch_request.participant_id = request.participant_id
    ) AS rematch_asked,
    response.took_place, response.rating, response.went_well, response.to_change, response.wants_rematch
FROM request JOIN match USING (match_id) LEFT JOIN response USING (request_id)
WHERE request.request_id = $1

-- name: add_response
INSERT INTO response
    (request_id, organisation_id, took_place, rating, went_well, to_change, wants_rematch, submitted_at)
VALUES ($1, $2, $3, $4, nullif($5, ''), nullif($6, ''), $7, $8)

-- name: mark_answered
UPDATE request SET answered_at = $2 WHERE request_id = $1

-- name: add_signal
INSERT INTO match_signal (meeting_id, signal, match_id, raised_at) VALUES ($1, $2, $3, $4)

-- name: add_rematch_request
INSERT INTO rematch_request (match_id, participant_id, requested_at) VALUES ($1, $2, $3)
