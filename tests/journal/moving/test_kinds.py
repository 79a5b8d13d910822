"""Nothing is forgotten: whatever a journal keeps is among what is moved, and goes where it belongs."""

from pathlib import Path

import apsw
import psycopg
import pytest

from router.clock import Clock
from router.journal.moving import move
from router.journal.moving.kinds import KINDS
from router.journal.sqlite.schema import migrate
from router.journal.sqlite.statements import migrations
from tests.journal.backends import Time
from tests.journal.moving.origins import a_journal, moved, rows_of, silent
from tests.journal.postgres.fleet import CALM, a_router, rows
from tests.journal.postgres.pooler import BOUNCER, a_pooler
from tests.waiting import until

# What a health check writes.
_NOT_MOVED = {"pulse"}
# What only the target has: its routers, their counts and partitions, how far a move is, its version.
_OWN = {"router", "tally", "days", "moving", "moved", "visual_router", *_NOT_MOVED}
_COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
_TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
AND NOT relispartition
"""


def test_every_table_and_every_column_is_moved(tmp_path: Path) -> None:
    """A later release that adds one has to say how it is moved."""
    path = tmp_path / "journal.db"
    connection = apsw.Connection(str(path))
    migrate(connection, path, migrations())
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}

    assert tables - _NOT_MOVED == {kind.table for kind in KINDS}
    for kind in KINDS:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({kind.table})")}
        assert columns <= set(kind.columns.split(", ")), kind.table


async def test_every_table_and_every_column_of_the_target_is_filled(target: str) -> None:
    """But for what only routers write: who has a delivery in flight."""
    async with a_router(target, CALM):
        pass
    tables = {row[0] for row in rows(target, _TABLES)}

    assert tables - _OWN == {kind.table for kind in KINDS}
    for kind in KINDS:
        columns = {row[0] for row in rows(target, _COLUMNS, kind.table)}
        assert columns - {"router"} == set(kind.columns.split(", ")), kind.table


async def test_partitions_are_those_of_the_days_of_the_ids(tmp_path: Path, time: Time, target: str) -> None:
    """Also of days long ago; retention drops them like any other."""
    path = await a_journal(tmp_path, time, many=3)
    move(path, target, silent, may_lose=True)
    filled = rows(target, "SELECT count(DISTINCT tableoid), count(*) FROM events")
    async with a_router(target, CALM, clock=Clock(lambda: time.wall)) as journal:
        while await journal.prune(time.wall + 1e6, 100):
            pass

    assert filled == [(4, 9)]
    assert rows(target, "SELECT count(*) FROM events") == [(4,)]


@pytest.mark.skipif(BOUNCER is None, reason="there is no pgbouncer here")
async def test_a_pooler_may_stand_between(tmp_path: Path, time: Time, target: str) -> None:
    """Each transaction may meet another session."""
    path = await a_journal(tmp_path, time, many=20)
    with a_pooler(target) as url:
        await until(lambda: _answers(url))
        assert move(path, url, silent, may_lose=True, most_rows=3).same

    assert moved(target, tmp_path) == rows_of(path)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True
