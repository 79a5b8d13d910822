-- name: settle
DELETE FROM open_deliveries WHERE id = ? AND claim = ? AND state = 'in_flight'
RETURNING event, sink, rule, due, created_at, crashes, thread

-- name: insert_settled
INSERT INTO settled_deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: put_back
UPDATE open_deliveries SET state = 'pending', due = ?, failures = ?, reason = ?, crashes = iif(?, 0, crashes)
WHERE id = ? AND claim = ? AND state = 'in_flight' RETURNING sink

-- name: known
SELECT EXISTS (SELECT 1 FROM open_deliveries WHERE id = ?1)
    OR EXISTS (SELECT 1 FROM settled_deliveries WHERE id = ?1)

-- name: insert_attempt
INSERT OR IGNORE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: follow
INSERT INTO latest VALUES (?, ?, ?)
ON CONFLICT (sink, thread) DO UPDATE SET event = excluded.event WHERE excluded.event > latest.event

-- name: current
WITH ended (id, claim, state) AS (VALUES (?, ?, ?))
SELECT sink, ended.state, count(*)
FROM ended CROSS JOIN open_deliveries AS open ON open.id = ended.id AND open.claim = ended.claim
WHERE open.state = 'in_flight' GROUP BY sink, ended.state

-- name: settle_all
WITH ended (id, state, failures, reason, at) AS (VALUES (?, ?, ?, ?, ?))
INSERT INTO settled_deliveries
SELECT id, event, sink, rule, ended.state, due, created_at, claim, ended.failures, crashes, ended.reason, at
FROM ended CROSS JOIN open_deliveries AS open USING (id)

-- name: follow_all
WITH ended (id) AS (VALUES (?))
INSERT INTO latest
SELECT sink, thread, event FROM ended CROSS JOIN open_deliveries USING (id) WHERE thread IS NOT NULL
ON CONFLICT (sink, thread) DO UPDATE SET event = excluded.event WHERE excluded.event > latest.event

-- name: close_all
DELETE FROM open_deliveries WHERE id IN (VALUES (?))
