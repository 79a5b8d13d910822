"""Upkeep of a file: what need not be written is not in the way of commits."""

import asyncio
from pathlib import Path

import apsw

from router.delivery import State
from router.journal.journal import EventQuery
from router.journal.sqlite import open_sqlite
from tests.journal.backends import Time, recorded
from tests.journal.sqlite.disk import Disk, HeldSync
from tests.waiting import until


async def test_where_nothing_is_old_enough_nobody_waits_for_the_look(path: Path, time: Time) -> None:
    """A long backlog, also one of a sink that is gone, is looked through beside the commits."""
    async with open_sqlite(path, time.clock()) as journal:
        for _ in range(3):
            await recorded(journal, time, "gone")
        somebody = apsw.Connection(str(path))
        somebody.execute("BEGIN IMMEDIATE")

        assert await journal.expire([], time.wall - 1, 9) == 0
        assert await journal.outdate("gone", time.wall - 1, 9, "too old") == 0

        somebody.close()
        time.pass_by(1)
        assert await journal.expire([], time.wall, 2) == 2
        assert await journal.outdate("gone", time.wall, 9, "too old") == 1
        assert journal.counts() == {("gone", State.DEAD): 3}


async def test_what_is_requeued_between_the_look_and_the_end_of_it_waits_anew(
    path: Path, time: Time, disk: Disk
) -> None:
    """Its age counts from there."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        await recorded(journal, time, "slack")
        time.pass_by(60)
        disk.trouble = held = HeldSync()
        async with asyncio.TaskGroup() as group:
            group.create_task(journal.ping())
            await until(held.began.is_set)
            discarded = group.create_task(journal.discard(sink="slack", reason="no"))
            requeued = group.create_task(journal.requeue(sink="slack"))
            outdated = group.create_task(journal.outdate("slack", time.wall, 9, "too old"))
            # One reads at a time, in turn: when this is answered, the look has been taken.
            await journal.events(EventQuery())
            held.end.set()

        assert [discarded.result(), requeued.result(), outdated.result()] == [1, 1, 0]
        assert journal.counts() == {("slack", State.PENDING): 1}
