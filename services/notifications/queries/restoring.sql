-- What a restored database takes over from facts that a later state of it published. Each statement may meet a fact that
-- it has taken over before.

-- name: settle_known
UPDATE notification SET status = $2, status_reason = $3, attempts = greatest(attempts, 1),
    message_id = coalesce(message_id, $4)
WHERE notification_id = $1 AND status IN ('waiting', 'trying')

-- name: settle_before
INSERT INTO settled_before (notification_id, program_id, status, status_reason, message_id)
SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT FROM notification WHERE notification_id = $1)
ON CONFLICT (notification_id) DO NOTHING

-- name: load_settled_before
SELECT notification_id, status, status_reason, message_id FROM settled_before WHERE program_id = ANY ($1::uuid[])

-- name: people_not_among
SELECT person_id FROM person WHERE NOT person_id = ANY ($1::uuid[])
