-- What partners may read. Runs as the API's role: row-level security shows one organisation's rows.

-- name: read_programs
SELECT program_id, owner, reference, title, kind, roles, version, policy, terms,
       (SELECT count(*) FROM participant WHERE participant.program_id = program.program_id AND active) AS participants
FROM program
ORDER BY owner, reference

-- name: read_person
SELECT person.person_id, person.reference, person.version, person.full_name, person.email, person.zone, person.locale,
       manager.reference AS manager
FROM person LEFT JOIN person AS manager ON manager.person_id = person.manager_id
WHERE person.reference = $1

-- name: read_places
SELECT participant_id, program_id, owner, reference, participant.roles, details, active
FROM participant LEFT JOIN program USING (program_id)
WHERE person_id = $1
ORDER BY owner, reference

-- name: find_credentials
SELECT lookup, organisation_id, name, kind, secret_hash, sealed_secret, usable FROM find_credentials($1)
