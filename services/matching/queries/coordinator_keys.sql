-- Keys of coordinators: what the operators' command line writes, and what authentication reads.

-- name: add_coordinator_key
INSERT INTO coordinator_key (lookup, organisation_id, role, label, secret_hash) VALUES ($1, $2, $3, $4, $5);

-- name: revoke_coordinator_key
UPDATE coordinator_key SET revoked_at = now() WHERE lookup = $1 AND revoked_at IS NULL RETURNING lookup;

-- name: list_coordinator_keys
SELECT lookup, organisation_id, role, label, created_at, revoked_at, last_used_at FROM coordinator_key
ORDER BY organisation_id, created_at, lookup;

-- name: find_coordinator_key
SELECT * FROM find_coordinator_key($1);

-- name: note_coordinator_key
SELECT note_coordinator_key($1);
