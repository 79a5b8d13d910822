-- name: see
INSERT INTO seen (source, subject, digest, event, at, since, changed)
SELECT source, subject, digest, event, %s, since, false
FROM unnest(%b::text[], %b::text[], %b::bytea[], %b::bigint[], %b::double precision[])
  AS entry(source, subject, digest, event, since)
ORDER BY source, subject
ON CONFLICT (source, subject) DO UPDATE SET digest = excluded.digest, event = excluded.event, at = excluded.at,
  since = excluded.since, changed = seen.digest <> excluded.digest
WHERE seen.digest <> excluded.digest OR seen.at < excluded.since
RETURNING event, changed

-- name: seen
SELECT source, subject, event FROM seen
WHERE (source, subject) IN (SELECT * FROM unnest(%b::text[], %b::text[]))

-- name: record
WITH put AS (
  INSERT INTO events SELECT * FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],
    %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::bigint[], %b::text[], %b::text[], %b::text[],
    %b::bigint[], %b::text[], %b::double precision[], %b::text[], %b::boolean[], %b::text[])
), wrapped AS (
  INSERT INTO bodies SELECT * FROM unnest(%b::bigint[], %b::bytea[])
)
INSERT INTO open_deliveries (id, event, sink, rule, state, due, created_at, claim, failures, crashes, thread)
SELECT id, event, sink, rule, 'pending', now, now, 0, 0, 0, thread
FROM unnest(%b::bigint[], %b::bigint[], %b::text[], %b::text[], %b::double precision[], %b::text[])
  AS owed(id, event, sink, rule, now, thread)

-- name: owe
INSERT INTO open_deliveries (id, event, sink, rule, state, due, created_at, claim, failures, crashes, thread)
SELECT id, event, sink, rule, 'pending', now, now, 0, 0, 0, thread
FROM unnest(%b::bigint[], %b::bigint[], %b::text[], %b::text[], %b::double precision[], %b::text[])
  AS owed(id, event, sink, rule, now, thread)

-- name: remember
INSERT INTO rulesets VALUES (%s, %s, %s) ON CONFLICT (digest) DO UPDATE SET since = excluded.since
