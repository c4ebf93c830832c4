-- Feedback: which meetings were held, who was asked about them, and what they answered.
-- Texts live in `response` only. They are private to the respondent and to coordinators of their own organisation.

-- migrate:up

-- One row for each program, whose lock gives its decisions one order. `now` is the time of its newest event.
CREATE TABLE program (
    program_id uuid PRIMARY KEY,
    now timestamptz NOT NULL
);
SELECT protect('program');

-- One row for each person who was asked, or erased. Its lock keeps an answer and an erasure apart, and it outlasts the
-- erasure, so that a link opened afterwards cannot bring texts back.
CREATE TABLE person (
    person_id uuid PRIMARY KEY,
    erased boolean NOT NULL DEFAULT false
);
SELECT protect('person');

-- What the newest held meeting told of its match: the terms that matter here.
CREATE TABLE match (
    match_id uuid PRIMARY KEY,
    program_id uuid NOT NULL REFERENCES program,
    low_rating smallint NOT NULL CHECK (low_rating BETWEEN 1 AND 5)
);

-- A match is shared: each organisation with a person in it sees it through its row here.
CREATE TABLE match_organisation (
    match_id uuid NOT NULL REFERENCES match ON DELETE CASCADE,
    organisation_id uuid NOT NULL,
    PRIMARY KEY (match_id, organisation_id)
);
SELECT protect('match_organisation', 'organisation_id');
SELECT protect_shared('match', 'match_organisation', 'match_id');

CREATE TABLE request (
    request_id uuid PRIMARY KEY,
    program_id uuid NOT NULL REFERENCES program,
    match_id uuid NOT NULL REFERENCES match,
    meeting_id uuid NOT NULL,
    participant_id uuid NOT NULL,
    person_id uuid NOT NULL REFERENCES person,
    organisation_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('mentor', 'mentee')),
    zone text NOT NULL,
    meeting_started_at timestamptz NOT NULL,
    meeting_ended_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    answered_at timestamptz,
    CONSTRAINT request_once_per_meeting_and_person UNIQUE (meeting_id, person_id)
);
CREATE INDEX request_person ON request (person_id);
SELECT protect('request', 'organisation_id');

-- The organisation is the respondent's: the other side's organisation sees no row, not even that there is one.
CREATE TABLE response (
    request_id uuid PRIMARY KEY REFERENCES request,
    organisation_id uuid NOT NULL,
    took_place boolean NOT NULL,
    rating smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
    went_well text CHECK (length(went_well) BETWEEN 1 AND 2000),
    to_change text CHECK (length(to_change) BETWEEN 1 AND 2000),
    wants_rematch boolean NOT NULL,
    submitted_at timestamptz NOT NULL
);
-- Texts that still wait for the end of their retention, oldest first.
CREATE INDEX response_with_text ON response (submitted_at) WHERE went_well IS NOT NULL OR to_change IS NOT NULL;
SELECT protect('response', 'organisation_id');

-- Signs of trouble that were told, each once for a meeting however many of its people show it.
CREATE TABLE match_signal (
    meeting_id uuid NOT NULL,
    signal text NOT NULL CHECK (signal IN ('low_rating', 'not_held')),
    match_id uuid NOT NULL REFERENCES match,
    raised_at timestamptz NOT NULL,
    PRIMARY KEY (meeting_id, signal)
);
CREATE INDEX match_signal_match ON match_signal (match_id);
SELECT protect_shared('match_signal', 'match_organisation', 'match_id');

-- Who asked for another match. No organisation reads it here: who asked stays between them and the program.
CREATE TABLE rematch_request (
    match_id uuid NOT NULL REFERENCES match,
    participant_id uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    PRIMARY KEY (match_id, participant_id)
);
SELECT protect('rematch_request');

-- migrate:down
DROP TABLE rematch_request, match_signal, response, request, match_organisation, match, person, program;
