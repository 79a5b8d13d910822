-- name: walk
SELECT id,
  NOT EXISTS (SELECT 1 FROM open_deliveries WHERE event = events.id)
  AND NOT EXISTS (SELECT 1 FROM settled_deliveries WHERE event = events.id AND settled_at >= ?3)
  AND (received_at < ?3 OR EXISTS (SELECT 1 FROM settled_deliveries WHERE event = events.id))
FROM events WHERE id > ?1 AND id < ?2 ORDER BY id LIMIT ?4

-- name: not_remembered
SELECT digest FROM rulesets WHERE since < ? ORDER BY since

-- name: named
SELECT ruleset, max(id), count(*) FROM (SELECT id, ruleset FROM events WHERE id > ? ORDER BY id LIMIT ?)
GROUP BY ruleset

-- name: drop_ruleset
DELETE FROM rulesets WHERE digest = ? AND since < ? RETURNING digest

-- name: ping
INSERT INTO pulse VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET at = excluded.at

-- name: older
SELECT id FROM open_deliveries NOT INDEXED WHERE sink = ? AND state = 'pending' AND created_at < ? ORDER BY id LIMIT ?

-- name: still_older
SELECT 1 FROM open_deliveries WHERE id = ? AND created_at < ?
