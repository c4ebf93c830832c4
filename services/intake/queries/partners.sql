-- Organisations and their credentials, for the operators' command line.

-- name: add_organisation
INSERT INTO organisation (organisation_id, name, title) VALUES ($1, $2, $3)
ON CONFLICT (name) DO NOTHING
RETURNING organisation_id

-- name: find_organisation
SELECT organisation_id FROM organisation WHERE name = $1 FOR NO KEY UPDATE

-- name: add_credential
INSERT INTO credential (lookup, organisation_id, kind, secret_hash, sealed_secret) VALUES ($1, $2, $3, $4, $5)

-- name: end_credentials
-- The older ones of a kind get an end; one that ends sooner keeps its own.
UPDATE credential
SET expires_at = least(expires_at, now() + $4::interval)
WHERE organisation_id = $1 AND kind = $2 AND lookup <> $3 AND revoked_at IS NULL

-- name: revoke_credentials
-- One credential by its lookup part, or all of the organisation when $2 is null.
UPDATE credential
SET revoked_at = now()
WHERE organisation_id = $1 AND ($2::text IS NULL OR lookup = $2) AND revoked_at IS NULL
RETURNING lookup, kind

-- name: list_organisations
SELECT organisation.name, organisation.title, organisation.organisation_id, credential.lookup, credential.kind,
       credential.created_at, credential.expires_at, credential.revoked_at
FROM organisation LEFT JOIN credential USING (organisation_id)
ORDER BY organisation.name, credential.created_at, credential.lookup
