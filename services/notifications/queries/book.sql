-- What a batch of events needs to know, and what it leaves.

-- name: load_entries
-- Locks every mail about the subjects in one order, so that the sender cannot start one while the batch decides.
SELECT key, kind, person_id, organisation_id, subject_id, revision,
       attempts > 0 AS tried,
       status IN ('waiting', 'trying') AS open,
       params ->> 'why' AS why
FROM notification
WHERE subject_id = ANY($1::uuid[])
ORDER BY notification_id
FOR UPDATE;

-- name: void_notifications
-- The status is checked again although the rows are locked: what was tried stays.
UPDATE notification
SET status = 'superseded', status_reason = voided.reason
FROM unnest($1::uuid[], $2::text[]) AS voided (notification_id, reason)
WHERE notification.notification_id = voided.notification_id
  AND notification.status = 'waiting' AND notification.attempts = 0;

-- name: save_withdrawals
INSERT INTO withdrawal (participant_id, withdrawn_at)
SELECT participant_id, withdrawn_at FROM unnest($1::uuid[], $2::timestamptz[]) AS told (participant_id, withdrawn_at)
ORDER BY participant_id
ON CONFLICT (participant_id) DO UPDATE SET withdrawn_at = greatest(withdrawal.withdrawn_at, excluded.withdrawn_at);

-- name: forget_withdrawals
DELETE FROM withdrawal WHERE participant_id = ANY($1::uuid[]);

-- name: save_titles
INSERT INTO program (program_id, title)
SELECT program_id, title FROM unnest($1::uuid[], $2::text[]) AS told (program_id, title)
ORDER BY program_id
ON CONFLICT (program_id) DO UPDATE SET title = excluded.title
WHERE program.title <> excluded.title;

-- name: load_versions
SELECT person_id, version FROM person WHERE person_id = ANY($1::uuid[]) ORDER BY person_id FOR UPDATE;

-- name: load_erased
SELECT person_id FROM erased_person WHERE person_id = ANY($1::uuid[]);

-- name: save_people
-- A person's partition has one owner, so the rows that load saw are the rows there are.
INSERT INTO person (person_id, organisation_id, version, full_name, email, locale, zone)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[])
ON CONFLICT (person_id) DO UPDATE SET
    organisation_id = excluded.organisation_id,
    version = excluded.version,
    full_name = excluded.full_name,
    email = excluded.email,
    locale = excluded.locale,
    zone = excluded.zone;

-- name: erase_people
-- Preferences go with their person.
WITH gone AS (DELETE FROM person WHERE person_id = ANY($1::uuid[]))
INSERT INTO erased_person (person_id) SELECT person_id FROM unnest($1::uuid[]) AS erased (person_id);
