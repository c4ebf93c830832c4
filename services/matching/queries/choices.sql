-- What the page reads on which mentees choose, and how it notes down that a list was asked of `registrations`.

-- name: load_chooser
-- As one organisation sees it. Its programs lead to the participant, whose rows are kept by program.
SELECT program.*,
       (SELECT array_agg(organisation_id ORDER BY organisation_id)
        FROM program_organisation WHERE program_organisation.program_id = program.program_id) AS organisations,
       participant.person_id,
       participant.organisation_id AS participant_organisation_id,
       participant.details IS NOT NULL AS here,
       EXISTS (SELECT FROM waiting
               WHERE waiting.program_id = participant.program_id
                 AND waiting.participant_id = participant.participant_id) AS waits,
       live.asked,
       live.matched,
       coalesce(choice.number, 0) AS done,
       -- A list from before this wait was not in vain.
       EXISTS (SELECT FROM waiting
               WHERE waiting.program_id = participant.program_id
                 AND waiting.participant_id = participant.participant_id
                 AND waiting.since <= choice.decided_at) AS in_vain,
       choice_asked.mentors AS chosen
FROM participant
JOIN program USING (program_id)
LEFT JOIN choice USING (program_id, participant_id)
LEFT JOIN choice_asked ON choice_asked.program_id = participant.program_id
                      AND choice_asked.participant_id = participant.participant_id
                      AND choice_asked.number = coalesce(choice.number, 0) + 1
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE status = 'proposed')::int AS asked, bool_or(status = 'confirmed') IS TRUE AS matched
    FROM match
    WHERE match.program_id = participant.program_id AND mentee_id = participant.participant_id AND status <> 'ended'
) AS live
WHERE participant.program_id = ANY(ARRAY(SELECT program_id FROM program_organisation))
  AND participant.participant_id = $1;

-- name: load_choosable
-- The mentee, and the mentors with a place left: of all, or of those named. `capacity` is what is left of it.
WITH taken AS (
    SELECT mentor_id, count(*)::int AS places FROM match
    WHERE program_id = $1 AND status <> 'ended' GROUP BY mentor_id
), mentor AS (
    SELECT participant_id FROM participant LEFT JOIN taken ON mentor_id = participant_id
    WHERE program_id = $1 AND details IS NOT NULL AND capacity > coalesce(places, 0)
      AND participant_id <> $2 AND ($3::uuid[] IS NULL OR participant_id = ANY($3))
    ORDER BY participant_id LIMIT $4
)
-- Columns as `load_participants` has them.
SELECT participant_id, person_id, organisation_id, joined_at, details::text AS details,
       greatest(capacity - coalesce(places, 0), 0) AS capacity
FROM participant LEFT JOIN taken ON mentor_id = participant_id
WHERE program_id = $1 AND details IS NOT NULL
  AND (participant_id = $2 OR participant_id IN (SELECT participant_id FROM mentor));

-- name: load_matches_of_person
SELECT * FROM match WHERE program_id = $1 AND (mentor_person_id = $2 OR mentee_person_id = $2);

-- name: ask_choice
-- Returns a row the first time only: a second list, from another tab, finds this one noted.
INSERT INTO choice_asked (program_id, participant_id, organisation_id, number, mentors, asked_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
RETURNING number;
