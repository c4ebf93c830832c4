-- What the consumer reads and writes: the pools of the programs that a batch touches.

-- name: lock_programs
-- In id order, as everybody locks. The revision tells whether what is in memory is still the newest.
SELECT program_id, revision FROM program WHERE program_id = ANY($1::uuid[]) ORDER BY program_id FOR UPDATE;

-- name: load_programs
SELECT program.*,
       (SELECT array_agg(organisation_id ORDER BY organisation_id)
        FROM program_organisation WHERE program_organisation.program_id = program.program_id) AS organisations
FROM program WHERE program_id = ANY($1::uuid[]);

-- name: load_participants
-- Details are text, to be read straight into what they become.
SELECT program_id, participant_id, person_id, organisation_id, joined_at, capacity, details::text AS details
FROM participant WHERE program_id = ANY($1::uuid[]);

-- name: load_matches
-- All there ever were: a pair is never matched again, and who was left alone longest goes first in a tie.
SELECT * FROM match WHERE program_id = ANY($1::uuid[]);

-- name: load_waiting
SELECT * FROM waiting WHERE program_id = ANY($1::uuid[]);

-- name: load_choices
SELECT * FROM choice WHERE program_id = ANY($1::uuid[]);

-- name: save_programs
INSERT INTO program (program_id, organisation_id, title, kind, policy, terms, now, revision, rounds_from)
SELECT program_id, organisation_id, title, kind, policy::jsonb, terms::jsonb, now, revision, rounds_from
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::bigint[],
            $9::timestamptz[])
    AS row (program_id, organisation_id, title, kind, policy, terms, now, revision, rounds_from)
ON CONFLICT (program_id) DO UPDATE SET
    organisation_id = excluded.organisation_id, title = excluded.title, kind = excluded.kind,
    policy = excluded.policy, terms = excluded.terms, now = excluded.now, revision = excluded.revision,
    rounds_from = excluded.rounds_from;

-- name: touch_programs
UPDATE program SET now = row.now, revision = row.revision
FROM unnest($1::uuid[], $2::timestamptz[], $3::bigint[]) AS row (program_id, now, revision)
WHERE program.program_id = row.program_id;

-- name: save_vocabulary
UPDATE program SET vocabulary = $2::text::jsonb WHERE program_id = $1;

-- name: drop_program_organisations
DELETE FROM program_organisation WHERE program_id = ANY($1::uuid[]);

-- name: save_participants
-- Of people who left only that they were here is kept: no details.
INSERT INTO participant (program_id, participant_id, person_id, organisation_id, joined_at, capacity, details)
SELECT program_id, participant_id, person_id, organisation_id, joined_at, capacity, details::jsonb
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::smallint[], $7::text[])
    AS row (program_id, participant_id, person_id, organisation_id, joined_at, capacity, details)
ON CONFLICT (program_id, participant_id) DO UPDATE SET
    person_id = excluded.person_id, organisation_id = excluded.organisation_id, joined_at = excluded.joined_at,
    capacity = excluded.capacity, details = excluded.details;

-- name: update_matches
-- Ended ones by themselves and first: constraints are checked row by row, and what these give back, others may take.
-- What the two have in common comes from their profiles, so it is not kept longer than the match.
UPDATE match SET status = row.status, confirmed_at = row.confirmed_at, ends_at = row.ends_at,
                 ended_at = row.ended_at, end_reason = row.end_reason, again = row.again,
                 shared = CASE WHEN row.status = 'ended' THEN '{}'::jsonb ELSE match.shared END
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::boolean[])
    AS row (match_id, status, confirmed_at, ends_at, ended_at, end_reason, again)
WHERE match.match_id = row.match_id;

-- name: drop_partners
DELETE FROM partner WHERE match_id = ANY($1::uuid[]);

-- name: show_circles
-- A row says only who may see a circle; who joins later mostly adds none.
INSERT INTO match_organisation (match_id, organisation_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])
ON CONFLICT DO NOTHING;

-- name: drop_waiting
DELETE FROM waiting USING unnest($1::uuid[], $2::uuid[]) AS gone (program_id, participant_id)
WHERE waiting.program_id = gone.program_id AND waiting.participant_id = gone.participant_id;

-- name: save_waiting
INSERT INTO waiting (program_id, participant_id, organisation_id, since, reasons)
SELECT program_id, participant_id, organisation_id, since, reasons::jsonb
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[])
    AS row (program_id, participant_id, organisation_id, since, reasons)
ON CONFLICT (program_id, participant_id) DO UPDATE SET
    organisation_id = excluded.organisation_id, since = excluded.since, reasons = excluded.reasons;

-- name: save_choices
INSERT INTO choice (program_id, participant_id, organisation_id, number, mentors, decided_at)
SELECT program_id, participant_id, organisation_id, number,
       ARRAY(SELECT each.value::uuid FROM jsonb_array_elements_text(mentors::jsonb) WITH ORDINALITY AS each (value, place)
             ORDER BY place),
       decided_at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::timestamptz[])
    AS row (program_id, participant_id, organisation_id, number, mentors, decided_at)
ON CONFLICT (program_id, participant_id) DO UPDATE SET
    organisation_id = excluded.organisation_id, number = excluded.number, mentors = excluded.mentors,
    decided_at = excluded.decided_at;
