-- name: days
SELECT first, past FROM days WHERE past <= %s ORDER BY first

-- name: walk
SELECT id,
  NOT EXISTS (SELECT 1 FROM open_deliveries WHERE event = events.id)
  AND NOT EXISTS (SELECT 1 FROM settled_deliveries WHERE event = events.id AND settled_at >= %(before)s)
  AND (received_at < %(before)s OR EXISTS (SELECT 1 FROM settled_deliveries WHERE event = events.id))
FROM events WHERE id > %(after)s AND id < %(border)s ORDER BY id LIMIT %(limit)s

-- name: doomed
SELECT id FROM events WHERE id = ANY (%(ids)b::bigint[])
AND NOT EXISTS (SELECT 1 FROM open_deliveries WHERE event = events.id)
AND NOT EXISTS (SELECT 1 FROM settled_deliveries WHERE event = events.id AND settled_at >= %(before)s)
ORDER BY id

-- name: hold
SELECT id FROM events WHERE id = ANY (%b::bigint[]) ORDER BY id FOR UPDATE

-- name: drop_rows
WITH dropped AS (
  DELETE FROM settled_deliveries WHERE event = ANY (%(ids)b::bigint[]) RETURNING id, sink, state
), tried AS (
  DELETE FROM attempts WHERE delivery IN (SELECT id FROM dropped)
), forgotten AS (
  DELETE FROM seen USING events
  WHERE events.id = ANY (%(ids)b::bigint[]) AND seen.source = events.source AND seen.subject = events.subject
  AND seen.event = events.id
), unwrapped AS (
  DELETE FROM bodies WHERE event = ANY (%(ids)b::bigint[])
)
SELECT sink, state, count(*) FROM dropped GROUP BY sink, state

-- name: drop_latest
DELETE FROM latest WHERE event = ANY (%b::bigint[])

-- name: drop_events
DELETE FROM events WHERE id = ANY (%b::bigint[])

-- name: briefly
SET LOCAL lock_timeout = '200ms'

-- name: kept
SELECT
  EXISTS (SELECT 1 FROM open_deliveries WHERE event >= %(first)s AND event < %(past)s)
  OR EXISTS (SELECT 1 FROM open_deliveries WHERE id >= %(first)s AND id < %(past)s)
  OR EXISTS (SELECT 1 FROM settled_deliveries
    WHERE id >= %(first)s AND id < %(past)s AND (settled_at >= %(before)s OR event < %(first)s))
  OR EXISTS (SELECT 1 FROM settled_deliveries
    WHERE event >= %(first)s AND event < %(past)s AND id >= %(past)s)
  OR EXISTS (SELECT 1 FROM events WHERE id >= %(first)s AND id < %(past)s AND received_at >= %(before)s
    AND NOT EXISTS (SELECT 1 FROM settled_deliveries WHERE event = events.id))

-- name: owed
SELECT sink, state, count(*) FROM settled_deliveries WHERE id >= %s AND id < %s GROUP BY sink, state

-- name: held
SELECT count(*) FROM events WHERE id >= %s AND id < %s

-- name: forget_seen
DELETE FROM seen WHERE event >= %s AND event < %s

-- name: forget_latest
DELETE FROM latest WHERE event >= %s AND event < %s

-- name: forget_day
DELETE FROM days WHERE first = %s

-- name: not_remembered
SELECT digest FROM rulesets WHERE since < %s ORDER BY since

-- name: named
SELECT ruleset, max(id), count(*) FROM (SELECT id, ruleset FROM events WHERE id > %s ORDER BY id LIMIT %s) AS stretch
GROUP BY ruleset

-- name: drop_rulesets
DELETE FROM rulesets WHERE digest = ANY (%b::text[]) AND since < %s RETURNING digest

-- name: ping
INSERT INTO pulse VALUES (%s, %s) ON CONFLICT (node) DO UPDATE SET at = excluded.at

-- name: add_day
INSERT INTO days VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING 1
