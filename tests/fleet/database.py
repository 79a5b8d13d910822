"""Database: a server whose commits are on its disk, and what it remembers of the routers that left it.

`watched` lays a trigger beside the journal's tables: who vanished from `router`, and whether its lease had
ended by then. What the routers say of themselves is not asked.
"""

from dataclasses import dataclass

import psycopg

from tests.journal.postgres.server import Server

_DURABLE = {"fsync": "on", "full_page_writes": "on", "autovacuum": "on", "max_wal_size": "1GB"}
_WATCH = """
CREATE SCHEMA IF NOT EXISTS fleet;
CREATE TABLE IF NOT EXISTS fleet.gone (name text NOT NULL, expired boolean NOT NULL);
CREATE OR REPLACE FUNCTION fleet.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO fleet.gone VALUES (OLD.name, OLD.lease_until > '-infinity'
    AND OLD.lease_until < extract(epoch FROM clock_timestamp()));
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER noted AFTER DELETE ON router FOR EACH ROW EXECUTE FUNCTION fleet.note();
"""
_LEASES = "SELECT split_part(name, ':', 2)::int, count(*) FROM fleet.gone WHERE expired GROUP BY 1"
# What the shared counts say, and what there is: both must be the same.
_COUNTED = "SELECT sink, state, sum(count)::int FROM tally GROUP BY 1, 2 HAVING sum(count) <> 0 ORDER BY 1, 2"
_THERE = """
SELECT sink, state, count(*)::int FROM open_deliveries GROUP BY 1, 2
UNION ALL SELECT sink, state, count(*)::int FROM settled_deliveries GROUP BY 1, 2 ORDER BY 1, 2
"""
_LEFT_OVER = "SELECT name FROM router"


@dataclass(frozen=True)
class Books:
    """What a database says at the end: ended leases by process, and what is wrong with it."""

    leases: dict[int, int]
    findings: list[str]


def durable(primary: Server | None = None, **settings: str) -> Server:
    """A server that is not started yet; with a `primary`, its standby."""
    return Server({**_DURABLE, **settings}, primary)


def watch(url: str) -> None:
    """Remember who vanishes from now on; the journal's tables must be there."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_WATCH)


def books(url: str) -> Books:
    """Close the books, once every router has stopped."""
    with psycopg.connect(url, autocommit=True) as connection:
        leases: dict[int, int] = dict(connection.execute(_LEASES).fetchall())
        counted, there = connection.execute(_COUNTED).fetchall(), connection.execute(_THERE).fetchall()
        left = connection.execute(_LEFT_OVER).fetchall()
    findings = (
        [f"{sorted(set(counted) ^ set(there))} differ between counts and rows"] if counted != there else []
    )
    findings += [f"router {name} stopped, but is still there" for (name,) in left]
    return Books(leases, findings)
