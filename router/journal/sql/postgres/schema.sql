-- name: lock
SELECT pg_advisory_xact_lock(1987212914)

-- name: found
SELECT to_regclass('visual_router') IS NOT NULL, to_regclass('events') IS NOT NULL

-- name: version
SELECT version FROM visual_router

-- name: begin
CREATE TABLE visual_router (version integer NOT NULL)

-- name: first
INSERT INTO visual_router VALUES (0)

-- name: newer
UPDATE visual_router SET version = %s

-- name: settings
SELECT current_setting('server_version_num')::int, current_setting('fsync'), current_setting('full_page_writes'),
  current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
  current_setting('server_encoding')
