-- name: live
SELECT id FROM router
WHERE lease_until >= coalesce(%s::double precision, extract(epoch FROM clock_timestamp())::double precision) OR id = %s
ORDER BY id
