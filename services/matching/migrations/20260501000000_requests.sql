-- Programs in which mentees choose: their lists.

-- migrate:up

-- The lists that mentees handed in: how many there were, and of the newest one those who were not asked yet, in order.
-- It stays when they leave, for who comes back goes on counting.
CREATE TABLE choice (
    program_id uuid NOT NULL,
    participant_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    number int NOT NULL CHECK (number > 0),
    mentors uuid[] NOT NULL,
    decided_at timestamptz NOT NULL, -- business time
    PRIMARY KEY (program_id, participant_id)
);
SELECT protect('choice', 'organisation_id');

-- The list that a mentee handed in on their page, by its number: each is asked of `registrations` once. The consumer
-- neither reads nor writes it.
CREATE TABLE choice_asked (
    program_id uuid NOT NULL,
    participant_id uuid NOT NULL,
    organisation_id uuid NOT NULL,
    number int NOT NULL CHECK (number > 0),
    mentors uuid[] NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (program_id, participant_id, number)
);
SELECT protect('choice_asked', 'organisation_id');

-- migrate:down
DROP TABLE choice_asked, choice;
