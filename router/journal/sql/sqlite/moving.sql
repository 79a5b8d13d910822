-- name: rulesets
SELECT digest, yaml, since FROM rulesets WHERE digest > ?1 ORDER BY digest

-- name: marks
SELECT sink, paused, by_operator, fingerprint, held_until FROM marks WHERE sink > ?1 ORDER BY sink

-- name: events
SELECT id, source, provider, event, kind, status, provider_status, branch, "commit", project, build, changes, author,
  title, url, pull_request, labels, received_at, subject, reused, ruleset FROM events WHERE id > ?1 ORDER BY id

-- name: bodies
SELECT event, body FROM bodies WHERE event > ?1 ORDER BY event

-- name: seen
SELECT source, subject, digest, event, at, at, 0 FROM seen WHERE (source, subject) > (?1, ?2) ORDER BY source, subject

-- name: settled_deliveries
SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, settled_at
FROM settled_deliveries WHERE id > ?1 ORDER BY id

-- name: attempts
SELECT delivery, number, started_at, seconds, outcome, status, reason, excerpt FROM attempts
WHERE (delivery, number) > (?1, ?2) ORDER BY delivery, number

-- name: latest
SELECT sink, thread, event FROM latest WHERE (sink, thread) > (?1, ?2) ORDER BY sink, thread

-- name: quarantine
SELECT id, source, received_at, verified, reason, signature, labels, size, body FROM quarantine WHERE id > ?1 ORDER BY id

-- name: open_deliveries
SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, thread FROM open_deliveries
WHERE id > ?1 ORDER BY id
