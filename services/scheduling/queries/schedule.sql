-- What a batch loads and writes. Locks: program rows, then person rows, each in id order, before anything is read that
-- a decision rests on.

-- name: add_programs
INSERT INTO program (program_id, now)
SELECT program_id, '-infinity' FROM unnest($1::uuid[]) AS wanted (program_id)
ORDER BY program_id
ON CONFLICT (program_id) DO NOTHING

-- name: lock_programs
SELECT program_id, nullif(now, '-infinity') AS now FROM program
WHERE program_id = ANY ($1::uuid[]) ORDER BY program_id FOR UPDATE

-- name: read_program
SELECT program_id, nullif(now, '-infinity') AS now FROM program WHERE program_id = $1

-- name: load_matches
SELECT match_id, program_id, status, ends_at, terms, attendees, former, series_count, blocked_reason,
    longest_common_minutes, awaits_details
FROM match WHERE match_id = ANY ($1::uuid[])

-- name: add_persons
INSERT INTO person (person_id)
SELECT person_id FROM unnest($1::uuid[]) AS wanted (person_id)
ORDER BY person_id
ON CONFLICT (person_id) DO NOTHING

-- name: lock_persons
SELECT person_id FROM person WHERE person_id = ANY ($1::uuid[]) ORDER BY person_id FOR UPDATE

-- name: load_series
SELECT series_id, match_id, zone, first_day, minute, cadence_days, meeting_minutes, next_number
FROM series WHERE active AND match_id = ANY ($1::uuid[])

-- name: load_meetings
-- A meeting of a series that was closed while it ran is still to be completed, so the series does not matter here.
SELECT meeting_id, series_id, match_id, program_id, number, revision, starts_at, ends_at, status,
    ARRAY(SELECT person_id FROM meeting_attendee WHERE meeting_attendee.meeting_id = meeting.meeting_id) AS persons
FROM meeting WHERE status = 'scheduled' AND match_id = ANY ($1::uuid[])
ORDER BY match_id, starts_at, meeting_id

-- name: load_held
SELECT match_id, count(*) AS held FROM meeting
WHERE status = 'completed' AND match_id = ANY ($1::uuid[]) GROUP BY match_id

-- name: load_bookings
-- Everything the persons are booked for, in any program. Read after their rows are locked.
SELECT person_id, meeting_id, lower(during) AS starts_at, upper(during) AS ends_at
FROM meeting_attendee WHERE active AND person_id = ANY ($1::uuid[])

-- name: load_regular
-- The active series of the persons, in any program, and how many meetings their matches still lack where that is limited.
-- A series always has a meeting booked until it is over.
SELECT DISTINCT meeting_attendee.person_id, series.series_id, series.match_id, series.zone, series.first_day,
    series.minute, series.cadence_days, series.meeting_minutes, series.next_number, match.ends_at,
    CASE WHEN match.terms ->> 'meetings_total' IS NOT NULL THEN
        (match.terms ->> 'meetings_total')::int
        - (SELECT count(*) FROM meeting AS counted WHERE counted.match_id = match.match_id AND status = 'scheduled')::int
        - (SELECT count(*) FROM meeting AS counted WHERE counted.match_id = match.match_id AND status = 'completed')::int
    END AS lacking
FROM meeting_attendee
JOIN meeting USING (meeting_id)
JOIN series USING (series_id)
JOIN match ON match.match_id = series.match_id
WHERE meeting_attendee.active AND series.active AND meeting_attendee.person_id = ANY ($1::uuid[])

-- name: save_programs
UPDATE program SET now = saved.now
FROM unnest($1::uuid[], $2::timestamptz[]) AS saved (program_id, now)
WHERE program.program_id = saved.program_id

-- name: save_matches
INSERT INTO match (
    match_id, program_id, status, ends_at, terms, attendees, former, series_count, blocked_reason, longest_common_minutes
) -- whoever writes a match knows all of it
SELECT match_id, program_id, status, ends_at, terms::jsonb, attendees::jsonb, former::jsonb, series_count, blocked_reason,
    longest
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::int[],
            $9::text[], $10::int[])
    AS saved (match_id, program_id, status, ends_at, terms, attendees, former, series_count, blocked_reason, longest)
ON CONFLICT (match_id) DO UPDATE SET
    status = excluded.status, ends_at = excluded.ends_at, terms = excluded.terms, attendees = excluded.attendees,
    former = excluded.former, series_count = excluded.series_count, blocked_reason = excluded.blocked_reason,
    longest_common_minutes = excluded.longest_common_minutes, awaits_details = false

-- name: save_match_organisations
-- Rows say only who may see a match; one that is there already says the same.
INSERT INTO match_organisation (match_id, organisation_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[])
ON CONFLICT (match_id, organisation_id) DO NOTHING

-- name: save_series
INSERT INTO series (
    series_id, match_id, zone, first_day, minute, cadence_days, meeting_minutes, next_number, active
)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::int[], $7::int[], $8::int[],
                     $9::boolean[])
    AS saved (series_id, match_id, zone, first_day, minute, cadence_days, meeting_minutes, next_number, active)
-- Closed ones first: a match has one active series at any moment.
ORDER BY active
ON CONFLICT (series_id) DO UPDATE SET next_number = excluded.next_number, active = excluded.active

-- name: update_meetings
UPDATE meeting SET revision = saved.revision, starts_at = saved.starts_at, ends_at = saved.ends_at,
    status = saved.status
FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::timestamptz[], $5::text[])
    AS saved (meeting_id, revision, starts_at, ends_at, status)
WHERE meeting.meeting_id = saved.meeting_id

-- name: update_attendees
UPDATE meeting_attendee SET during = tstzrange(saved.starts_at, saved.ends_at), active = saved.active
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::boolean[])
    AS saved (meeting_id, starts_at, ends_at, active)
WHERE meeting_attendee.meeting_id = saved.meeting_id

-- name: drop_attendees
DELETE FROM meeting_attendee WHERE meeting_id = ANY ($1::uuid[])

-- name: due_meetings
SELECT meeting_id, match_id, program_id FROM meeting
WHERE status = 'scheduled' AND ends_at <= $1
ORDER BY ends_at, meeting_id LIMIT $2

-- name: next_due
SELECT ends_at FROM meeting WHERE status = 'scheduled' ORDER BY ends_at, meeting_id LIMIT 1

-- name: meeting_for_attendee
-- Run as the API's role: finds the meeting only where the organisation of the link is one of the match's.
SELECT meeting.meeting_id, meeting.match_id, meeting.program_id, meeting.revision, meeting.starts_at, meeting.ends_at,
    meeting.status, match.attendees, match.status AS match_status
FROM meeting JOIN match USING (match_id)
WHERE meeting.meeting_id = $1

-- name: is_invited
SELECT EXISTS (SELECT FROM meeting_attendee WHERE meeting_id = $1 AND person_id = $2)
