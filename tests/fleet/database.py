"""Database: a server whose commits are on its disk, and what it remembers of the routers that left it.

`watched` lays a trigger beside the journal's tables: who vanished from `router`, and whether its lease had
ended by then. What the routers say of themselves is not asked.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
_STANDBYS = "SELECT sync_state FROM pg_stat_replication"
_RECEIVER = "SELECT pid FROM pg_stat_wal_receiver"
_LIMIT = 60.0
_LEFT_OVER = "SELECT name FROM router"
_PRESENT = "SELECT split_part(name, ':', 2)::int FROM router"
# Whoever stopped in order with something in flight is there, without a lease, until another has seen it.
_LEASED = f"{_PRESENT} WHERE lease_until > '-infinity'"


@dataclass(frozen=True)
class Books:
    """What a database says at the end: ended leases by process, and what is wrong with it."""

    leases: dict[int, int]
    findings: list[str]


def durable(primary: Server | None = None) -> Server:
    """A server that is not started yet; with a `primary`, its standby."""
    return Server(_DURABLE, primary)


def pair(stack: ExitStack) -> tuple[Server, Server]:
    """A primary that waits with every commit for its standby, and that standby; both run."""
    primary = durable()
    stack.callback(primary.remove)
    standby = durable(primary.start())
    stack.callback(standby.remove)
    standby.start()
    synchronous(primary)
    return primary, standby


def hosts(*servers: Server) -> str:
    """The part of a URL that names several."""
    ports = ",".join("5432" for _ in servers)
    return f"host={','.join(str(server.folder) for server in servers)}&port={ports}"


def synchronous(primary: Server) -> None:
    """From now on its commits wait for its standby, which is there when this returns."""
    with psycopg.connect(primary.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        connection.execute("SELECT pg_reload_conf()")
        limit = time.monotonic() + _LIMIT
        while connection.execute(_STANDBYS).fetchall() != [("sync",)]:
            if time.monotonic() > limit:
                raise TimeoutError("no standby follows")
            connection.execute("SELECT pg_sleep(0.02)")


@contextmanager
def lagging(standby: Server) -> Iterator[None]:
    """Meanwhile it receives nothing."""
    with psycopg.connect(standby.url, autocommit=True) as connection:
        ((receiver,),) = connection.execute(_RECEIVER).fetchall()
    os.kill(receiver, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(receiver, signal.SIGCONT)


def promote(standby: Server) -> None:
    """Make it the primary, without a standby of its own."""
    with psycopg.connect(standby.url, autocommit=True) as connection:
        connection.execute("SELECT pg_promote()")
        connection.execute("ALTER SYSTEM RESET synchronous_standby_names")
        connection.execute("SELECT pg_reload_conf()")


def watch(url: str) -> None:
    """Remember who vanishes from now on; the journal's tables must be there."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_WATCH)


def present(url: str, *, leased: bool = False) -> set[int]:
    """The processes that are in the table of routers; or those of them whose leases were not given up."""
    with psycopg.connect(url, autocommit=True) as connection:
        return {process for (process,) in connection.execute(_LEASED if leased else _PRESENT)}


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
