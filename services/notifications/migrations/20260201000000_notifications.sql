-- What notifications keeps: people's addresses, programs' titles, preferences, and one row for each mail.

-- migrate:up

-- Titles, as mails show them. A mail waits until its program's title is known.
CREATE TABLE program (
    program_id uuid PRIMARY KEY,
    title text NOT NULL
);
SELECT protect('program');

-- The only personal data here. Gone with the person's erasure.
CREATE TABLE person (
    person_id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    version int NOT NULL CHECK (version > 0),
    full_name text NOT NULL,
    email text NOT NULL,
    locale text NOT NULL,
    zone text NOT NULL
);
SELECT protect('person', 'organisation_id');

-- Ledger of the erased: a late or repeated person.known does not bring anybody back.
CREATE TABLE erased_person (
    person_id uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);
SELECT protect('erased_person');

-- A row means: no courtesy mails. Mails that a program needs to run go on.
CREATE TABLE preference (
    person_id uuid PRIMARY KEY REFERENCES person ON DELETE CASCADE,
    organisation_id uuid NOT NULL,
    unsubscribed_at timestamptz NOT NULL
);
SELECT protect('preference', 'organisation_id');

-- One row for each mail, kept after it went: its key is what makes a repeat harmless. Its text is never stored.
CREATE TABLE notification (
    notification_id uuid PRIMARY KEY,
    key text NOT NULL,
    channel text NOT NULL CHECK (channel = 'email'),
    program_id uuid NOT NULL,
    person_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    kind text NOT NULL,
    courtesy boolean NOT NULL,
    cause_id text NOT NULL,
    traceparent text,
    -- What it is about. One person's mails about one subject go in the order of revision, one at a time.
    subject_id uuid NOT NULL,
    revision int NOT NULL,
    -- Other people whose names it shows: it waits until each is known or erased.
    mentions uuid[] NOT NULL,
    params jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('waiting', 'trying', 'sent', 'superseded', 'failed')),
    status_reason text,
    attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- Business time.
    due_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- Real time by this database's clock: the next try of a waiting mail, the end of the lease of one being tried.
    try_after timestamptz NOT NULL DEFAULT '-infinity',
    -- The next hop's last answer (SMTP code), without its text.
    last_status int,
    -- Given at the first try and kept for all others, so that receivers can drop a repeat.
    message_id text,
    UNIQUE (key, channel)
);
CREATE INDEX notification_open ON notification (due_at, notification_id) WHERE status IN ('waiting', 'trying');
CREATE INDEX notification_open_expires ON notification (expires_at) WHERE status IN ('waiting', 'trying');
CREATE INDEX notification_open_person ON notification (person_id, subject_id) WHERE status IN ('waiting', 'trying');
CREATE INDEX notification_subject ON notification (subject_id);
SELECT protect('notification');

-- "Waiting is a query, not a state": what stands in the way of an open mail, as of now.
--   erased    its receiver was erased: it fails
--   unwanted  its receiver unsubscribed from such mails: it is superseded
--   ready     everybody in it is known or erased, its program's title is known, no earlier mail of the thread is open
CREATE VIEW open_notification WITH (security_invoker = true) AS
SELECT
    notification.*,
    EXISTS (SELECT FROM erased_person WHERE erased_person.person_id = notification.person_id) AS erased,
    courtesy AND EXISTS (SELECT FROM preference WHERE preference.person_id = notification.person_id) AS unwanted,
    EXISTS (SELECT FROM person WHERE person.person_id = notification.person_id)
    AND EXISTS (SELECT FROM program WHERE program.program_id = notification.program_id)
    AND NOT EXISTS (
        SELECT FROM unnest(notification.mentions) AS mention (person_id)
        WHERE NOT EXISTS (SELECT FROM person WHERE person.person_id = mention.person_id)
          AND NOT EXISTS (SELECT FROM erased_person WHERE erased_person.person_id = mention.person_id)
    )
    AND NOT EXISTS (
        SELECT FROM notification AS earlier
        WHERE earlier.person_id = notification.person_id
          AND earlier.subject_id = notification.subject_id
          AND earlier.status IN ('waiting', 'trying')
          AND (earlier.revision, earlier.due_at, earlier.notification_id)
              < (notification.revision, notification.due_at, notification.notification_id)
    ) AS ready
FROM notification
WHERE status IN ('waiting', 'trying');
GRANT SELECT, UPDATE ON open_notification TO mentorstream_notifications_worker;

-- migrate:down
DROP VIEW open_notification;
DROP TABLE notification, preference, erased_person, person, program;
