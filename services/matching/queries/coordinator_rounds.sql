-- Rounds, their drafts and what coordinators changed of these. Read as the API's role, written as the worker.

-- name: list_rounds
SELECT * FROM round
WHERE program_id = $1
  AND ($2::timestamptz IS NULL OR (requested_at, round_id) < ($2, $3::uuid))
ORDER BY requested_at DESC, round_id DESC LIMIT $4;

-- name: coordinated_round
SELECT * FROM round WHERE program_id = $1 AND round_id = $2;

-- name: round_under_way
SELECT * FROM round WHERE program_id = $1 AND status IN ('requested', 'drafted');

-- name: list_drafts
SELECT draft.*, edit.position IS NOT NULL AS removed
FROM round_draft AS draft
LEFT JOIN draft_edit AS edit ON edit.round_id = draft.round_id AND edit.mentee_id = draft.mentee_id
     AND edit.mentor_id = draft.mentor_id AND edit.kind = 'remove' AND NOT edit.undone
WHERE draft.round_id = $1 AND ($2::uuid IS NULL OR draft.mentee_id > $2)
ORDER BY draft.mentee_id LIMIT $3;

-- name: list_edits
SELECT kind, mentor_id, mentee_id FROM draft_edit WHERE round_id = $1 AND NOT undone ORDER BY position;

-- name: draft_of_mentee
SELECT mentor_id FROM round_draft WHERE round_id = $1 AND mentee_id = $2;

-- name: drafted_places
-- Places of a mentor that drafts take, as edited.
SELECT (SELECT count(*) FROM round_draft AS draft
        WHERE draft.round_id = $1 AND draft.mentor_id = $2
          AND NOT EXISTS (SELECT FROM draft_edit AS edit
                          WHERE edit.round_id = $1 AND edit.mentee_id = draft.mentee_id AND edit.kind = 'remove'
                            AND NOT edit.undone))
     + (SELECT count(*) FROM draft_edit AS edit
        WHERE edit.round_id = $1 AND edit.mentor_id = $2 AND edit.kind = 'add' AND NOT edit.undone);

-- name: add_edit
-- While the round is drafted, and only once.
INSERT INTO draft_edit (round_id, program_id, kind, mentor_id, mentee_id, key_lookup, edited_at)
SELECT round_id, program_id, $2, $3, $4, $5, $6 FROM round WHERE round_id = $1 AND status = 'drafted'
ON CONFLICT DO NOTHING
RETURNING position;

-- name: undo_edit
UPDATE draft_edit SET undone = true
WHERE position = (SELECT max(position) FROM draft_edit WHERE round_id = $1 AND NOT undone)
RETURNING kind, mentor_id, mentee_id;

-- name: answer_of_round
-- As the worker: what a round was solved to, packed; of very large ones nothing, since one answer would take too long.
SELECT result, objective FROM round_work JOIN round USING (round_id)
WHERE round_work.program_id = $1 AND round_id = $2 AND octet_length(result) <= 50000000;
