-- The sender takes mails that were tried before by themselves, so that they never take the room of all others.

-- migrate:up
CREATE INDEX notification_again ON notification (try_after) WHERE status IN ('waiting', 'trying') AND attempts > 0;

-- migrate:down
DROP INDEX notification_again;
