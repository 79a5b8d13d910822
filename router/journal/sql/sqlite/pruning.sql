-- name: prunable
WITH asked (number, before) AS (VALUES (?, ?))
SELECT events.* FROM asked CROSS JOIN events ON id = number
WHERE NOT EXISTS (SELECT 1 FROM open_deliveries WHERE event = number)
AND NOT EXISTS (SELECT 1 FROM settled_deliveries WHERE event = number AND settled_at >= before)

-- name: settled
WITH asked (number) AS (VALUES (?))
SELECT id, event, sink, state FROM asked CROSS JOIN settled_deliveries ON event = number

-- name: drop_latest
DELETE FROM latest WHERE (sink, thread, event) IN (VALUES (?, ?, ?))

-- name: drop_attempts
DELETE FROM attempts WHERE delivery IN (VALUES (?))

-- name: drop_settled
DELETE FROM settled_deliveries WHERE id IN (VALUES (?))

-- name: drop_seen
DELETE FROM seen WHERE (source, subject, event) IN (VALUES (?, ?, ?))

-- name: drop_bodies
DELETE FROM bodies WHERE event IN (VALUES (?))

-- name: drop_events
DELETE FROM events WHERE id IN (VALUES (?))
