-- name: events
SELECT events.* FROM events

-- name: body
SELECT body FROM bodies WHERE event = ?

-- name: window
SELECT id FROM events WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?

-- name: open
SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, NULL FROM open_deliveries

-- name: settled
SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, settled_at
FROM settled_deliveries

-- name: attempts
SELECT number, started_at, seconds, outcome, status, reason, excerpt FROM attempts WHERE delivery = ? ORDER BY number

-- name: rules
SELECT yaml FROM rulesets WHERE digest = ?

-- name: event
SELECT * FROM events WHERE id = ?

-- name: sinks
SELECT sink FROM open_deliveries WHERE event = ?1 UNION ALL SELECT sink FROM settled_deliveries WHERE event = ?1
