-- name: known
WITH asked (source, subject) AS (VALUES (?, ?))
SELECT seen.source, seen.subject, event, digest, at
FROM asked CROSS JOIN seen ON seen.source = asked.source AND seen.subject = asked.subject

-- name: see
INSERT OR REPLACE INTO seen (source, subject, digest, event, at) VALUES (?, ?, ?, ?, ?)

-- name: insert_event
INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_body
INSERT INTO bodies VALUES (?, ?)

-- name: insert_delivery
INSERT INTO open_deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
