"""The writer: in which thread rows are written, and that it makes no other difference."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import apsw
import pytest

from router.errors import JournalBroken, JournalError
from router.journal.sqlite.writer import Writer, Written
from tests.waiting import turns

HERE = threading.get_ident


def note(word: str) -> Callable[[apsw.Cursor], Written[int]]:
    """Work that writes a word; its result is the thread that did it."""

    def work(cursor: apsw.Cursor) -> Written[int]:
        cursor.execute("INSERT INTO words VALUES (?)", (word,))
        return Written(HERE())

    return work


def note_all(words: Sequence[str], cursor: apsw.Cursor) -> list[Written[int]]:
    """The same for many."""
    cursor.executemany("INSERT INTO words VALUES (?)", [(word,) for word in words])
    return [Written(HERE()) for _ in words]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with one table."""
    path = tmp_path / "words.db"
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "WAL")
    connection.execute("CREATE TABLE words (word TEXT PRIMARY KEY) STRICT")
    connection.close()
    return path


@pytest.fixture
async def writer(file: Path) -> AsyncIterator[Writer]:
    """A writer of that file."""
    connection = apsw.Connection(str(file))
    connection.pragma("wal_autocheckpoint", 0)
    writer = Writer(connection, lambda _: None, lambda: None)
    yield writer
    await writer.close()


def words(file: Path) -> list[str]:
    """What another process finds in the file."""
    connection = apsw.Connection(str(file))
    try:
        return [word for (word,) in connection.execute("SELECT word FROM words ORDER BY rowid")]
    finally:
        connection.close()


async def test_quick_work_is_done_in_the_thread_of_the_loop(writer: Writer, file: Path) -> None:
    """And the journal's thread commits it; whatever else there is it does all by itself."""
    assert await writer.write(note("quick"), quick=True) == HERE()
    assert await writer.share(note_all, "shared", quick=True) == HERE()
    assert await writer.write(note("slow")) != HERE()
    assert words(file) == ["quick", "shared", "slow"]


async def test_quick_work_beside_other_work_is_done_with_it(writer: Writer, file: Path) -> None:
    """One transaction has one thread."""
    async with asyncio.TaskGroup() as group:
        quick = group.create_task(writer.write(note("quick"), quick=True))
        group.create_task(writer.write(note("slow")))

    assert quick.result() != HERE()
    assert words(file) == ["quick", "slow"]


async def test_quick_work_that_is_refused_fails_alone(writer: Writer, file: Path) -> None:
    """What shares its transaction is done again, and committed."""
    await writer.write(note("old"))
    async with asyncio.TaskGroup() as group:
        good = group.create_task(writer.share(note_all, "good", quick=True))
        with pytest.raises(JournalError, match="UNIQUE"):
            await writer.write(note("old"), quick=True)

    assert good.result() != HERE()
    assert words(file) == ["old", "good"]


async def test_where_rows_take_long_the_loop_is_left_alone(writer: Writer) -> None:
    """A disk that is slow to read from would hold everybody up: for a while the thread does it."""

    def linger(_: apsw.Cursor) -> Written[int]:
        end = time.monotonic() + 0.06
        while time.monotonic() < end:
            pass
        return Written(HERE())

    assert await writer.write(linger, quick=True) == HERE()
    assert await writer.write(note("next"), quick=True) != HERE()


async def test_nobody_waits_in_the_loop_for_another_process(writer: Writer, file: Path) -> None:
    """While somebody holds the file, the thread does."""
    other = apsw.Connection(str(file))
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(writer.write(note("late"), quick=True))
        await turns()
        other.execute("ROLLBACK")
    other.close()

    assert waiting.result() != HERE()
    assert words(file) == ["late"]


@pytest.mark.parametrize("quick", [True, False])
async def test_a_sync_that_failed_is_never_tried_again(writer: Writer, quick: bool) -> None:
    """Wherever it was: what comes after would be acknowledged although nobody knows what is on disk."""
    tries = []

    def work(_: apsw.Cursor) -> Written[None]:
        tries.append(HERE())
        raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)

    with pytest.raises(JournalBroken, match="a sync of the journal failed"):
        await writer.write(work, quick=quick)
    with pytest.raises(JournalBroken, match="a sync of the journal failed"):
        await writer.write(note("later"), quick=quick)

    assert len(tries) == 1
    assert (tries[0] == HERE()) is quick
