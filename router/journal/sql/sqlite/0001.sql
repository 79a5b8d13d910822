-- Events and their bodies apart: a search must not read bodies.
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  provider TEXT NOT NULL,
  event TEXT,
  kind TEXT NOT NULL,
  status TEXT,
  provider_status TEXT,
  branch TEXT,
  "commit" TEXT,
  project TEXT,
  build TEXT,
  changes INTEGER,
  author TEXT,
  title TEXT,
  url TEXT,
  pull_request INTEGER,
  labels TEXT,
  received_at REAL NOT NULL,
  subject TEXT NOT NULL,
  reused INTEGER NOT NULL,
  ruleset TEXT NOT NULL
) STRICT;

-- What people look for most and what tells events apart best; every index costs every event. The id is part of it,
-- so a listing is newest first without a sort.
CREATE INDEX events_branch ON events (branch) WHERE branch IS NOT NULL;

CREATE TABLE bodies (
  event INTEGER PRIMARY KEY,
  body BLOB NOT NULL
) STRICT;

-- The last body of each subject, for telling a resend from news.
CREATE TABLE seen (
  source TEXT NOT NULL,
  subject TEXT NOT NULL,
  digest BLOB NOT NULL,
  event INTEGER NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (source, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE open_deliveries (
  id INTEGER PRIMARY KEY,
  event INTEGER NOT NULL,
  sink TEXT NOT NULL,
  rule TEXT NOT NULL,
  state TEXT NOT NULL,
  due REAL NOT NULL,
  created_at REAL NOT NULL,
  claim INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  reason TEXT,
  thread TEXT
) STRICT;

CREATE INDEX open_due ON open_deliveries (sink, due) WHERE state = 'pending' AND crashes < 2;
CREATE INDEX open_suspect ON open_deliveries (sink, due) WHERE state = 'pending' AND crashes >= 2;
CREATE INDEX open_event ON open_deliveries (event);

CREATE TABLE settled_deliveries (
  id INTEGER PRIMARY KEY,
  event INTEGER NOT NULL,
  sink TEXT NOT NULL,
  rule TEXT NOT NULL,
  state TEXT NOT NULL,
  due REAL NOT NULL,
  created_at REAL NOT NULL,
  claim INTEGER NOT NULL,
  failures INTEGER NOT NULL,
  crashes INTEGER NOT NULL,
  reason TEXT,
  settled_at REAL NOT NULL
) STRICT;

CREATE INDEX settled_event ON settled_deliveries (event);
-- Also what the counts at start are taken from, without reading the rows.
CREATE INDEX settled_sink ON settled_deliveries (sink, state);
CREATE INDEX settled_dead ON settled_deliveries (state) WHERE state = 'dead';

CREATE TABLE attempts (
  delivery INTEGER NOT NULL,
  number INTEGER NOT NULL,
  started_at REAL NOT NULL,
  seconds REAL NOT NULL,
  outcome TEXT NOT NULL,
  status INTEGER,
  reason TEXT,
  excerpt TEXT,
  PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;

-- The newest event of a thread that a sink took: what makes an older one superseded.
CREATE TABLE latest (
  sink TEXT NOT NULL,
  thread TEXT NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (sink, thread)
) STRICT, WITHOUT ROWID;

CREATE TABLE rulesets (
  digest TEXT PRIMARY KEY,
  yaml TEXT NOT NULL,
  since REAL NOT NULL
) STRICT;

CREATE TABLE marks (
  sink TEXT PRIMARY KEY,
  paused TEXT,
  by_operator INTEGER NOT NULL,
  fingerprint TEXT NOT NULL,
  held_until REAL
) STRICT;

-- One row that a health check writes.
CREATE TABLE pulse (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at REAL NOT NULL
) STRICT;
