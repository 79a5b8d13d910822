"""A disk that holds everybody up: nothing piles up behind it, and refused requests let events go first."""

import asyncio
import threading
import tracemalloc
from pathlib import Path

import anyio.to_thread
import apsw

from router.event import Event
from router.journal.journal import EventQuery, Journal, RefusedQuery
from router.journal.sqlite import open_sqlite
from router.journal.store import Recent
from tests.journal.backends import Time, recorded
from tests.journal.conformance.test_quarantine import a_request
from tests.journal.sqlite.disk import Disk, HeldSync, no_trouble
from tests.waiting import turns, until

MEBIBYTE = 1 << 20


async def given_up(journal: Journal, time: Time) -> None:
    """A large event whose sender does not wait for its turn."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(recorded(journal, time, "slack", payload=b'{"a":"%b"}' % bytes(MEBIBYTE)))
        await turns(3)
        task.cancel()


async def test_what_was_given_up_before_its_turn_is_neither_kept_nor_recorded(
    path: Path, time: Time, disk: Disk
) -> None:
    """Senders who were told 503 leave nothing behind: else a disk that hangs would fill the memory."""
    held = HeldSync()
    tracemalloc.start()
    try:
        async with (
            open_sqlite(path, time.clock(), vfs=disk.name) as journal,
            asyncio.TaskGroup() as group,
        ):
            disk.trouble = held
            first = group.create_task(recorded(journal, time, "slack"))
            await anyio.to_thread.run_sync(held.began.wait)
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(20):
                await given_up(journal, time)
            after, _ = tracemalloc.get_traced_memory()
            held.end.set()

            await journal.ping()
            assert [event.id for event in await journal.events(EventQuery())] == [first.result().id]
            assert after - before < 4 * MEBIBYTE
    finally:
        tracemalloc.stop()
        held.end.set()


async def test_large_bodies_that_were_stored_together_leave_nothing_behind(
    path: Path, time: Time, disk: Disk
) -> None:
    """SQLite keeps what was bound to its prepared statements: few bodies, however many came at once."""
    held = HeldSync()
    before = apsw.memory_used()
    try:
        async with (
            open_sqlite(path, time.clock(), vfs=disk.name) as journal,
            asyncio.TaskGroup() as group,
        ):
            disk.trouble = held
            group.create_task(recorded(journal, time, "slack"))
            await anyio.to_thread.run_sync(held.began.wait)
            for _ in range(31):
                group.create_task(recorded(journal, time, "slack", payload=b'{"a":"%b"}' % (b"x" * MEBIBYTE)))
            await turns(3)
            held.end.set()

            await journal.ping()
            assert len(await journal.events(EventQuery())) == 32
            # The cache of pages has up to 8 MiB for each of two connections.
            assert apsw.memory_used() - before < 20 * MEBIBYTE
    finally:
        held.end.set()


class InOrder:
    """Holds up syncs one by one, so that who is written when can be seen."""

    def __init__(self) -> None:
        self.waiting = threading.Semaphore(0)
        self.go_on = threading.Semaphore(0)

    def __call__(self, operation: str, file: str) -> None:
        """Wait, if it is such a sync."""
        if (operation, file) == ("sync", "db-wal"):
            self.waiting.release()
            self.go_on.acquire()


async def test_a_refused_request_is_written_when_nobody_waits(path: Path, time: Time, disk: Disk) -> None:
    """As long as a sender waits for its event, one after the other, the refused request stays behind."""
    steps = InOrder()
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal, asyncio.TaskGroup() as group:
        await recorded(journal, time, "slack")
        disk.trouble = steps
        events = [group.create_task(recorded(journal, time, "slack"))]
        await anyio.to_thread.run_sync(steps.waiting.acquire)
        request = group.create_task(journal.quarantine(a_request(journal, time), most=9, most_bytes=100))
        # In the same turn of the loop: the second of patience cannot end in between.
        events.append(group.create_task(recorded(journal, time, "slack")))
        await turns()
        steps.go_on.release()
        await anyio.to_thread.run_sync(steps.waiting.acquire)
        await until(events[0].done)
        behind = await journal.quarantined(RefusedQuery())
        disk.trouble = no_trouble
        steps.go_on.release()
        await request

        assert behind == []
        assert len(await journal.events(EventQuery())) == 3
        assert len(await journal.quarantined(RefusedQuery())) == 1


def test_small_events_are_not_remembered_without_end() -> None:
    """An event weighs more than its body: else the smallest would fill the memory."""
    recent = Recent(most_bytes=10_000)
    event = Event(source="web", provider="percy", received_at=0.0, payload=b"{}")
    for number in range(10):
        recent.keep(number, event)

    assert [number for number in range(10) if recent.get(number) is not None] == [6, 7, 8, 9]
