-- name: dlv open deliveries whose event is not there
SELECT id FROM open_deliveries WHERE event NOT IN (SELECT id FROM events)

-- name: dlv settled deliveries whose event is not there
SELECT id FROM settled_deliveries WHERE event NOT IN (SELECT id FROM events)

-- name: dlv open deliveries in a state that is none of theirs
SELECT id FROM open_deliveries WHERE state NOT IN ('pending', 'in_flight')

-- name: dlv settled deliveries in a state that is none of theirs
SELECT id FROM settled_deliveries WHERE state NOT IN ('delivered', 'dead')

-- name: dlv deliveries that are open and settled
SELECT id FROM open_deliveries WHERE id IN (SELECT id FROM settled_deliveries)

-- name: dlv deliveries in flight that nobody claimed
SELECT id FROM open_deliveries WHERE state = 'in_flight' AND claim < 1

-- name: dlv deliveries with counts that cannot be
SELECT id FROM open_deliveries WHERE claim < 0 OR failures < 0 OR crashes < 0 OR crashes > claim
UNION ALL
SELECT id FROM settled_deliveries WHERE claim < 0 OR failures < 0 OR crashes < 0 OR crashes > claim

-- name: dlv settled deliveries with neither an attempt nor a reason
SELECT id FROM settled_deliveries
WHERE reason IS NULL AND NOT EXISTS (SELECT 1 FROM attempts WHERE delivery = settled_deliveries.id)

-- name: dlv dead deliveries without a reason
SELECT id FROM settled_deliveries WHERE state = 'dead' AND reason IS NULL

-- name: dlv deliveries of an event to a sink that has another one of it
SELECT max(id) FROM
  (SELECT id, event, sink FROM open_deliveries UNION ALL SELECT id, event, sink FROM settled_deliveries)
GROUP BY event, sink HAVING count(*) > 1

-- name: dlv attempts whose delivery is not there
SELECT delivery FROM attempts
WHERE delivery NOT IN (SELECT id FROM open_deliveries) AND delivery NOT IN (SELECT id FROM settled_deliveries)

-- name: dlv attempts under a claim that was never given
SELECT delivery FROM attempts WHERE number < 1
UNION ALL
SELECT id FROM open_deliveries JOIN attempts ON delivery = id WHERE number > claim
UNION ALL
SELECT id FROM settled_deliveries JOIN attempts ON delivery = id WHERE number > claim

-- name: evt events without a body
SELECT id FROM events WHERE id NOT IN (SELECT event FROM bodies)

-- name: evt bodies without an event
SELECT event FROM bodies WHERE event NOT IN (SELECT id FROM events)

-- name: evt events whose rules are not there
SELECT id FROM events WHERE ruleset NOT IN (SELECT digest FROM rulesets)

-- name: evt subjects whose last event is not there
SELECT event FROM seen WHERE NOT EXISTS (
  SELECT 1 FROM events WHERE id = seen.event AND source = seen.source AND subject = seen.subject)

-- name: evt bodies that are not what was recorded
SELECT seen.event FROM seen JOIN bodies ON bodies.event = seen.event WHERE body_digest(body) <> digest

-- name: evt newest deliveries of a build whose event is not there
SELECT event FROM latest WHERE event NOT IN (SELECT id FROM events)

-- name: req refused requests of another size than was noted
SELECT id FROM quarantine WHERE size <> length(body)
