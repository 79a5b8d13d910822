"""A disk that fills up in the middle of work on many rows: what was done is said, and the rest can follow."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw
import pytest

from router.clock import id_text
from router.delivery import State
from router.errors import Halfway, JournalUnavailable
from router.journal.journal import Journal, RefusedQuery, RefusedRequest
from router.journal.sqlite import open_sqlite
from tests.journal.backends import Time, recorded
from tests.journal.sqlite.disk import Disk, failing, no_trouble

_FULL = "the journal cannot be written now: SQLITE_FULL"


async def _record(journal: Journal, time: Time, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(recorded(journal, time, "slack"))


async def _fails_after(disk: Disk, commits: int, work: Callable[[], Awaitable[int]]) -> JournalUnavailable:
    """What becomes of work on a disk that is full after so many commits."""
    left = commits

    def committed(file: str) -> None:
        nonlocal left
        left -= file == "db-wal"
        if left == 0:
            disk.trouble = failing(apsw.SQLITE_FULL, ("write", "db-wal"))

    disk.synced = committed
    with pytest.raises(JournalUnavailable) as caught:
        await work()
    disk.trouble, disk.synced = no_trouble, lambda _: None
    return caught.value


async def test_a_discard_and_a_requeue_say_how_far_they_came(path: Path, time: Time, disk: Disk) -> None:
    """And go on from there once there is room."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        await _record(journal, time, 2500)

        error = await _fails_after(disk, 2, lambda: journal.discard(sink="slack", reason="no"))
        assert (type(error), str(error)) == (Halfway, f"{_FULL}; 2,000 were changed before that")
        assert journal.counts() == {("slack", State.DEAD): 2000, ("slack", State.PENDING): 500}
        assert await journal.discard(sink="slack", reason="no") == 500

        error = await _fails_after(disk, 1, lambda: journal.requeue(sink="slack"))
        assert (type(error), str(error)) == (Halfway, f"{_FULL}; 1,000 were changed before that")
        assert journal.counts() == {("slack", State.DEAD): 1500, ("slack", State.PENDING): 1000}
        assert await journal.requeue(sink="slack") == 1500


async def test_refused_requests_that_are_forgotten_are_counted_too(
    path: Path, time: Time, disk: Disk
) -> None:
    """A hundred go at a time."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        for _ in range(250):
            refused = RefusedRequest(
                id=id_text("req", journal.ids.next()), source="web", received_at=time.wall, verified=False,
                reason="no", signature={}, labels={}, size=0,
            )  # fmt: skip
            await journal.quarantine(refused, most=1000, most_bytes=9)
        ids = [one.id for one in await journal.quarantined(RefusedQuery(limit=1000))]

        error = await _fails_after(disk, 1, lambda: journal.forget(ids))
        assert (type(error), str(error)) == (Halfway, f"{_FULL}; 100 were changed before that")
        assert await journal.forget(ids) == 150


async def test_work_of_which_nothing_was_done_says_nothing_of_it(path: Path, time: Time, disk: Disk) -> None:
    """The first transaction is refused."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        await recorded(journal, time, "slack")
        disk.trouble = failing(apsw.SQLITE_FULL, ("write", "db-wal"))
        with pytest.raises(JournalUnavailable) as caught:
            await journal.discard(sink="slack", reason="no")

        assert (type(caught.value), str(caught.value)) == (JournalUnavailable, _FULL)
