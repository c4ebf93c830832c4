-- What tells a restored database from the one that published, and what was published already when it was restored.

-- migrate:up

-- How far this service's own topics were held against this database: every event of its own below was numbered here. Any
-- later state of the database has a mark at least as high, so whoever restores an earlier one finds newer events beyond.
CREATE TABLE outbox_mark (
    topic text NOT NULL,
    partition int NOT NULL,
    cluster_id text NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);
SELECT protect('outbox_mark');

-- Events that a restore found on the topics: decided again, they do not go out again. Empty but after a restore.
CREATE TABLE outbox_published (
    event_id text PRIMARY KEY,
    found_at timestamptz NOT NULL DEFAULT now()
);
SELECT protect('outbox_published');

-- migrate:down
DROP TABLE outbox_published, outbox_mark;
