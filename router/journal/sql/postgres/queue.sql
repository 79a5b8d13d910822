-- name: claim
WITH asked AS (
  SELECT * FROM unnest(%(sinks)b::text[], %(rooms)b::bigint[], %(until)b::double precision[]) AS t(sink, room, until)
), picked AS MATERIALIZED (
  SELECT one.id FROM asked CROSS JOIN LATERAL (
    SELECT id FROM open_deliveries AS waiting
    WHERE waiting.sink = asked.sink AND state = 'pending' AND crashes < 2 AND due <= asked.until
    ORDER BY due, id LIMIT asked.room FOR UPDATE SKIP LOCKED) AS one
)
UPDATE open_deliveries AS taken SET state = 'in_flight', claim = claim + 1, router = %(router)s
FROM picked WHERE taken.id = picked.id
RETURNING taken.id, taken.event, sink, rule, state, due, created_at, claim, failures, crashes, reason, NULL,
  claim > 1 AND EXISTS (SELECT 1 FROM latest
    WHERE latest.sink = taken.sink AND latest.thread = taken.thread AND latest.event > taken.event)

-- name: claim_suspect
WITH picked AS MATERIALIZED (
  SELECT id FROM open_deliveries
  WHERE sink = ANY (%(sinks)b::text[]) AND state = 'pending' AND crashes >= 2 AND due <= %(now)s
  ORDER BY due, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE open_deliveries AS taken SET state = 'in_flight', claim = claim + 1, router = %(router)s
FROM picked WHERE taken.id = picked.id
RETURNING taken.id, taken.event, sink, rule, state, due, created_at, claim, failures, crashes, reason, NULL,
  claim > 1 AND EXISTS (SELECT 1 FROM latest
    WHERE latest.sink = taken.sink AND latest.thread = taken.thread AND latest.event > taken.event)

-- name: next_due
SELECT min(one.due) FROM unnest(%b::text[], %b::double precision[]) AS asked(sink, after) CROSS JOIN LATERAL (
  SELECT due FROM open_deliveries AS waiting
  WHERE waiting.sink = asked.sink AND state = 'pending' AND crashes < 2 AND due > asked.after
  ORDER BY due, id LIMIT 1) AS one

-- name: suspects
SELECT asked.sink, due.one, later.due FROM unnest(%(sinks)b::text[]) AS asked(sink)
LEFT JOIN LATERAL (
  SELECT true AS one FROM open_deliveries AS waiting
  WHERE waiting.sink = asked.sink AND state = 'pending' AND crashes >= 2 AND due <= %(now)s LIMIT 1) AS due ON true
LEFT JOIN LATERAL (
  SELECT due FROM open_deliveries AS waiting
  WHERE waiting.sink = asked.sink AND state = 'pending' AND crashes >= 2 AND due > %(now)s
  ORDER BY due, id LIMIT 1) AS later ON true

-- name: events
SELECT events.*, body FROM events JOIN bodies ON bodies.event = events.id WHERE events.id = ANY (%b::bigint[])

-- name: settle
WITH given AS (
  SELECT * FROM unnest(%(ids)b::bigint[], %(claims)b::bigint[], %(states)b::text[], %(failures)b::bigint[],
    %(reasons)b::text[]) AS t(id, claim, state, failures, reason)
), gone AS (
  DELETE FROM open_deliveries AS o USING given
  WHERE o.id = given.id AND o.claim = given.claim AND o.state = 'in_flight'
  RETURNING o.id, o.event, o.sink, o.rule, given.state, o.due, o.created_at, o.claim, given.failures, o.crashes,
    given.reason, o.thread
), kept AS (
  INSERT INTO settled_deliveries
  SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, %(now)s FROM gone
), followed AS (
  -- Not what an older release owes under a thread that is too long for a key.
  INSERT INTO latest SELECT sink, thread, max(event) FROM gone WHERE state = 'delivered' AND octet_length(thread) <= 2000
  GROUP BY sink, thread ORDER BY sink, thread
  ON CONFLICT (sink, thread) DO UPDATE SET event = excluded.event WHERE excluded.event > latest.event
)
SELECT id, sink, state FROM gone

-- name: put_back
UPDATE open_deliveries AS o SET state = 'pending', due = given.due, failures = given.failures, reason = given.reason,
  crashes = CASE WHEN given.harmless THEN 0 ELSE crashes END, router = NULL
FROM unnest(%b::bigint[], %b::bigint[], %b::double precision[], %b::bigint[], %b::text[], %b::boolean[])
  AS given(id, claim, due, failures, reason, harmless)
WHERE o.id = given.id AND o.claim = given.claim AND o.state = 'in_flight'
RETURNING o.id, o.sink, 'pending'

-- name: known
SELECT id FROM open_deliveries WHERE id = ANY (%(ids)b::bigint[])
UNION ALL
SELECT id FROM settled_deliveries WHERE id = ANY (%(ids)b::bigint[])

-- name: tried
INSERT INTO attempts SELECT * FROM unnest(%b::bigint[], %b::bigint[], %b::double precision[], %b::double precision[],
  %b::text[], %b::bigint[], %b::text[], %b::text[])
ON CONFLICT DO NOTHING

-- name: expedite
UPDATE open_deliveries SET due = %(now)s WHERE id IN (
  SELECT id FROM open_deliveries WHERE sink = %(sink)s AND state = 'pending' AND crashes < 2 AND due > %(now)s
  ORDER BY due LIMIT %(limit)s FOR UPDATE SKIP LOCKED)

-- name: expedite_suspects
UPDATE open_deliveries SET due = %(now)s WHERE id IN (
  SELECT id FROM open_deliveries WHERE sink = %(sink)s AND state = 'pending' AND crashes >= 2 AND due > %(now)s
  ORDER BY due LIMIT %(limit)s FOR UPDATE SKIP LOCKED)

-- name: mark
INSERT INTO marks VALUES (%s, %s, %s, %s, %s) ON CONFLICT (sink) DO UPDATE SET
  paused = CASE WHEN marks.by_operator AND NOT excluded.by_operator THEN marks.paused
    WHEN marks.fingerprint = excluded.fingerprint THEN coalesce(excluded.paused, marks.paused)
    ELSE excluded.paused END,
  by_operator = marks.by_operator OR excluded.by_operator, fingerprint = excluded.fingerprint,
  held_until = CASE WHEN marks.fingerprint = excluded.fingerprint AND marks.held_until IS NOT NULL
    AND (excluded.held_until IS NULL OR excluded.held_until < marks.held_until) THEN marks.held_until
    ELSE excluded.held_until END

-- name: unmark
DELETE FROM marks WHERE sink = %s

-- name: marks
SELECT sink, paused, by_operator, fingerprint, held_until FROM marks ORDER BY sink COLLATE "C"
