-- name: lock
SELECT pg_advisory_xact_lock(1987212915, hashtext(%s))

-- name: insert
INSERT INTO quarantine VALUES (%b, %b, %b, %b, %b, %b, %b, %b, %b)

-- name: page
SELECT id, source, received_at, verified, reason, signature, labels, size FROM quarantine WHERE id < %s
ORDER BY id DESC LIMIT %s

-- name: page_of
SELECT id, source, received_at, verified, reason, signature, labels, size FROM quarantine WHERE id < %s AND source = %s
ORDER BY id DESC LIMIT %s

-- name: one
SELECT id, source, received_at, verified, reason, signature, labels, size, body FROM quarantine WHERE id = %s

-- name: beyond
DELETE FROM quarantine WHERE id IN (
  SELECT id FROM (
    SELECT id, row_number() OVER newest AS place, sum(size) OVER newest AS bytes FROM quarantine WHERE source = %s
    WINDOW newest AS (ORDER BY id DESC ROWS UNBOUNDED PRECEDING)) AS each
  WHERE place > %s OR bytes > %s)

-- name: drop
DELETE FROM quarantine WHERE id = ANY (%b::bigint[]) RETURNING source

-- name: before
SELECT id FROM quarantine WHERE id < %s ORDER BY id LIMIT %s

-- name: stock
SELECT source, count(*), sum(size)::bigint FROM quarantine WHERE source = ANY (%b::text[]) GROUP BY source
