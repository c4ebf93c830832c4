-- Preferences: read and authorised as the API's role, changed as the worker's.

-- name: read_preference
SELECT preference.unsubscribed_at IS NOT NULL AS unsubscribed
FROM person LEFT JOIN preference USING (person_id)
WHERE person_id = $1;

-- name: lock_person
SELECT organisation_id FROM person WHERE person_id = $1 FOR UPDATE;

-- name: unsubscribe
INSERT INTO preference (person_id, organisation_id, unsubscribed_at) VALUES ($1, $2, $3)
ON CONFLICT (person_id) DO NOTHING;

-- name: resubscribe
DELETE FROM preference WHERE person_id = $1;
