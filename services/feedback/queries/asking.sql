-- Held meetings turned into requests: one batch of one partition at a time.

-- name: add_programs
-- Rows to lock must exist first. Sorted, so that two batches that add the same programs do not wait in a circle.
INSERT INTO program (program_id, now)
SELECT program_id, now FROM unnest($1::uuid[], $2::timestamptz[]) AS wanted (program_id, now) ORDER BY program_id
ON CONFLICT (program_id) DO NOTHING

-- name: lock_programs
SELECT program_id, now FROM program WHERE program_id = ANY ($1::uuid[]) ORDER BY program_id FOR NO KEY UPDATE

-- name: load_matches
SELECT match_id, program_id FROM match WHERE match_id = ANY ($1::uuid[])

-- name: load_asked
SELECT meeting_id, match_id, array_agg(person_id) AS persons FROM request WHERE meeting_id = ANY ($1::uuid[])
GROUP BY meeting_id, match_id

-- name: move_programs
UPDATE program SET now = moved.now
FROM unnest($1::uuid[], $2::timestamptz[]) AS moved (program_id, now)
WHERE program.program_id = moved.program_id

-- name: keep_matches
-- A later meeting carries newer terms.
INSERT INTO match (match_id, program_id, low_rating)
SELECT match_id, program_id, low_rating
FROM unnest($1::uuid[], $2::uuid[], $3::smallint[]) AS held (match_id, program_id, low_rating)
ON CONFLICT (match_id) DO UPDATE SET low_rating = excluded.low_rating
WHERE match.low_rating <> excluded.low_rating

-- name: keep_match_organisations
-- Only ever added: an organisation that took part goes on seeing what it took part in.
INSERT INTO match_organisation (match_id, organisation_id)
SELECT match_id, organisation_id FROM unnest($1::uuid[], $2::uuid[]) AS concerned (match_id, organisation_id)
ON CONFLICT DO NOTHING

-- name: add_persons
-- After the programs and sorted, as everybody who locks persons does.
INSERT INTO person (person_id)
SELECT person_id FROM unnest($1::uuid[]) AS wanted (person_id) ORDER BY person_id
ON CONFLICT (person_id) DO NOTHING

-- name: erased_among
SELECT person_id FROM person WHERE person_id = ANY ($1::uuid[]) AND erased
