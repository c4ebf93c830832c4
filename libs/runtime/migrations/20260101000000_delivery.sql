-- Delivery: what every service's schema holds so that nothing is lost and nothing is done twice.
-- Runs once in each service's schema, as the schema's owner, with that schema first on the search path.

-- migrate:up

-- Row-level security for one table: the migrations see all of it, and so does the worker, whose role bypasses row-level
-- security because COPY is refused to who is subject to it; the API sees only rows of the organisation that its
-- transaction names, and none when it names none. `organisation_column` is null where the API has no business.
CREATE FUNCTION protect(protected regclass, organisation_column name DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    service CONSTANT text := current_schema();
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', protected);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', protected);
    EXECUTE format('CREATE POLICY owner_sees_all ON %s TO %I USING (true)', protected,
                   'mentorstream_' || service || '_owner');
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I', protected,
                   'mentorstream_' || service || '_worker');
    IF organisation_column IS NOT NULL THEN
        EXECUTE format(
            'CREATE POLICY api_sees_its_organisation ON %s FOR SELECT TO %I'
            ' USING (%I = nullif(current_setting(''mentorstream.organisation'', true), '''')::uuid)',
            protected, 'mentorstream_' || service || '_api', organisation_column);
        EXECUTE format('GRANT SELECT ON %s TO %I', protected, 'mentorstream_' || service || '_api');
    END IF;
END
$$;

-- For a thing that several organisations share: visible through its rows (thing, organisation) in `membership`, which
-- must itself be protected by organisation. `key_column` has the same name in both.
CREATE FUNCTION protect_shared(protected regclass, membership regclass, key_column name) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM protect(protected);
    EXECUTE format(
        'CREATE POLICY api_sees_shared ON %s FOR SELECT TO %I USING (EXISTS ('
        'SELECT FROM %s AS membership WHERE membership.%I = %s.%I))',
        protected, 'mentorstream_' || current_schema() || '_api', membership, key_column, protected, key_column);
    EXECUTE format('GRANT SELECT ON %s TO %I', protected, 'mentorstream_' || current_schema() || '_api');
END
$$;

-- Where each partition stands. The epoch grows with each owner; a batch of an older epoch is fenced off.
CREATE TABLE consumer_position (
    topic text NOT NULL,
    partition int NOT NULL,
    epoch bigint NOT NULL,
    next_offset bigint NOT NULL,
    cluster_id text NOT NULL,
    -- Claims since the last batch that committed. From the second on, records are taken one by one.
    claims_without_progress int NOT NULL DEFAULT 0,
    -- The record that was being handled alone, and how often that began without ending.
    suspect_offset bigint,
    suspect_count int NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);
SELECT protect('consumer_position');

-- Last sequence number seen of each source, topic and key: what is not above it is a repeat.
CREATE TABLE sequence_seen (
    topic text NOT NULL,
    source text NOT NULL,
    key text NOT NULL,
    incarnation int NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (topic, source, key)
);
SELECT protect('sequence_seen');

-- Raised by a restore, so that what it publishes is above all that was published before.
CREATE TABLE outbox_incarnation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    incarnation int NOT NULL CHECK (incarnation > 0)
);
SELECT protect('outbox_incarnation');
INSERT INTO outbox_incarnation (incarnation) VALUES (1);

-- Last number drawn for each topic and key. Its row lock, held to the commit, gives a key's events their order.
CREATE TABLE outbox_sequence (
    topic text NOT NULL,
    key text NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (topic, key)
);
SELECT protect('outbox_sequence');

-- Events decided and not yet acknowledged by the broker. Deleted row by row, never by range: rows commit late.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane smallint NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    headers bytea NOT NULL, -- msgpack: [[name, value], ...]
    value bytea,            -- null is a tombstone
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
SELECT protect('outbox');

-- Which relay publishes which lane. A lease ends by the database's clock, so a frozen holder is succeeded.
CREATE TABLE outbox_lane (
    lane smallint PRIMARY KEY,
    holder text,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
SELECT protect('outbox_lane');
INSERT INTO outbox_lane (lane) SELECT generate_series(0, 3);

-- Records that contradict a contract or that no attempt could handle, kept whole until they expire.
CREATE TABLE dead_letter (
    id uuid PRIMARY KEY,
    topic text NOT NULL,
    partition int NOT NULL,
    record_offset bigint NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    key bytea,
    headers bytea NOT NULL, -- msgpack: [[name, value], ...]
    value bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL DEFAULT now() + interval '30 days',
    redriven_at timestamptz,
    redriven_as text,
    UNIQUE (topic, partition, record_offset)
);
CREATE INDEX dead_letter_expires_at ON dead_letter (expires_at);
SELECT protect('dead_letter');

DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SEQUENCE outbox_position_seq TO %I',
                   'mentorstream_' || current_schema() || '_worker');
END
$$;

-- migrate:down
DROP TABLE dead_letter, outbox_lane, outbox, outbox_sequence, outbox_incarnation, sequence_seen, consumer_position;
DROP FUNCTION protect_shared(regclass, regclass, name);
DROP FUNCTION protect(regclass, name);
