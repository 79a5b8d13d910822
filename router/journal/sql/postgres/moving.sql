-- name: begin
BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'

-- name: routers
SELECT EXISTS (SELECT 1 FROM router WHERE lease_until >= extract(epoch FROM clock_timestamp()))

-- name: foreign
SELECT EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM bodies) OR EXISTS (SELECT 1 FROM seen)
  OR EXISTS (SELECT 1 FROM open_deliveries) OR EXISTS (SELECT 1 FROM settled_deliveries)
  OR EXISTS (SELECT 1 FROM attempts) OR EXISTS (SELECT 1 FROM latest) OR EXISTS (SELECT 1 FROM quarantine)
  OR EXISTS (SELECT 1 FROM marks)

-- name: found
SELECT origin, finished FROM moving FOR UPDATE

-- name: sweep
DELETE FROM rulesets; DELETE FROM tally

-- name: start
INSERT INTO moving (origin, later, began) VALUES (%s, %s, extract(epoch FROM clock_timestamp()))

-- name: indexes
SELECT index.relname, replace(pg_get_indexdef(index.oid), ' ON ONLY ', ' ON ')
FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS its ON its.oid = indrelid
WHERE its.relkind = 'p' AND NOT its.relispartition AND NOT indisunique AND its.relname = ANY (%s)
AND its.oid = to_regclass(its.relname::text)

-- name: room
SET LOCAL maintenance_work_mem = '256MB'

-- name: later
SELECT unnest(later) FROM moving

-- name: kinds
INSERT INTO moved SELECT kind, NULL, 0 FROM unnest(%s::text[]) AS every(kind) ON CONFLICT DO NOTHING

-- name: positions
SELECT kind, after, count FROM moved

-- name: position
SELECT after FROM moved WHERE kind = %s FOR UPDATE

-- name: advance
UPDATE moved SET after = %s, count = count + %s WHERE kind = %s

-- name: tally
INSERT INTO tally SELECT 0, sink, state, count(*) FROM (
  SELECT sink, state FROM open_deliveries UNION ALL SELECT sink, state FROM settled_deliveries) AS every
GROUP BY sink, state

-- name: in_flight
SELECT EXISTS (SELECT 1 FROM open_deliveries WHERE state = 'in_flight')

-- name: leave
UPDATE open_deliveries SET router = %s WHERE state = 'in_flight'

-- name: finish
UPDATE moving SET finished = extract(epoch FROM clock_timestamp())

-- name: analyze
ANALYZE events, bodies, seen, open_deliveries, settled_deliveries, attempts, latest, quarantine
