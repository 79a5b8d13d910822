-- name: pending
SELECT id, event, sink, rule, 'in_flight', due, created_at, claim + 1, failures, crashes, reason, NULL, thread
FROM open_deliveries WHERE sink = ? AND state = 'pending' AND crashes < 2 ORDER BY due, id LIMIT ?

-- name: suspects
SELECT id, event, sink, rule, 'in_flight', due, created_at, claim + 1, failures, crashes, reason, NULL, thread
FROM open_deliveries WHERE sink = ? AND state = 'pending' AND crashes >= 2 ORDER BY due, id LIMIT ?

-- name: wait
SELECT count(*) FILTER (WHERE due <= ?2), min(due) FILTER (WHERE due > ?2)
FROM open_deliveries WHERE sink = ?1 AND state = 'pending' AND crashes >= 2

-- name: event
SELECT * FROM events WHERE id = ?

-- name: body
SELECT body FROM bodies WHERE event = ?

-- name: take
UPDATE open_deliveries SET state = 'in_flight', claim = claim + 1 WHERE id IN (VALUES (?))

-- name: superseded
SELECT 1 FROM latest WHERE sink = ? AND thread = ? AND event > ?

-- name: expedite
UPDATE open_deliveries SET due = ?1 WHERE id IN (
  SELECT id FROM open_deliveries WHERE sink = ?2 AND state = 'pending' AND crashes < 2 AND due > ?1 LIMIT ?3)

-- name: expedite_suspects
UPDATE open_deliveries SET due = ?1 WHERE id IN (
  SELECT id FROM open_deliveries WHERE sink = ?2 AND state = 'pending' AND crashes >= 2 AND due > ?1 LIMIT ?3)

-- name: mark
INSERT INTO marks VALUES (?, ?, ?, ?, ?) ON CONFLICT (sink) DO UPDATE SET
  paused = CASE WHEN marks.by_operator AND NOT excluded.by_operator THEN marks.paused
    WHEN marks.fingerprint = excluded.fingerprint THEN coalesce(excluded.paused, marks.paused)
    ELSE excluded.paused END,
  by_operator = marks.by_operator OR excluded.by_operator, fingerprint = excluded.fingerprint,
  held_until = CASE WHEN marks.fingerprint = excluded.fingerprint AND marks.held_until IS NOT NULL
    AND (excluded.held_until IS NULL OR excluded.held_until < marks.held_until) THEN marks.held_until
    ELSE excluded.held_until END

-- name: unmark
DELETE FROM marks WHERE sink = ?

-- name: marks
SELECT sink, paused, by_operator, fingerprint, held_until FROM marks ORDER BY sink
