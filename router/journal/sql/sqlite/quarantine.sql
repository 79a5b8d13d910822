-- name: insert
INSERT INTO quarantine VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: page
SELECT id, source, received_at, verified, reason, signature, labels, size FROM quarantine WHERE id < ?
ORDER BY id DESC LIMIT ?

-- name: page_of
SELECT id, source, received_at, verified, reason, signature, labels, size FROM quarantine WHERE id < ? AND source = ?
ORDER BY id DESC LIMIT ?

-- name: one
SELECT id, source, received_at, verified, reason, signature, labels, size, body FROM quarantine WHERE id = ?

-- name: oldest
SELECT id, size FROM quarantine WHERE source = ? ORDER BY id LIMIT 1

-- name: drop
DELETE FROM quarantine WHERE id = ? RETURNING source

-- name: before
SELECT id FROM quarantine WHERE id < ? ORDER BY id LIMIT ?

-- name: stock
SELECT count(*), ifnull(sum(size), 0) FROM quarantine WHERE source = ?

-- name: stocks
SELECT source, count(*), sum(size) FROM quarantine GROUP BY source
