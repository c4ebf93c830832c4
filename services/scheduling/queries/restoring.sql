-- What a restored database takes over from facts that a later state of it published. Each statement may meet a fact that
-- it has taken over before.

-- name: take_over_program
INSERT INTO program (program_id, now) VALUES ($1, $2)
ON CONFLICT (program_id) DO UPDATE SET now = greatest(program.now, excluded.now)

-- name: take_over_match
-- Of a match that is not known, only who meets: hours and terms come with its confirmation, which is read after this.
INSERT INTO match (match_id, program_id, status, ends_at, terms, attendees, series_count, awaits_details)
VALUES ($1, $2, 'planned', '2999-01-01 00:00+00', $3::text::jsonb, $4::text::jsonb, 0, true)
ON CONFLICT (match_id) DO NOTHING

-- name: take_over_blocked
UPDATE match SET status = 'blocked', blocked_reason = $2, longest_common_minutes = $3
WHERE match_id = $1 AND status <> 'ended'

-- name: take_over_closed
UPDATE series SET active = false WHERE series_id = $1

-- name: take_over_ended
UPDATE match SET status = 'ended', blocked_reason = NULL, longest_common_minutes = NULL WHERE match_id = $1

-- name: close_others
UPDATE series SET active = false WHERE match_id = $1 AND series_id <> $2

-- name: take_over_series
-- A series that is over stays so.
INSERT INTO series (
    series_id, match_id, zone, first_day, minute, cadence_days, meeting_minutes, next_number, active
) VALUES ($2, $1, $3, $4, $5, $6, $7, 0, true)
ON CONFLICT (series_id) DO NOTHING

-- name: take_over_planned
UPDATE match SET status = 'planned', blocked_reason = NULL, longest_common_minutes = NULL,
    series_count = greatest(series_count, $2)
WHERE match_id = $1 AND status <> 'ended'

-- name: take_over_meeting
-- A revision that is known, or an older one, changes nothing; a meeting that was held or cancelled stays so.
INSERT INTO meeting (meeting_id, series_id, match_id, program_id, number, revision, starts_at, ends_at, status)
SELECT $1, series_id, $3, $4, $5, $6, $7, $8, $9 FROM series WHERE series_id = $2
ON CONFLICT (meeting_id) DO UPDATE SET
    revision = excluded.revision, starts_at = excluded.starts_at, ends_at = excluded.ends_at, status = excluded.status
WHERE meeting.status = 'scheduled'
    AND (excluded.revision > meeting.revision OR (excluded.revision = meeting.revision AND excluded.status <> 'scheduled'))
RETURNING meeting_id

-- name: drop_uninvited
DELETE FROM meeting_attendee WHERE meeting_id = $1 AND person_id <> ALL ($2::uuid[])

-- name: take_over_attendees
INSERT INTO meeting_attendee (meeting_id, person_id, during, active)
SELECT meeting_id, person_id, tstzrange(starts_at, ends_at), status = 'scheduled'
FROM meeting, unnest($2::uuid[]) AS attendee (person_id)
WHERE meeting_id = $1
ON CONFLICT (meeting_id, person_id) DO UPDATE SET during = excluded.during, active = excluded.active

-- name: take_over_number
UPDATE series SET next_number = greatest(next_number, $2 + 1) WHERE series_id = $1

-- name: find_meeting
SELECT number, revision FROM meeting WHERE meeting_id = $1

-- name: current_series
-- Where readers that lost everything begin again: what is planned, what is booked, and what became of the meetings of the
-- last weeks, about which people may still be asked or told.
SELECT match.match_id, match.program_id, match.attendees, match.terms, program.now, series.series_id, series.zone,
    series.first_day, series.minute, series.cadence_days, series.meeting_minutes, series.active
FROM match JOIN program USING (program_id) JOIN series USING (match_id)
WHERE EXISTS (
    SELECT FROM meeting WHERE meeting.series_id = series.series_id AND meeting.ends_at > program.now - interval '30 days'
) OR series.active
ORDER BY match.match_id, series.series_id

-- name: current_meetings
SELECT meeting_id, series_id, match_id, program_id, number, revision, starts_at, ends_at, status,
    ARRAY(SELECT person_id FROM meeting_attendee WHERE meeting_attendee.meeting_id = meeting.meeting_id) AS persons
FROM meeting JOIN program USING (program_id)
WHERE match_id = ANY ($1::uuid[]) AND (status = 'scheduled' OR ends_at > program.now - interval '30 days')
ORDER BY starts_at, meeting_id
