-- Circles: people come and go while their match goes on; and matches that have a limited number of meetings.

-- migrate:up

-- Those who left the match: meetings that they were in name them still.
ALTER TABLE match ADD COLUMN former jsonb NOT NULL DEFAULT '[]';
-- How many meetings a match has had.
CREATE INDEX meeting_held ON meeting (match_id) WHERE status = 'completed';

-- migrate:down
DROP INDEX meeting_held;
ALTER TABLE match DROP COLUMN former;
