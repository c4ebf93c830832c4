-- Reading for a decision. Everything here runs as the worker, limited to organisations that asked and what they named.

-- name: lock_organisation
-- One group of requests of an organisation at a time: references, reporting lines and places in programs are its own, so
-- under this lock they hold still. A circle of managers can be closed by several requests that touch different people,
-- which locks on the people alone would not notice.
SELECT organisation_id FROM organisation WHERE organisation_id = ANY ($1::uuid[]) FOR NO KEY UPDATE

-- name: lock_free_organisations
-- Those that nobody else holds: one that is held for long is not to hold up the others.
SELECT organisation_id FROM organisation WHERE organisation_id = ANY ($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED

-- name: load_accepted
SELECT organisation_id, source, id, accepted.digest, accepted.answer
FROM accepted_request AS accepted
JOIN unnest($1::uuid[], $2::text[], $3::text[]) AS wanted (organisation_id, source, id)
USING (organisation_id, source, id)

-- name: load_people
-- $1, $2: every organisation and reference named. $3, $4: those of people whose manager may change, so that whoever is
-- up to ten levels below them is needed as well. Then whom their participants block, and all managers of all of these.
WITH RECURSIVE seed AS (
    SELECT person_id FROM person
    JOIN unnest($1::uuid[], $2::text[]) AS named (organisation_id, reference) USING (organisation_id, reference)
), below (person_id, depth) AS (
    SELECT person_id, 0 FROM person
    JOIN unnest($3::uuid[], $4::text[]) AS lined (organisation_id, reference) USING (organisation_id, reference)
    UNION
    SELECT report.person_id, below.depth + 1
    FROM below JOIN person AS report ON report.manager_id = below.person_id
    WHERE below.depth < 10
), touched AS (
    SELECT person_id FROM seed
    UNION SELECT person_id FROM below
    UNION SELECT unnest(blocks) FROM participant WHERE person_id IN (SELECT person_id FROM seed)
), above (person_id) AS (
    SELECT person_id FROM touched
    UNION
    SELECT person.manager_id
    FROM above JOIN person USING (person_id)
    WHERE person.manager_id IS NOT NULL
)
SELECT person_id, organisation_id, reference, version, full_name, email, zone, locale, manager_id,
       EXISTS (SELECT FROM touched WHERE touched.person_id = person.person_id) AS touched
FROM above JOIN person USING (person_id)

-- name: load_participants
-- The touched people's places in programs, and those of whoever blocks them.
SELECT participant_id, program_id, person_id, organisation_id, roles, details, blocks, active
FROM participant
WHERE person_id = ANY ($2::uuid[])
UNION ALL
SELECT participant_id, program_id, person_id, organisation_id, roles, details, blocks, active
FROM participant
WHERE organisation_id = ANY ($1::uuid[]) AND active AND blocks <> '{}' AND blocks && $2::uuid[] AND NOT person_id = ANY ($2::uuid[])

-- name: lock_programs
-- After the organisations' rows, in id order: the one order of locks for everybody. What a program is called never
-- changes, so its id may be found before it is locked.
SELECT program_id, organisation_id, owner, reference, title, kind, roles, version, policy, terms
FROM program
WHERE program_id = ANY (ARRAY(
    SELECT unnest($1::uuid[])
    UNION
    SELECT program_id FROM program JOIN unnest($2::text[], $3::text[]) AS named (owner, reference)
        USING (owner, reference)
))
ORDER BY program_id
FOR NO KEY UPDATE

-- name: load_vocabularies
SELECT program_id, vocabulary.version, links FROM vocabulary JOIN program USING (program_id)
WHERE (owner, reference) IN (SELECT * FROM unnest($1::text[], $2::text[]))

-- name: load_admitted
-- Read after the programs' locks: what a statement joined before it waited for a lock may be old.
SELECT program_id, organisation_id FROM program_organisation WHERE program_id = ANY ($1::uuid[])

-- name: load_organisations
SELECT name, organisation_id FROM organisation WHERE name = ANY ($1::text[])

-- name: load_lines
-- Managers, nearest first, of everybody in a program, whichever organisation they are of.
WITH RECURSIVE line (person_id, manager_id, depth) AS (
    SELECT person_id, manager_id, 1
    FROM participant JOIN person USING (person_id)
    WHERE program_id = $1 AND active AND manager_id IS NOT NULL
    UNION ALL
    SELECT line.person_id, above.manager_id, line.depth + 1
    FROM line JOIN person AS above ON above.person_id = line.manager_id
    WHERE above.manager_id IS NOT NULL AND line.depth < $2
)
SELECT person_id, array_agg(manager_id ORDER BY depth) AS managers
FROM line GROUP BY person_id ORDER BY person_id
