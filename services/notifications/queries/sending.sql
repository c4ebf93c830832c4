-- The sender's three phases. "Now" ($1) is business time; leases and retries go by this database's own clock.

-- name: find_hopeless
-- Mails that seem never to go: too old, every attempt made, their receiver erased or gone, or unwanted. Each reason is
-- looked up by an index of its own, and nothing else is joined: this runs all the time, and mostly finds nothing.
SELECT notification_id FROM notification
WHERE status IN ('waiting', 'trying') AND expires_at <= $1
  AND (status = 'waiting' OR try_after <= statement_timestamp())
UNION
SELECT notification_id FROM notification
WHERE status = 'trying' AND attempts >= $2 AND try_after <= statement_timestamp()
UNION
SELECT notification_id FROM notification JOIN erased_person USING (person_id)
WHERE status IN ('waiting', 'trying') AND (status = 'waiting' OR try_after <= statement_timestamp())
UNION
SELECT notification_id FROM notification JOIN preference USING (person_id)
WHERE status IN ('waiting', 'trying') AND courtesy AND (status = 'waiting' OR try_after <= statement_timestamp())
UNION
SELECT notification_id FROM notification JOIN withdrawal ON participant_id = subject_id AND withdrawn_at >= due_at
WHERE status IN ('waiting', 'trying') AND kind IN ('registered', 'waitlisted', 'choose_mentors')
  AND (status = 'waiting' OR try_after <= statement_timestamp())
LIMIT $3;

-- name: close_hopeless
-- Of those found ($2) what is still so, now that it is locked: their receiver was erased, left or does not want them,
-- they are too old, or every attempt ended with the death of its process. One being tried is left to whoever tries it until
-- the lease is over. It may have arrived by then; nobody knows, and it is not tried again.
WITH hopeless AS (
    SELECT notification_id,
           CASE WHEN erased THEN 'erased' WHEN withdrawn THEN 'withdrawn' WHEN unwanted THEN 'unsubscribed'
                ELSE 'expired' END AS reason
    FROM open_notification
    WHERE notification_id = ANY($2::uuid[])
      AND (status = 'waiting' OR try_after <= statement_timestamp())
      AND (erased OR withdrawn OR unwanted OR expires_at <= $1 OR (status = 'trying' AND attempts >= $3))
    ORDER BY notification_id
    FOR UPDATE SKIP LOCKED
)
UPDATE notification
SET status = CASE WHEN reason IN ('unsubscribed', 'withdrawn') THEN 'superseded' ELSE 'failed' END,
    status_reason = reason
FROM hopeless
WHERE notification.notification_id = hopeless.notification_id
RETURNING notification.notification_id, program_id, person_id, organisation_id, kind, cause_id, traceparent,
          status, status_reason, last_status;

-- name: take_due
-- Phase 1: lease mails that were due at $1. The attempt is counted now, so that one whose process dies counts too.
-- At most $6 of them were tried before, those that waited longest for their next attempt.
WITH again AS (
    SELECT notification_id
    FROM notification
    WHERE status IN ('waiting', 'trying') AND attempts > 0 AND try_after <= statement_timestamp()
    ORDER BY try_after
    LIMIT $6
), due AS (
    SELECT notification_id
    FROM open_notification
    WHERE due_at <= $1 AND expires_at > $1 AND try_after <= statement_timestamp()
      AND attempts < $2 AND ready AND NOT erased AND NOT unwanted AND NOT withdrawn
      AND (attempts = 0 OR notification_id IN (SELECT notification_id FROM again))
    ORDER BY due_at, notification_id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE notification
SET status = 'trying',
    attempts = attempts + 1,
    try_after = statement_timestamp() + make_interval(secs => $4),
    message_id = coalesce(message_id, '<' || notification.notification_id || '@' || $5 || '>')
FROM due
WHERE notification.notification_id = due.notification_id
RETURNING notification.notification_id, program_id, person_id, organisation_id, kind, subject_id, revision, mentions,
          params, cause_id, traceparent, attempts, due_at, expires_at, message_id;

-- name: load_people
SELECT person_id, organisation_id, version, full_name, email, locale, zone FROM person WHERE person_id = ANY($1::uuid[]);

-- name: load_titles
SELECT program_id, title FROM program WHERE program_id = ANY($1::uuid[]);

-- name: renew_leases
-- Between the phases: mails under way stay theirs who try them. Also one whose lease ended, if nobody took it since.
WITH held AS (
    SELECT notification.notification_id
    FROM notification JOIN unnest($1::uuid[], $2::int[]) AS mine (notification_id, attempt)
        ON notification.notification_id = mine.notification_id AND notification.attempts = mine.attempt
    WHERE notification.status = 'trying'
    ORDER BY notification.notification_id
    FOR UPDATE OF notification
)
UPDATE notification SET try_after = statement_timestamp() + make_interval(secs => $3)
FROM held
WHERE notification.notification_id = held.notification_id
RETURNING notification.notification_id;

-- name: settle_attempts
-- Phase 3. A mail counts as sent whoever holds it now, also where it was put back or became unwanted after the lease was over;
-- anything else counts only from who still holds the attempt's lease.
WITH verdict AS (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::int[], $6::float8[], $7::int[])
        AS verdict (notification_id, attempt, status, reason, code, delay_seconds, counted)
), held AS (
    SELECT verdict.*
    FROM notification JOIN verdict ON notification.notification_id = verdict.notification_id
    WHERE (notification.status = 'trying' AND notification.attempts = verdict.attempt)
       OR (notification.status IN ('waiting', 'trying', 'superseded') AND verdict.status = 'sent')
    ORDER BY notification.notification_id
    FOR UPDATE OF notification
)
UPDATE notification
SET status = held.status,
    status_reason = held.reason,
    last_status = coalesce(held.code, last_status),
    attempts = attempts - 1 + held.counted,
    try_after = statement_timestamp() + make_interval(secs => held.delay_seconds)
FROM held
WHERE notification.notification_id = held.notification_id
RETURNING notification.notification_id, program_id, person_id, organisation_id, kind, cause_id, traceparent,
          notification.status, status_reason, last_status;

-- name: next_due
-- $1 is how long a mail is held, in seconds. Retries count as due although they wait for real time: driven time must not run ahead of mail that can still go.
-- What cannot go for want of a person, a title or an earlier mail is next looked at when it expires.
SELECT least(
    (SELECT due_at FROM open_notification WHERE erased OR withdrawn OR unwanted OR ready ORDER BY due_at LIMIT 1)
        + make_interval(secs => $1),
    (SELECT min(expires_at) FROM notification WHERE status IN ('waiting', 'trying'))
);

-- name: count_open
SELECT count(*) FILTER (WHERE ready) AS ready, count(*) FILTER (WHERE NOT ready) AS held FROM open_notification;
