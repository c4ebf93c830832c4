-- What a restored database takes over from facts that a later state of it published, and what is published to another
-- broker. Each statement may meet a fact that it has taken over before.

-- name: superseded_people
-- One reference has one id, until its person is erased. So whoever had it before was erased.
SELECT person_id FROM person WHERE organisation_id = $1 AND reference = $2 AND person_id <> $3

-- name: take_over_person
INSERT INTO person (person_id, organisation_id, reference, version, full_name, email, zone, locale)
SELECT $1, organisation_id, $3, $4, $5, $6, $7, $8 FROM organisation
WHERE organisation_id = $2 AND NOT EXISTS (SELECT FROM erased_person WHERE person_id = $1)
ON CONFLICT (person_id) DO UPDATE SET
    version = excluded.version, full_name = excluded.full_name, email = excluded.email, zone = excluded.zone,
    locale = excluded.locale
WHERE person.version < excluded.version

-- name: close_gap
UPDATE person SET manager_id = gone.manager_id FROM person AS gone
WHERE gone.person_id = $1 AND person.manager_id = $1

-- name: forget_everywhere
UPDATE participant SET blocks = array_remove(blocks, $1::uuid) WHERE blocks && ARRAY[$1::uuid]

-- name: enter_erased
INSERT INTO erased_person (person_id, erased_at) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: take_over_program
INSERT INTO program (program_id, organisation_id, owner, reference, title, kind, roles, version, policy, terms)
SELECT $1, organisation_id, name, $3, $4, $5, $6::text[], $7, $8::text::jsonb, $9::text::jsonb FROM organisation
WHERE organisation_id = $2
ON CONFLICT (program_id) DO UPDATE SET
    title = excluded.title, kind = excluded.kind, roles = excluded.roles, version = excluded.version,
    policy = excluded.policy, terms = excluded.terms
WHERE program.version < excluded.version
RETURNING program_id

-- name: take_over_vocabulary
INSERT INTO vocabulary (program_id, version, links)
SELECT program_id, $2, $3::text::jsonb FROM program WHERE program_id = $1
ON CONFLICT (program_id) DO UPDATE SET version = excluded.version, links = excluded.links
WHERE vocabulary.version < excluded.version

-- name: take_over_admitted
INSERT INTO program_organisation (program_id, organisation_id)
SELECT $1, organisation_id FROM organisation WHERE organisation_id = ANY ($2::uuid[])
ON CONFLICT DO NOTHING

-- name: take_over_participant
-- A fact names both sides of a block; what the other side has asked for already is theirs.
INSERT INTO participant (participant_id, program_id, person_id, organisation_id, roles, details, blocks, active)
SELECT $1, program_id, person_id, $4, $5::text[], $6::text::jsonb, ARRAY(
    SELECT blocked FROM unnest($7::uuid[]) AS blocked
    WHERE NOT EXISTS (
        SELECT FROM participant AS other
        WHERE other.program_id = $2 AND other.person_id = blocked AND other.blocks @> ARRAY[$3::uuid]
    )
), true
FROM program, person WHERE program_id = $2 AND person_id = $3
ON CONFLICT (participant_id) DO UPDATE SET
    roles = excluded.roles, details = excluded.details, blocks = excluded.blocks, active = true

-- name: take_over_withdrawal
UPDATE participant SET active = false, blocks = '{}', details = details - 'audit_groups' WHERE participant_id = $1

-- name: take_over_manager
UPDATE person SET manager_id = $2
WHERE person_id = $1 AND manager_id IS DISTINCT FROM $2
    AND ($2::uuid IS NULL OR EXISTS (SELECT FROM person AS manager WHERE manager.person_id = $2))

-- name: all_people
SELECT person_id, organisation_id, reference, version, full_name, email, zone, locale FROM person
WHERE version > 0 AND person_id > $1 ORDER BY person_id LIMIT $2

-- name: people_of
SELECT person_id, organisation_id, reference, version, full_name, email, zone, locale FROM person
WHERE version > 0 AND person_id = ANY ($1::uuid[])

-- name: all_erased
SELECT person_id FROM erased_person ORDER BY person_id

-- name: all_programs
SELECT program_id, organisation_id, owner, reference, title, kind, roles, version, policy, terms
FROM program ORDER BY program_id

-- name: vocabulary_of
SELECT program_id, version, links FROM vocabulary WHERE program_id = $1

-- name: everybody_in
SELECT participant_id, program_id, person_id, organisation_id, roles, details, blocks, active
FROM participant WHERE program_id = $1 ORDER BY participant_id

-- name: everybody_above
WITH RECURSIVE above (person_id) AS (
    SELECT person_id FROM participant WHERE program_id = $1
    UNION
    SELECT person.manager_id FROM above JOIN person USING (person_id) WHERE person.manager_id IS NOT NULL
)
SELECT person_id, organisation_id, reference, version, full_name, email, zone, locale, manager_id
FROM above JOIN person USING (person_id)
