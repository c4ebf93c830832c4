-- Partners mentor each other.

-- migrate:up
ALTER TABLE request DROP CONSTRAINT request_role_check,
    ADD CONSTRAINT request_role_check CHECK (role IN ('mentor', 'mentee', 'partner'));

-- migrate:down
ALTER TABLE request DROP CONSTRAINT request_role_check,
    ADD CONSTRAINT request_role_check CHECK (role IN ('mentor', 'mentee'));
