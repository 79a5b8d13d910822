-- name: event
SELECT events.*, body FROM events JOIN bodies ON bodies.event = events.id WHERE events.id = ?

-- name: window
SELECT id FROM events WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?

-- name: open
SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, NULL FROM open_deliveries

-- name: settled
SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, settled_at
FROM settled_deliveries

-- name: attempts
SELECT delivery, number, started_at, seconds, outcome, status, reason, excerpt FROM attempts
WHERE delivery = ? ORDER BY number

-- name: rules
SELECT yaml FROM rulesets WHERE digest = ?

-- name: one
SELECT * FROM events WHERE id = ?

-- name: sinks
SELECT sink FROM open_deliveries WHERE event = ? UNION ALL SELECT sink FROM settled_deliveries WHERE event = ?
