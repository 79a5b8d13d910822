-- name: bury
WITH gone AS (
  DELETE FROM open_deliveries WHERE id IN (
    SELECT id FROM open_deliveries WHERE id = ANY (%(ids)b::bigint[]) AND state = 'pending'
    ORDER BY id FOR UPDATE SKIP LOCKED)
  RETURNING *
), kept AS (
  INSERT INTO settled_deliveries
  SELECT id, event, sink, rule, 'dead', due, created_at, claim, failures, crashes, %(reason)s, %(now)s FROM gone
)
SELECT sink FROM gone

-- name: revive
DELETE FROM settled_deliveries WHERE id = ANY (%b::bigint[]) AND event = ANY (%b::bigint[]) AND state = 'dead'
RETURNING id, event, sink, rule, claim

-- name: events
SELECT * FROM events WHERE id IN (
  SELECT event FROM settled_deliveries WHERE id = ANY (%b::bigint[]) AND state = 'dead')
ORDER BY id FOR NO KEY UPDATE

-- name: revived
INSERT INTO open_deliveries (id, event, sink, rule, state, due, created_at, claim, failures, crashes, thread)
SELECT id, event, sink, rule, 'pending', %(now)s, %(now)s, claim, 0, 0, thread
FROM unnest(%(ids)b::bigint[], %(events)b::bigint[], %(sinks)b::text[], %(rules)b::text[], %(claims)b::bigint[],
  %(threads)b::text[]) AS t(id, event, sink, rule, claim, thread)

-- name: dead_of
SELECT id FROM settled_deliveries WHERE sink = %s AND state = 'dead' AND id > %s ORDER BY id LIMIT %s

-- name: pending_of
SELECT id FROM open_deliveries WHERE sink = %s AND state = 'pending' AND created_at < %s LIMIT %s FOR UPDATE SKIP LOCKED

-- name: release
UPDATE open_deliveries AS o SET state = 'pending', router = NULL
FROM unnest(%b::bigint[], %b::bigint[]) AS given(id, claim)
WHERE o.id = given.id AND o.claim = given.claim AND o.state = 'in_flight' RETURNING sink
