-- name: walk
SELECT id,
  NOT EXISTS (SELECT 1 FROM open_deliveries WHERE event = events.id)
  AND NOT EXISTS (SELECT 1 FROM settled_deliveries WHERE event = events.id AND settled_at >= ?3)
  AND (received_at < ?3 OR EXISTS (SELECT 1 FROM settled_deliveries WHERE event = events.id))
FROM events WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?4

-- name: prunable
SELECT * FROM events WHERE id = ?1
AND NOT EXISTS (SELECT 1 FROM open_deliveries WHERE event = ?1)
AND NOT EXISTS (SELECT 1 FROM settled_deliveries WHERE event = ?1 AND settled_at >= ?2)

-- name: drop_latest
DELETE FROM latest WHERE thread = ?1 AND event = ?2
AND sink IN (SELECT sink FROM settled_deliveries WHERE event = ?2)

-- name: drop_attempts
DELETE FROM attempts WHERE delivery IN (SELECT id FROM settled_deliveries WHERE event = ?)

-- name: drop_settled
DELETE FROM settled_deliveries WHERE event = ? RETURNING sink, state

-- name: drop_seen
DELETE FROM seen WHERE source = ? AND subject = ? AND event = ?

-- name: drop_body
DELETE FROM bodies WHERE event = ?

-- name: drop_event
DELETE FROM events WHERE id = ?

-- name: oldest
SELECT received_at FROM events ORDER BY id LIMIT 1

-- name: drop_rulesets
DELETE FROM rulesets WHERE EXISTS (
  SELECT 1 FROM rulesets AS later WHERE later.since > rulesets.since AND later.since < ?)

-- name: ping
INSERT INTO pulse VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at

-- name: any_older
SELECT EXISTS (SELECT 1 FROM open_deliveries WHERE sink = ? AND state = 'pending' AND created_at < ?)
