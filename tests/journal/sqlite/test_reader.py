"""The reading connection, whose thread outlives a caller that gave up."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest

from router.clock import Clock
from router.errors import JournalUnavailable
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.reader import Reader, open_reader
from tests.waiting import turns, until

_FOR_EVER = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(tick(x)) FROM n"


@pytest.fixture
async def reader(path: Path) -> AsyncIterator[Reader]:
    """A reader of an empty journal."""
    async with open_sqlite(path, Clock()):
        yield Reader(open_reader(path, None))


async def given_up(reader: Reader, query: Callable[[apsw.Cursor], object], begun: threading.Event) -> None:
    """A read whose caller is cancelled once the query has begun."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(reader.read(query))
        await until(begun.is_set)
        task.cancel()


async def test_what_nobody_waits_for_any_more_meets_no_other_query(reader: Reader) -> None:
    """The next one has its turn, and the connection is closed, when its thread is done with it."""
    begun, go_on = threading.Event(), threading.Event()
    heard: list[object] = []

    def one(cursor: apsw.Cursor) -> None:
        begun.set()
        go_on.wait()
        heard.append(cursor.execute("SELECT 'one'").get)

    await given_up(reader, one, begun)
    async with asyncio.TaskGroup() as group:
        group.create_task(reader.read(lambda cursor: heard.append(cursor.execute("SELECT 'two'").get)))
        await turns(100)
        go_on.set()
    await reader.close()

    assert heard == ["one", "two"]


async def test_closing_waits_for_no_statement_that_nobody_waits_for(reader: Reader) -> None:
    """It may take minutes, and a stop must not; who comes later is told."""
    begun = threading.Event()

    def endless(cursor: apsw.Cursor) -> None:
        cursor.connection.create_scalar_function("tick", lambda _: begun.set(), 1)
        cursor.execute(_FOR_EVER)

    await given_up(reader, endless, begun)
    async with asyncio.timeout(60):
        await reader.close()

    with pytest.raises(JournalUnavailable, match=r"^the journal is closed$"):
        await reader.read(lambda cursor: cursor.execute("SELECT 1").get)
