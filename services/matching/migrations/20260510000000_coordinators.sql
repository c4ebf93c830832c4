-- Who coordinates programs: their keys, what they asked for, and what the owner of a program may see of it.

-- migrate:up

-- The secret's SHA-256, as intake keeps it of partners' keys: 256 random bits need no slow hash.
CREATE TABLE coordinator_key (
    lookup text PRIMARY KEY,
    organisation_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'coordinator')),
    label text NOT NULL CHECK (length(label) BETWEEN 1 AND 100),
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    last_used_at timestamptz -- to the minute
);
CREATE INDEX coordinator_key_organisation ON coordinator_key (organisation_id);
SELECT protect('coordinator_key');

-- Authentication happens before the organisation is known, so it cannot go through row-level security. These functions
-- give the API's role the one row whose random lookup part its caller already holds, and no way to list others.
CREATE FUNCTION find_coordinator_key(wanted_lookup text)
RETURNS TABLE (lookup text, organisation_id uuid, role text, label text, secret_hash bytea, usable boolean)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT lookup, organisation_id, role, label, secret_hash, revoked_at IS NULL
    FROM coordinator_key WHERE lookup = wanted_lookup
$$;

CREATE FUNCTION note_coordinator_key(used_lookup text) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER AS $$
    UPDATE coordinator_key SET last_used_at = now()
    WHERE lookup = used_lookup AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
$$;

DO $$
DECLARE
    definers CONSTANT text[] := ARRAY['find_coordinator_key(text)', 'note_coordinator_key(text)'];
    definer text;
BEGIN
    FOREACH definer IN ARRAY definers LOOP
        -- A definer's function must not look anything up on its caller's search path.
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', definer, current_schema());
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', definer);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', definer, 'mentorstream_' || current_schema() || '_api');
    END LOOP;
END
$$;

-- Whoever owns a program runs it, so they see all of it: participants, matches and waiting people of every organisation
-- that it is open to, and its rounds, which pair them all. The others see their own people, and matches that concern
-- them.
CREATE FUNCTION protect_owned(protected regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE POLICY api_sees_owned_programs ON %s FOR SELECT TO %I USING (EXISTS ('
        'SELECT FROM program AS owned WHERE owned.program_id = %s.program_id AND owned.organisation_id ='
        ' nullif(current_setting(''mentorstream.organisation'', true), '''')::uuid))',
        protected, 'mentorstream_' || current_schema() || '_api', protected);
    EXECUTE format('GRANT SELECT ON %s TO %I', protected, 'mentorstream_' || current_schema() || '_api');
END
$$;
SELECT protect_owned('participant');
SELECT protect_owned('match');
SELECT protect_owned('waiting');
SELECT protect_owned('round');
SELECT protect_owned('round_draft');

-- What coordinators asked of `registrations`, once each. The consumer neither reads nor writes it. `subject_id` is what
-- was asked about: a match, a round, a participant; `request_id` tells apart what may be asked of one again.
CREATE TABLE coordinator_request (
    program_id uuid NOT NULL,
    kind text NOT NULL,
    subject_id uuid NOT NULL,
    request_id uuid NOT NULL,
    organisation_id uuid NOT NULL, -- the coordinator's
    key_lookup text NOT NULL,
    asked_at timestamptz NOT NULL,
    request jsonb NOT NULL, -- as it was asked, to be asked again should it be lost before it was decided
    PRIMARY KEY (kind, subject_id, request_id)
);
SELECT protect('coordinator_request');
SELECT protect_owned('coordinator_request');

-- What coordinators changed of a drafted round, in the order of `position`; undone ones stay. It takes effect when the
-- round is published. The consumer neither reads nor writes it.
CREATE TABLE draft_edit (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    round_id uuid NOT NULL,
    program_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('remove', 'add')),
    mentor_id uuid NOT NULL,
    mentee_id uuid NOT NULL,
    key_lookup text NOT NULL,
    edited_at timestamptz NOT NULL,
    undone boolean NOT NULL DEFAULT false
);
-- A mentee's draft is taken out once, and one other pair is put in for them.
CREATE UNIQUE INDEX draft_edit_once ON draft_edit (round_id, mentee_id, kind) WHERE NOT undone;
SELECT protect('draft_edit');
SELECT protect_owned('draft_edit');
DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SEQUENCE draft_edit_position_seq TO %I',
                   'mentorstream_' || current_schema() || '_worker');
END
$$;

-- migrate:down
DROP TABLE draft_edit;
DROP TABLE coordinator_request;
DROP POLICY api_sees_owned_programs ON round_draft;
DROP POLICY api_sees_owned_programs ON round;
DROP POLICY api_sees_owned_programs ON waiting;
DROP POLICY api_sees_owned_programs ON match;
DROP POLICY api_sees_owned_programs ON participant;
DROP FUNCTION protect_owned(regclass);
DROP FUNCTION note_coordinator_key(text);
DROP FUNCTION find_coordinator_key(text);
DROP TABLE coordinator_key;
