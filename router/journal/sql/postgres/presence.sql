-- name: number
SELECT nextval(pg_get_serial_sequence('router', 'id'))

-- name: appear
INSERT INTO router (id, node, name, version, configuration, started, seen, lease_until)
SELECT %(id)s, free.node, %(name)s, %(version)s, %(configuration)s, clock.now, clock.now, clock.now + %(lease)s
FROM (SELECT node FROM generate_series(0, 255) AS every(node) WHERE node NOT IN (SELECT node FROM router)
      ORDER BY (node + 256 - %(id)s %% 256) %% 256 LIMIT 1) AS free,
  (SELECT coalesce(%(now)s::double precision, extract(epoch FROM clock_timestamp())::double precision) AS now) AS clock
RETURNING node, seen

-- name: beat
UPDATE router SET seen = clock.now, lease_until = clock.now + %(lease)s, configuration = %(configuration)s
FROM (SELECT coalesce(%(now)s::double precision, extract(epoch FROM clock_timestamp())::double precision) AS now)
  AS clock, (SELECT lease_until FROM router WHERE id = %(id)s) AS before
WHERE router.id = %(id)s
RETURNING router.seen, before.lease_until >= clock.now

-- name: gone
SELECT id FROM router WHERE lease_until < %s AND id <> %s ORDER BY id FOR UPDATE SKIP LOCKED

-- name: take_over
UPDATE open_deliveries SET state = 'pending', crashes = crashes + 1, router = NULL
WHERE router = %s AND state = 'in_flight' RETURNING id, sink, crashes

-- name: vanish
DELETE FROM router WHERE id = %s RETURNING name

-- name: resign
UPDATE router SET lease_until = '-infinity' WHERE id = %s
AND EXISTS (SELECT 1 FROM open_deliveries WHERE router = %s AND state = 'in_flight') RETURNING 1

-- name: reconcile
UPDATE open_deliveries SET state = 'pending', router = NULL
WHERE router = %s AND state = 'in_flight' AND NOT id = ANY (%b::bigint[]) RETURNING sink

-- name: counts
SELECT sink, state, sum(count)::bigint FROM tally GROUP BY sink, state HAVING sum(count) <> 0

-- name: stocks
SELECT source, count(*), sum(size)::bigint FROM quarantine GROUP BY source

-- name: suspects
SELECT EXISTS (SELECT 1 FROM open_deliveries WHERE state = 'pending' AND crashes >= 2)

-- name: others
SELECT count(*) FROM router WHERE id <> %s AND lease_until >= %s

-- name: newest
SELECT greatest((SELECT max(id) FROM events), (SELECT max(id) FROM open_deliveries),
  (SELECT max(id) FROM settled_deliveries), (SELECT max(id) FROM quarantine), 0)

-- name: tally
INSERT INTO tally SELECT %s, moves.* FROM unnest(%b::text[], %b::text[], %b::bigint[]) AS moves
ON CONFLICT (node, sink, state) DO UPDATE SET count = tally.count + excluded.count

-- name: hint
SELECT pg_notify('visual_router', '')

-- name: moving
SELECT EXISTS (SELECT 1 FROM moving WHERE finished IS NULL)
