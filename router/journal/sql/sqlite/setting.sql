-- name: pulse
SELECT at FROM pulse

-- name: deliveries
UPDATE open_deliveries SET due = due - :ahead WHERE due > :now

-- name: marks
UPDATE marks SET held_until = held_until - :ahead WHERE held_until > :now

-- name: beat
UPDATE pulse SET at = :now

-- name: younger
UPDATE open_deliveries SET created_at = created_at + :behind WHERE created_at BETWEEN :opened_at AND :now
