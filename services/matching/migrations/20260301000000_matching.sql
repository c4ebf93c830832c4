-- Programs, the people in them, their matches and who waits.
-- One consumer at a time writes these tables for a program, under the lock of its row in `program`, so references
-- between them are not checked a second time by foreign keys. What must never happen is a constraint all the same.

-- migrate:up

CREATE TABLE program (
    program_id uuid PRIMARY KEY,
    organisation_id uuid NOT NULL, -- the owner
    title text NOT NULL,
    kind text NOT NULL,
    policy jsonb NOT NULL,
    terms jsonb NOT NULL,
    now timestamptz NOT NULL, -- business time of the newest event; never goes back
    -- Grows with each batch. What an owner has in memory is of use only while it knows the newest.
    revision bigint NOT NULL
);

CREATE TABLE program_organisation (
    program_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    PRIMARY KEY (program_id, organisation_id)
);
SELECT protect('program_organisation', 'organisation_id');
SELECT protect_shared('program', 'program_organisation', 'program_id');

CREATE TABLE participant (
    program_id uuid NOT NULL,
    participant_id uuid NOT NULL,
    person_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    joined_at timestamptz NOT NULL,
    capacity smallint NOT NULL CHECK (capacity >= 0),
    -- Roles, profile, managers, blocks, credentials. Null once they left: only that they were here is kept.
    details jsonb,
    PRIMARY KEY (program_id, participant_id)
);
SELECT protect('participant', 'organisation_id');

CREATE TABLE match (
    match_id uuid PRIMARY KEY,
    program_id uuid NOT NULL,
    mentor_id uuid NOT NULL,
    mentor_person_id uuid NOT NULL,
    mentor_organisation_id uuid NOT NULL,
    mentee_id uuid NOT NULL,
    mentee_person_id uuid NOT NULL,
    mentee_organisation_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('proposed', 'confirmed', 'ended')),
    slot smallint NOT NULL CHECK (slot >= 0),
    capacity smallint NOT NULL, -- the mentor's, when the slot was taken
    score double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
    facets jsonb NOT NULL,
    shared jsonb NOT NULL, -- what the two have in common, for the page where the mentor answers
    policy_version int NOT NULL,
    round_id uuid, -- the round that made the pair; null where no round did
    waiting_since timestamptz NOT NULL,
    proposed_at timestamptz NOT NULL,
    expires_at timestamptz,
    confirmed_at timestamptz,
    ends_at timestamptz,
    ended_at timestamptz,
    end_reason text,
    CONSTRAINT match_within_capacity CHECK (slot < capacity),
    CONSTRAINT match_proposed_expires CHECK (status <> 'proposed' OR expires_at IS NOT NULL),
    CONSTRAINT match_confirmed_ends CHECK (status <> 'confirmed' OR (confirmed_at IS NOT NULL AND ends_at IS NOT NULL)),
    CONSTRAINT match_ended_why CHECK ((status = 'ended') = (ended_at IS NOT NULL AND end_reason IS NOT NULL))
);
-- A mentor's slot holds one live match, so with slot < capacity no match is made above the capacity in force.
CREATE UNIQUE INDEX match_slot ON match (program_id, mentor_id, slot) WHERE status <> 'ended';
CREATE UNIQUE INDEX match_of_mentee ON match (program_id, mentee_id) WHERE status <> 'ended';
-- Two persons are matched once in a program, whoever of them was the mentor and however it ended.
CREATE UNIQUE INDEX match_once ON match (
    program_id, least(mentor_person_id, mentee_person_id), greatest(mentor_person_id, mentee_person_id)
);
CREATE INDEX match_expires_at ON match (expires_at) WHERE status = 'proposed';
CREATE INDEX match_ends_at ON match (ends_at) WHERE status = 'confirmed';

CREATE TABLE match_organisation (
    match_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    PRIMARY KEY (match_id, organisation_id)
);
SELECT protect('match_organisation', 'organisation_id');
SELECT protect_shared('match', 'match_organisation', 'match_id');

CREATE TABLE waiting (
    program_id uuid NOT NULL,
    participant_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    since timestamptz NOT NULL,
    reasons jsonb NOT NULL,
    PRIMARY KEY (program_id, participant_id)
);
SELECT protect('waiting', 'organisation_id');

-- What timers and pages have already asked of `registrations`: each thing is asked once, however often a timer looks
-- and however often somebody clicks. The consumer neither reads nor writes it. `due_at` tells apart the ends that a
-- match had when its terms changed; an answer, given once whatever it is, has the time at which the proposal expires.
CREATE TABLE request_asked (
    match_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('answer', 'expire', 'end')),
    due_at timestamptz NOT NULL,
    answer text CHECK (answer IN ('accept', 'decline')),
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (match_id, kind, due_at),
    CONSTRAINT request_asked_answer CHECK ((kind = 'answer') = (answer IS NOT NULL))
);
SELECT protect_shared('request_asked', 'match_organisation', 'match_id');

-- migrate:down
DROP TABLE request_asked, waiting, match, match_organisation, participant, program, program_organisation;
