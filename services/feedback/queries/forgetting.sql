-- Texts go; what was counted stays.

-- name: erase_persons
-- Takes each person's lock, so that it waits for an answer under way. Also for persons who were never asked: a meeting
-- of theirs may still be on its way here.
INSERT INTO person (person_id, erased)
SELECT person_id, true FROM unnest($1::uuid[]) AS gone (person_id) ORDER BY person_id
ON CONFLICT (person_id) DO UPDATE SET erased = true

-- name: delete_texts_of_persons
-- A statement of its own, after the locks: it must see what the transactions that it waited for wrote. Links that were
-- sent before show nothing any more.
WITH closed AS (
    UPDATE request SET expires_at = meeting_ended_at
    WHERE person_id = ANY ($1::uuid[]) AND expires_at > meeting_ended_at
)
UPDATE response SET went_well = NULL, to_change = NULL
FROM request
WHERE request.request_id = response.request_id AND request.person_id = ANY ($1::uuid[])
    AND (response.went_well IS NOT NULL OR response.to_change IS NOT NULL)

-- name: delete_texts_before
-- Skips what an erasure holds: that one deletes it too. So this waits for nobody and needs no other lock.
UPDATE response SET went_well = NULL, to_change = NULL
WHERE request_id IN (
    SELECT request_id FROM response
    WHERE (went_well IS NOT NULL OR to_change IS NOT NULL) AND submitted_at <= $1
    ORDER BY submitted_at LIMIT $2 FOR UPDATE SKIP LOCKED
)

-- name: oldest_text
SELECT min(submitted_at) FROM response WHERE went_well IS NOT NULL OR to_change IS NOT NULL
