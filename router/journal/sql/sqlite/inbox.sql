-- name: remember
INSERT INTO rulesets VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET since = excluded.since
