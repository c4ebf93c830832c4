-- Who left a program: a word about joining, waiting or choosing does not go to them, whichever topic was read first.

-- migrate:up

CREATE TABLE withdrawal (
    participant_id uuid PRIMARY KEY,
    -- Business time. What is due later is about their coming back.
    withdrawn_at timestamptz NOT NULL
);
SELECT protect('withdrawal');
CREATE INDEX notification_open_joining ON notification (subject_id)
WHERE status IN ('waiting', 'trying') AND kind IN ('registered', 'waitlisted', 'choose_mentors');

-- As before, and:
--   withdrawn its receiver left before it went, and it is about their part in the program: it is superseded
CREATE OR REPLACE VIEW open_notification WITH (security_invoker = true) AS
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
    ) AS ready,
    kind IN ('registered', 'waitlisted', 'choose_mentors') AND EXISTS (
        SELECT FROM withdrawal
        WHERE withdrawal.participant_id = notification.subject_id AND withdrawal.withdrawn_at >= notification.due_at
    ) AS withdrawn
FROM notification
WHERE status IN ('waiting', 'trying');

-- migrate:down
DROP VIEW open_notification;
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
DROP INDEX notification_open_joining;
DROP TABLE withdrawal;
