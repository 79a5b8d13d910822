-- name: events
SELECT id, source, provider, event, kind, status, provider_status, branch, commit, project, build, changes, author, title,
  url, pull_request, labels, received_at, subject, reused::int, ruleset FROM events

-- name: bodies
SELECT event, body FROM bodies

-- name: seen
SELECT source, subject, digest, event, at FROM seen

-- name: open_deliveries
SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, thread FROM open_deliveries

-- name: settled_deliveries
SELECT id, event, sink, rule, state, due, created_at, claim, failures, crashes, reason, settled_at
FROM settled_deliveries

-- name: attempts
SELECT delivery, number, started_at, seconds, outcome, status, reason, excerpt FROM attempts

-- name: latest
SELECT sink, thread, event FROM latest

-- name: rulesets
SELECT digest, yaml, since FROM rulesets

-- name: marks
SELECT sink, paused, by_operator::int, fingerprint, held_until FROM marks

-- name: quarantine
SELECT id, source, received_at, verified::int, reason, signature, labels, size, body FROM quarantine
