-- name: release
UPDATE open_deliveries SET state = 'pending' WHERE id = ? AND claim = ? AND state = 'in_flight' RETURNING sink

-- name: bury
DELETE FROM open_deliveries WHERE id = ? AND state = 'pending'
RETURNING event, sink, rule, due, created_at, claim, failures, crashes

-- name: insert_dead
INSERT INTO settled_deliveries VALUES (?, ?, ?, ?, 'dead', ?, ?, ?, ?, ?, ?, ?)

-- name: revive
DELETE FROM settled_deliveries WHERE id = ? AND state = 'dead' RETURNING event, sink, rule, claim

-- name: insert_revived
INSERT INTO open_deliveries VALUES (?, ?, ?, ?, 'pending', ?, ?, ?, 0, 0, NULL, ?)

-- name: event
SELECT * FROM events WHERE id = ?

-- name: dead_of
SELECT id FROM settled_deliveries WHERE sink = ? AND state = 'dead' AND id > ? ORDER BY id LIMIT ?

-- name: pending_of
SELECT id FROM open_deliveries WHERE sink = ?1 AND state = 'pending' AND crashes < 2
UNION ALL
SELECT id FROM open_deliveries WHERE sink = ?1 AND state = 'pending' AND crashes >= 2
LIMIT ?2
