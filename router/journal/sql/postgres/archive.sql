-- name: event
SELECT events.*, body FROM events JOIN bodies ON bodies.event = events.id WHERE events.id = %s

-- name: open
SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, NULL FROM open_deliveries

-- name: settled
SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, settled_at
FROM settled_deliveries

-- name: attempts
SELECT delivery, number, started_at, seconds, outcome, status, reason, excerpt FROM attempts
WHERE delivery = ANY (%b::bigint[]) ORDER BY delivery, number

-- name: rules
SELECT yaml FROM rulesets WHERE digest = %s

-- name: one
-- Locked: of two who add to the same event the second one sees what the first added.
SELECT * FROM events WHERE id = %s FOR NO KEY UPDATE

-- name: sinks
SELECT sink FROM open_deliveries WHERE event = %s UNION ALL SELECT sink FROM settled_deliveries WHERE event = %s
