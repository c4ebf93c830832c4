-- What a restored database learns of mails that a later state of it carried.

-- migrate:up

-- Mails that ended before their facts are read again: planned then, they are as they ended. Empty but after a restore.
CREATE TABLE settled_before (
    notification_id uuid PRIMARY KEY,
    program_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('sent', 'failed')),
    status_reason text,
    message_id text
);
CREATE INDEX settled_before_program ON settled_before (program_id);
SELECT protect('settled_before');

-- migrate:down
DROP TABLE settled_before;
