-- name: crashed
UPDATE open_deliveries SET state = 'pending', crashes = crashes + 1 WHERE state = 'in_flight' RETURNING id, crashes

-- name: suspects
SELECT EXISTS (SELECT 1 FROM open_deliveries WHERE state = 'pending' AND crashes >= 2)

-- name: postpone
UPDATE open_deliveries SET due = max(due, ?) WHERE state = 'pending' AND crashes >= 2

-- name: newest
SELECT max(ifnull((SELECT max(id) FROM events), 0),
           ifnull((SELECT max(id) FROM open_deliveries), 0),
           ifnull((SELECT max(id) FROM settled_deliveries), 0),
           ifnull((SELECT max(id) FROM quarantine), 0))

-- name: counts
SELECT sink, 'pending', count(*) FROM open_deliveries INDEXED BY open_due
WHERE state = 'pending' AND crashes < 2 GROUP BY sink
UNION ALL
SELECT sink, 'pending', count(*) FROM open_deliveries INDEXED BY open_suspect
WHERE state = 'pending' AND crashes >= 2 GROUP BY sink
UNION ALL
SELECT sink, state, count(*) FROM settled_deliveries GROUP BY sink, state
