-- To which groups people count when a program's owner looks whether groups fare alike.

-- migrate:up

-- Apart from `participant`, which is what pools are made of: nothing that decides reads this. Gone when somebody leaves.
-- Only the program's owner sees it, of everybody, and shows counts of many.
CREATE TABLE audit_group (
    program_id uuid NOT NULL,
    participant_id uuid NOT NULL,
    attribute text NOT NULL,
    group_name text NOT NULL,
    PRIMARY KEY (program_id, participant_id, attribute)
);
SELECT protect('audit_group');
SELECT protect_owned('audit_group');

-- migrate:down
DROP TABLE audit_group;
