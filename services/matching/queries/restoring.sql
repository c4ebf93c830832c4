-- What readers that lost everything are told again.

-- name: programs_of_all
SELECT program_id FROM program ORDER BY program_id;

-- name: load_ended_lately
-- Those that had begun: of a mere proposal only the mentor ever heard. Of circles those that are over.
SELECT * FROM match
WHERE program_id = $1 AND status = 'ended' AND confirmed_at IS NOT NULL AND ended_at > $2::timestamptz - interval '90 days'
  AND NOT EXISTS (SELECT FROM match AS other WHERE other.circle_id = match.circle_id AND other.status <> 'ended')
ORDER BY ended_at, match_id;

-- name: load_asked
-- What was asked of `registrations` and was not decided: it may be lost. A circle is asked about by its own id.
WITH live AS (
    SELECT match_id, circle_id, status, CASE status WHEN 'confirmed' THEN ends_at END AS ends_at
    FROM match WHERE program_id = $1 AND status <> 'ended'
), told AS (
    SELECT match_id AS told_as, status, ends_at FROM live
    UNION
    SELECT circle_id, status, ends_at FROM live WHERE circle_id IS NOT NULL
)
SELECT asked.match_id, asked.kind, asked.answer
FROM told JOIN request_asked AS asked ON asked.match_id = told.told_as
WHERE (asked.kind IN ('answer', 'expire') AND told.status = 'proposed')
   OR (asked.kind = 'end' AND told.status = 'confirmed' AND asked.due_at = told.ends_at)
ORDER BY asked.asked_at, asked.match_id;

-- name: load_choices_asked
-- Lists that mentees handed in and that were not decided on: they may be lost.
SELECT asked.participant_id, asked.mentors FROM choice_asked AS asked
LEFT JOIN choice USING (program_id, participant_id)
WHERE asked.program_id = $1 AND asked.number > coalesce(choice.number, 0)
ORDER BY asked.asked_at, asked.participant_id;

-- name: load_rounds_solved
-- Rounds that were solved, and of which nothing has come yet: that they were may be lost.
SELECT round_id, input_digest, round_work.result_digest FROM round JOIN round_work USING (round_id)
WHERE round.program_id = $1 AND round.status = 'requested' AND (round_work.result_digest IS NOT NULL OR round_work.failed);

-- name: load_rounds_asked
-- Rounds that the clock asked for and that were not begun since, nor any other.
SELECT due_at FROM round_asked
WHERE program_id = $1
  AND NOT EXISTS (SELECT FROM round WHERE round.program_id = round_asked.program_id AND requested_at >= due_at)
ORDER BY due_at DESC LIMIT 1;

-- name: load_coordinators_asked
-- What coordinators asked of `registrations` and was not decided: it may be lost. A round asked for before another one
-- began was passed over. A list was decided on when its mentee's newest one was, at its own time or later.
SELECT asked.kind, asked.request_id, asked.request FROM coordinator_request AS asked
WHERE asked.program_id = $1
  AND CASE asked.kind
      WHEN 'end' THEN EXISTS (SELECT FROM match WHERE match_id = asked.subject_id AND status <> 'ended')
                      OR EXISTS (SELECT FROM match WHERE circle_id = asked.subject_id AND status <> 'ended')
      WHEN 'rematch' THEN EXISTS (SELECT FROM match WHERE match_id = asked.subject_id AND status <> 'ended')
      WHEN 'run' THEN NOT EXISTS (SELECT FROM round
                                  WHERE round.program_id = $1
                                    AND (round_id = asked.request_id OR requested_at >= asked.asked_at))
      WHEN 'publish' THEN EXISTS (SELECT FROM round WHERE round_id = asked.subject_id AND status = 'drafted')
      WHEN 'discard' THEN EXISTS (SELECT FROM round
                                  WHERE round_id = asked.subject_id AND status IN ('requested', 'drafted'))
      WHEN 'request_mentors' THEN NOT EXISTS (SELECT FROM choice
                                              WHERE choice.program_id = $1 AND participant_id = asked.subject_id
                                                AND decided_at >= asked.asked_at)
      END
ORDER BY asked.asked_at, asked.request_id;
