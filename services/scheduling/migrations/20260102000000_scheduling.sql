-- Scheduling: matches that meet, their series, their meetings, and who is taken when.

-- migrate:up

-- Business time of each program; never goes back. Its row is the lock of all that is decided for the program.
CREATE TABLE program (
    program_id uuid PRIMARY KEY,
    now timestamptz NOT NULL
);
SELECT protect('program');

-- Nothing but a lock: whoever books a person's time holds their row, so that two programs see each other's bookings.
CREATE TABLE person (
    person_id uuid PRIMARY KEY
);
SELECT protect('person');

-- What a match agreed, as its last event told.
CREATE TABLE match (
    match_id uuid PRIMARY KEY,
    program_id uuid NOT NULL REFERENCES program,
    status text NOT NULL CHECK (status IN ('planned', 'blocked', 'ended')),
    ends_at timestamptz NOT NULL,
    terms jsonb NOT NULL,     -- as the contract has them: they travel on with each completed meeting
    attendees jsonb NOT NULL, -- ids, role, zone and weekly hours of each; the mentor first
    series_count int NOT NULL CHECK (series_count >= 0),
    blocked_reason text CHECK (blocked_reason IN ('no_common_hours', 'too_short', 'booked')),
    longest_common_minutes int CHECK (longest_common_minutes BETWEEN 0 AND 10080),
    CHECK ((status = 'blocked') = (blocked_reason IS NOT NULL)),
    CHECK ((blocked_reason IS NULL) = (longest_common_minutes IS NULL))
);

-- A match may be between people of several organisations; each of them sees it.
CREATE TABLE match_organisation (
    match_id uuid NOT NULL REFERENCES match ON DELETE CASCADE,
    organisation_id uuid NOT NULL,
    PRIMARY KEY (match_id, organisation_id)
);
SELECT protect('match_organisation', 'organisation_id');
SELECT protect_shared('match', 'match_organisation', 'match_id');

-- A regular time: minute `minute` of weeks that begin at local midnight of `first_day`, every `cadence_days`.
CREATE TABLE series (
    series_id uuid PRIMARY KEY,
    match_id uuid NOT NULL REFERENCES match,
    zone text NOT NULL,
    first_day int NOT NULL, -- days since 1970-01-01
    minute int NOT NULL CHECK (minute BETWEEN 0 AND 10079),
    cadence_days int NOT NULL CHECK (cadence_days > 0 AND cadence_days % 7 = 0),
    meeting_minutes int NOT NULL CHECK (meeting_minutes > 0),
    next_number int NOT NULL CHECK (next_number >= 0), -- of the first occurrence that nobody has looked at yet
    active boolean NOT NULL
);
-- One series at a time.
CREATE UNIQUE INDEX series_active ON series (match_id) WHERE active;
SELECT protect_shared('series', 'match_organisation', 'match_id');

CREATE TABLE meeting (
    meeting_id uuid PRIMARY KEY,
    series_id uuid NOT NULL REFERENCES series,
    match_id uuid NOT NULL REFERENCES match,
    program_id uuid NOT NULL REFERENCES program,
    number int NOT NULL CHECK (number >= 0),
    revision int NOT NULL CHECK (revision >= 0), -- the iCalendar SEQUENCE
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
    status text NOT NULL CHECK (status IN ('scheduled', 'cancelled', 'completed')),
    UNIQUE (series_id, number)
);
CREATE INDEX meeting_due ON meeting (ends_at, meeting_id) WHERE status = 'scheduled';
CREATE INDEX meeting_scheduled ON meeting (match_id) WHERE status = 'scheduled';
SELECT protect_shared('meeting', 'match_organisation', 'match_id');

-- Who is taken when. The last word on overlaps, whichever program or worker books: checked at the commit, so that one
-- transaction may move several meetings past each other.
CREATE TABLE meeting_attendee (
    meeting_id uuid NOT NULL REFERENCES meeting,
    person_id uuid NOT NULL,
    during tstzrange NOT NULL CHECK (lower_inc(during) AND NOT upper_inc(during)),
    active boolean NOT NULL,
    PRIMARY KEY (meeting_id, person_id),
    CONSTRAINT nobody_in_two_meetings EXCLUDE USING gist (person_id WITH =, during WITH &&) WHERE (active)
        DEFERRABLE INITIALLY DEFERRED
);
SELECT protect('meeting_attendee');

-- migrate:down
DROP TABLE meeting_attendee, meeting, series, match_organisation, match, person, program CASCADE;
