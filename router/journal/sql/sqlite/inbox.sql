-- name: see
INSERT INTO seen (source, subject, digest, event, at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (source, subject) DO UPDATE SET digest = excluded.digest, event = excluded.event, at = excluded.at
WHERE seen.digest <> excluded.digest OR seen.at < ?6

-- name: seen
SELECT event, digest FROM seen WHERE source = ? AND subject = ?

-- name: insert_event
INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_body
INSERT INTO bodies VALUES (?, ?)

-- name: insert_delivery
INSERT INTO open_deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, NULL, ?)

-- name: remember
INSERT INTO rulesets VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET since = excluded.since
