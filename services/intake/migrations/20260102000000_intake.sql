-- What intake knows: organisations and their keys, programs, people and reporting lines, who is in which program,
-- which requests were accepted, and who was erased.

-- migrate:up

CREATE TABLE organisation (
    organisation_id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    title text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
SELECT protect('organisation', 'organisation_id');

-- A key is stored as the SHA-256 of its 256 random bits: there is nothing to guess, so a slow hash would only slow down
-- every request. A signing secret has to be known in clear to verify with it, so it is encrypted.
CREATE TABLE credential (
    lookup text PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    kind text NOT NULL CHECK (kind IN ('key', 'signing')),
    secret_hash bytea CHECK (octet_length(secret_hash) = 32),
    sealed_secret bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Set when another one took its place: it works until then.
    expires_at timestamptz,
    revoked_at timestamptz,
    CHECK ((kind = 'key') = (secret_hash IS NOT NULL)),
    CHECK ((kind = 'signing') = (sealed_secret IS NOT NULL))
);
CREATE INDEX credential_organisation ON credential (organisation_id);
SELECT protect('credential');

-- Authentication happens before the organisation is known, so it cannot go through row-level security. This function
-- gives the API's role the rows whose random lookup parts its callers already hold, and no way to list others.
CREATE FUNCTION find_credentials(wanted_lookups text[])
RETURNS TABLE (
    lookup text, organisation_id uuid, name text, kind text, secret_hash bytea, sealed_secret bytea, usable boolean
)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT lookup, organisation_id, organisation.name, kind, secret_hash, sealed_secret,
           revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    FROM credential JOIN organisation USING (organisation_id)
    WHERE lookup = ANY (wanted_lookups)
$$;

DO $$
BEGIN
    -- A definer's function must not look anything up on its caller's search path.
    EXECUTE format('ALTER FUNCTION find_credentials(text[]) SET search_path = %I, pg_temp', current_schema());
    EXECUTE 'REVOKE ALL ON FUNCTION find_credentials(text[]) FROM PUBLIC';
    EXECUTE format('GRANT EXECUTE ON FUNCTION find_credentials(text[]) TO %I',
                   'mentorstream_' || current_schema() || '_api');
END
$$;

CREATE TABLE program (
    program_id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    -- The owner's short name, which never changes: those who share the program write owner/reference.
    owner text NOT NULL REFERENCES organisation (name),
    reference text NOT NULL,
    title text NOT NULL,
    kind text NOT NULL,
    roles text[] NOT NULL,
    version int NOT NULL CHECK (version > 0),
    policy jsonb NOT NULL,
    terms jsonb NOT NULL,
    UNIQUE (owner, reference)
);

-- Whose people may take part: the owner and those it opened the program to.
CREATE TABLE program_organisation (
    program_id uuid NOT NULL REFERENCES program ON DELETE CASCADE,
    organisation_id uuid NOT NULL REFERENCES organisation,
    PRIMARY KEY (program_id, organisation_id)
);
CREATE INDEX program_organisation_organisation ON program_organisation (organisation_id);
SELECT protect('program_organisation', 'organisation_id');
SELECT protect_shared('program', 'program_organisation', 'program_id');

-- Which skills are near each other in a program, apart from it: few requests look at it, and it may be long.
CREATE TABLE vocabulary (
    program_id uuid PRIMARY KEY REFERENCES program ON DELETE CASCADE,
    version int NOT NULL CHECK (version > 0),
    links jsonb NOT NULL
);
SELECT protect_shared('vocabulary', 'program_organisation', 'program_id');

-- Version 0 is a placeholder: named as somebody's manager or block, not yet introduced. It has no personal data.
CREATE TABLE person (
    person_id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    reference text NOT NULL,
    version int NOT NULL CHECK (version >= 0),
    full_name text,
    email text,
    zone text,
    locale text,
    manager_id uuid REFERENCES person CHECK (manager_id <> person_id),
    UNIQUE (organisation_id, reference),
    CHECK (num_nonnulls(full_name, email, zone, locale) = CASE version WHEN 0 THEN 0 ELSE 4 END)
);
CREATE INDEX person_manager ON person (manager_id) WHERE manager_id IS NOT NULL;
SELECT protect('person', 'organisation_id');

-- A person's place in a program keeps its id when they leave and come back.
CREATE TABLE participant (
    participant_id uuid PRIMARY KEY,
    program_id uuid NOT NULL REFERENCES program,
    person_id uuid NOT NULL REFERENCES person,
    organisation_id uuid NOT NULL REFERENCES organisation,
    roles text[] NOT NULL,
    details jsonb NOT NULL,
    blocks uuid[] NOT NULL,
    active boolean NOT NULL,
    UNIQUE (person_id, program_id)
);
CREATE INDEX participant_program ON participant (program_id);
CREATE INDEX participant_blocks ON participant USING gin (blocks) WHERE blocks <> '{}';
SELECT protect('participant', 'organisation_id');

-- Requests that were accepted, by the partner's own (source, id), with the answer given: a repeat gets it again.
CREATE TABLE accepted_request (
    organisation_id uuid NOT NULL REFERENCES organisation,
    source text NOT NULL,
    id text NOT NULL,
    digest bytea NOT NULL,
    answer jsonb NOT NULL,
    accepted_at timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, source, id)
);
CREATE INDEX accepted_request_accepted_at ON accepted_request (accepted_at);
SELECT protect('accepted_request');

-- Who must not come back, for whoever restores a backup or rebuilds the topic of people. Nothing of the person is kept
-- but the random id.
CREATE TABLE erased_person (
    person_id uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL
);
SELECT protect('erased_person');

-- The last word: an erased id is never written again, whatever a restored process believes.
CREATE FUNCTION refuse_erased_person() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM erased_person WHERE person_id = NEW.person_id) THEN
        RAISE EXCEPTION 'person % was erased', NEW.person_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER erased_stay_erased BEFORE INSERT ON person
FOR EACH ROW EXECUTE FUNCTION refuse_erased_person();

-- migrate:down
DROP TABLE erased_person, accepted_request, participant, person, vocabulary, program_organisation, program CASCADE;
DROP FUNCTION refuse_erased_person();
DROP FUNCTION find_credentials(text[]);
DROP TABLE credential, organisation;
