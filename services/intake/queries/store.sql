-- Writing what was decided, set by set.

-- name: store_programs
INSERT INTO program (program_id, organisation_id, owner, reference, title, kind, roles, version, policy, terms)
SELECT program_id, $1, $10, reference, title, kind, string_to_array(roles, ','), version, policy::jsonb, terms::jsonb
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::text[], $9::text[])
    AS new (program_id, reference, title, kind, roles, version, policy, terms)
ON CONFLICT (program_id) DO UPDATE
SET title = excluded.title, kind = excluded.kind, roles = excluded.roles, version = excluded.version,
    policy = excluded.policy, terms = excluded.terms

-- name: forget_admitted
DELETE FROM program_organisation
USING unnest($1::uuid[]) AS changed (program_id)
WHERE program_organisation.program_id = changed.program_id

-- name: store_admitted
INSERT INTO program_organisation (program_id, organisation_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[])

-- name: store_vocabulary
INSERT INTO vocabulary (program_id, version, links) VALUES ($1, $2, $3::text::jsonb)
ON CONFLICT (program_id) DO UPDATE SET version = excluded.version, links = excluded.links

-- name: store_people
-- Managers are set together with the people, so both may be new: the foreign key is checked when the statement ends.
INSERT INTO person (person_id, organisation_id, reference, version, full_name, email, zone, locale, manager_id)
SELECT person_id, organisation_id, reference, version, full_name, email, zone, locale, manager_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[], $8::text[], $9::uuid[])
    AS new (person_id, organisation_id, reference, version, full_name, email, zone, locale, manager_id)
ON CONFLICT (person_id) DO UPDATE
SET version = excluded.version, full_name = excluded.full_name, email = excluded.email, zone = excluded.zone,
    locale = excluded.locale, manager_id = excluded.manager_id

-- name: store_participants
INSERT INTO participant (participant_id, program_id, person_id, organisation_id, roles, details, blocks, active)
SELECT participant_id, program_id, person_id, organisation_id, string_to_array(roles, ','),
       details::jsonb, blocks::uuid[], active
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::boolean[])
    AS new (participant_id, program_id, person_id, organisation_id, roles, details, blocks, active)
ON CONFLICT (participant_id) DO UPDATE
SET roles = excluded.roles, details = excluded.details, blocks = excluded.blocks, active = excluded.active

-- name: store_accepted
-- No ON CONFLICT: the same id accepted meanwhile is a reason to look and decide again.
INSERT INTO accepted_request (organisation_id, source, id, digest, answer, accepted_at)
SELECT organisation_id, source, id, digest, answer::jsonb, $6
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[])
    AS new (organisation_id, source, id, digest, answer)

-- name: erase_participants
DELETE FROM participant WHERE person_id = $1

-- name: erase_blocks
UPDATE participant SET blocks = array_remove(blocks, $2::uuid)
WHERE organisation_id = ANY ($1::uuid[]) AND blocks <> '{}' AND blocks && ARRAY[$2::uuid]

-- name: erase_person
DELETE FROM person WHERE person_id = $1

-- name: record_erasure
INSERT INTO erased_person (person_id, erased_at) VALUES ($1, $2)

-- name: forget_accepted
-- A bounded number at a time, so that no transaction is long.
DELETE FROM accepted_request
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM accepted_request WHERE accepted_at <= $1 ORDER BY accepted_at LIMIT $2 FOR UPDATE SKIP LOCKED
))

-- name: oldest_accepted
SELECT min(accepted_at) FROM accepted_request
