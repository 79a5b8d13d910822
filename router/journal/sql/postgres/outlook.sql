-- name: routers
SELECT name, version, node, configuration, started, seen,
  lease_until >= coalesce(%s::double precision, extract(epoch FROM clock_timestamp())::double precision), id = %s
FROM router ORDER BY id

-- name: introduce
UPDATE router SET configuration = %s WHERE id = %s
