-- Who may hold lanes of the outbox: lanes alone do not show a relay that has none yet, and it would never get one.

-- migrate:up
CREATE TABLE outbox_relay (
    name text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
SELECT protect('outbox_relay');

-- migrate:down
DROP TABLE outbox_relay;
