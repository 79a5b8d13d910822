-- Refused requests, kept to be verified again. The body comes last: a listing does not read it.
CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  received_at REAL NOT NULL,
  verified INTEGER NOT NULL,
  reason TEXT NOT NULL,
  signature TEXT NOT NULL,
  labels TEXT NOT NULL,
  size INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;

-- Also what the bounds of a source are taken from, without reading the rows.
CREATE INDEX quarantine_source ON quarantine (source, id, size);
