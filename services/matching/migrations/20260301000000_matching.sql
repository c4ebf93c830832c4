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
    rounds_from timestamptz, -- since when rounds are run by the clock; null where they are not
    vocabulary jsonb, -- its own: version and links; null where none was configured
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
    again boolean NOT NULL DEFAULT false, -- these two were matched before
    requested boolean NOT NULL DEFAULT false, -- the mentee chose this mentor
    circle_id uuid, -- of all matches of one circle, which others know by it as one match
    partners boolean NOT NULL DEFAULT false, -- each mentors the other
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
-- A mentee has one match, or one proposal, or several open ones to mentors whom they chose, one to each.
CREATE UNIQUE INDEX match_of_mentee ON match (
    program_id,
    mentee_id,
    (CASE WHEN requested AND status = 'proposed' THEN mentor_id ELSE '00000000-0000-0000-0000-000000000000' END)
) WHERE status <> 'ended';
-- Two persons are matched once in a program, whoever of them was the mentor and however it ended; where the policy lets
-- former pairs meet again, not twice at a time. Who was only asked because a mentee chose them was not matched: whether
-- they may be asked again depends on how it ended, and matching knows.
CREATE UNIQUE INDEX match_once ON match (
    program_id, least(mentor_person_id, mentee_person_id), greatest(mentor_person_id, mentee_person_id)
) WHERE NOT again AND (NOT requested OR confirmed_at IS NOT NULL);
CREATE UNIQUE INDEX match_again_once ON match (
    program_id, least(mentor_person_id, mentee_person_id), greatest(mentor_person_id, mentee_person_id)
) WHERE again AND status <> 'ended' AND (NOT requested OR confirmed_at IS NOT NULL);
-- Whole pools are read with all their matches, and coordinators page through them.
CREATE INDEX match_of_program ON match (program_id, match_id);
CREATE INDEX match_of_circle ON match (circle_id) WHERE circle_id IS NOT NULL;
CREATE INDEX match_expires_at ON match (expires_at) WHERE status = 'proposed';
CREATE INDEX match_ends_at ON match (ends_at) WHERE status = 'confirmed';

CREATE TABLE match_organisation (
    match_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    PRIMARY KEY (match_id, organisation_id)
);
SELECT protect('match_organisation', 'organisation_id');
SELECT protect_shared('match', 'match_organisation', 'match_id');

-- Who has a partner now: nobody has two, on whichever sides of their matches they stand.
CREATE TABLE partner (
    program_id uuid NOT NULL,
    participant_id uuid NOT NULL,
    match_id uuid NOT NULL,
    PRIMARY KEY (program_id, participant_id)
);
CREATE INDEX partner_match ON partner (match_id);
SELECT protect('partner');

CREATE TABLE waiting (
    program_id uuid NOT NULL,
    participant_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    since timestamptz NOT NULL,
    reasons jsonb NOT NULL,
    PRIMARY KEY (program_id, participant_id)
);
SELECT protect('waiting', 'organisation_id');

-- Whole-pool rounds: what was asked, and what came of it. The consumer writes it; open are those asked for and drafted.
CREATE TABLE round (
    round_id uuid PRIMARY KEY,
    program_id uuid NOT NULL,
    status text NOT NULL
        CHECK (status IN ('requested', 'applied', 'drafted', 'gated', 'discarded', 'published', 'failed')),
    asked_by text NOT NULL CHECK (asked_by IN ('clock', 'coordinator', 'import')),
    objective text NOT NULL,
    policy_version int NOT NULL,
    seed int NOT NULL,
    requested_at timestamptz NOT NULL,
    completed_at timestamptz, -- when the status last changed; null while it is asked for
    participants int NOT NULL, -- mentees for whom it is
    input_digest text NOT NULL,
    result_digest text,
    -- As in round.completed: value, upper_bound, gap, blocking_pairs, matched, dropped. Null before it is solved.
    figures jsonb
);
-- One at a time: the next takes what this one leaves.
CREATE UNIQUE INDEX round_open ON round (program_id) WHERE status IN ('requested', 'drafted');
CREATE INDEX round_of_program ON round (program_id, requested_at);
SELECT protect('round');

-- What a round is solved from and what was found, packed; and who solves it. Solvers write it, beside the consumer.
CREATE TABLE round_work (
    round_id uuid PRIMARY KEY,
    program_id uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    input bytea, -- profiles: gone once it is solved and the result was taken
    result bytea, -- numbers and ids, for explanations and for checking
    result_digest text,
    solve_seconds double precision,
    attempts int NOT NULL DEFAULT 0,
    error text, -- of the last attempt
    failed boolean NOT NULL DEFAULT false, -- for good
    -- By the database's own clock: a solver that died is succeeded.
    leased_by text,
    leased_until timestamptz,
    retry_at timestamptz
);
CREATE INDEX round_unsolved ON round_work (requested_at) WHERE result_digest IS NULL AND NOT failed;
SELECT protect('round_work');

-- The pairs of a drafted round, while they wait for review. `facets` are as of a match; runners-up may be null.
CREATE TABLE round_draft (
    round_id uuid NOT NULL,
    program_id uuid NOT NULL,
    mentor_id uuid NOT NULL,
    mentee_id uuid NOT NULL,
    score double precision NOT NULL,
    facets jsonb NOT NULL,
    next_mentor_id uuid, -- whom the mentee would have come to otherwise
    ahead_of_next double precision, -- by how much of a score, prices counted, this pair is better
    next_mentee_id uuid, -- who would have had the place otherwise
    short_of_place double precision, -- by how much of a score they fell short of it
    PRIMARY KEY (round_id, mentee_id)
);
SELECT protect('round_draft');

-- Rounds that the clock asked for: each due moment of a program once.
CREATE TABLE round_asked (
    program_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, due_at)
);
SELECT protect('round_asked');

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
DROP TABLE round_asked, round_draft, round_work, round;
DROP TABLE request_asked, waiting, partner, match, match_organisation, participant, program, program_organisation;
