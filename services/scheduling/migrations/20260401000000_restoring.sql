-- A match that a restored database knows from its own facts only, until its confirmation is read again.

-- migrate:up
ALTER TABLE match ADD COLUMN awaits_details boolean NOT NULL DEFAULT false;

-- migrate:down
ALTER TABLE match DROP COLUMN awaits_details;
