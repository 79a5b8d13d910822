"""What was acknowledged is on disk: through a synced commit, over kill -9, over a crash before the answer."""

import asyncio
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import apsw

from router.clock import Clock
from router.delivery import Route, State
from router.journal.journal import DeliveryQuery, EventQuery, Journal, Receipt, SinkMark
from router.journal.sqlite import open_sqlite
from tests.journal.backends import Time, an_event, claimed, recorded, settlement
from tests.journal.sqlite.disk import Disk, HeldSync
from tests.waiting import turns

_ROOT = Path(__file__).parents[3]
# What the child says; its log goes the same way.
_WORDS = ("recorded ", "claimed ", "delivered ")


async def test_whatever_is_answered_was_written_and_then_synced(path: Path, time: Time, disk: Disk) -> None:
    """Each writing call ends in a sync of the write-ahead log, with nothing written after it."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:

        async def settle() -> None:
            claim = await claimed(journal, "slack")
            assert sorted(set(disk.calls), reverse=True) == [("write", "db-wal"), ("sync", "db-wal")]
            disk.calls.clear()
            await journal.settle([settlement(claim, State.DEAD)])

        for work in (
            lambda: recorded(journal, time, "slack"),
            settle,
            lambda: journal.requeue(sink="slack"),
            lambda: journal.discard(sink="slack", reason="r"),
            lambda: journal.mark(SinkMark(sink="slack", paused="r")),
            lambda: journal.remember("digest", "rules"),
            journal.ping,
        ):
            disk.calls.clear()

            await work()

            assert ("write", "db-wal") in disk.calls
            assert disk.calls[-1] == ("sync", "db-wal")


async def test_nobody_is_answered_before_the_sync_returns(path: Path, time: Time, disk: Disk) -> None:
    """As long as the sync lasts, no caller of that commit goes on."""
    held = HeldSync()
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        disk.trouble = held
        async with asyncio.TaskGroup() as group:
            work: list[Callable[[], Awaitable[object]]] = [
                lambda: recorded(journal, time, "slack"), journal.ping, lambda: journal.remember("d", "r"),
            ]  # fmt: skip
            tasks = [group.create_task(_of(each)) for each in work]
            # An answer that was given too soon would be told to the loop before this is.
            await asyncio.to_thread(held.began.wait)
            await turns()
            done = [task.done() for task in tasks]
            held.end.set()

    assert done == [False] * 3


async def _of(work: Callable[[], Awaitable[object]]) -> None:
    await work()


async def test_waiting_work_shares_one_commit(path: Path, time: Time, disk: Disk) -> None:
    """Fifty records at once cost a few syncs, not fifty."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        disk.calls.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(recorded(journal, time, "slack"))

        assert disk.calls.count(("sync", "db-wal")) <= 5


async def test_an_event_committed_before_a_crash_but_never_answered_is_there_once(
    path: Path, tmp_path: Path, time: Time, disk: Disk
) -> None:
    """Its sender did not hear of it and sends it again: that is a duplicate."""
    after = tmp_path / "after"

    def crash(file: str) -> None:
        if file == "db-wal":
            shutil.copytree(path.parent, after, dirs_exist_ok=True)

    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        disk.synced = crash
        event = await recorded(journal, time, "slack")
        disk.synced = lambda _: None
    async with open_sqlite(after / path.name, time.clock()) as journal:
        again = an_event(journal, time)

        receipt = await journal.record(again, [Route("r", "slack")], window=None, ruleset="d")

        assert Receipt(event.id, duplicate=True) == receipt
        assert journal.counts() == {("slack", State.PENDING): 1}


def _kill_after(path: Path, lines: int) -> list[str]:
    """What a child acknowledged before it was killed in the middle of its work."""
    command = [sys.executable, "-m", "tests.journal.sqlite.child", str(path)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        said += child.stdout.readlines()
    assert child.returncode == -9
    return [line.strip() for line in said if line.endswith("\n") and line.startswith(_WORDS)]


async def _check(journal: Journal, said: list[str]) -> None:
    events = {event.id for event in await journal.events(EventQuery(limit=10**6))}
    deliveries = {each.id: each for each in await journal.deliveries(DeliveryQuery(limit=10**6))}
    for line in said:
        word, identity = line.split()
        if word == "recorded":
            assert identity in events
        elif word == "delivered":
            assert deliveries[identity].state is State.DELIVERED
        else:
            # Delivered, or in flight when the process died: the claim was on disk before anybody heard of it.
            assert deliveries[identity].state is State.DELIVERED or deliveries[identity].crashes >= 1
            assert deliveries[identity].claim >= 1
    assert len(events) == len(deliveries)


async def test_kill_9_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """Events, claims and settlements; the file is sound, and the next process just goes on."""
    chance = random.Random(7)
    said: list[str] = []
    for lines in [*(chance.randrange(1, 400) for _ in range(7)), 9000]:
        said += _kill_after(path, lines)

        async with open_sqlite(path, Clock()) as journal:
            await _check(journal, said)
        check = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        assert check.pragma("integrity_check") == "ok"
        check.close()


def _modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in [folder, *folder.iterdir()]}


async def test_the_files_are_for_their_owner_only(path: Path, time: Time) -> None:
    """Folder 0700, files 0600, with the write-ahead log and the lock."""
    async with open_sqlite(path, time.clock()) as journal:
        await journal.ping()
        modes = _modes(path.parent)

    assert modes.pop("var") == 0o700
    assert modes == dict.fromkeys(
        ["journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock"], 0o600
    )


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


async def test_the_write_ahead_log_stays_small_and_goes_at_the_end(
    path: Path, time: Time, disk: Disk
) -> None:
    """However much is written: it is copied at 2 MiB, and a transaction here is one more."""
    wal = path.with_name("journal.db-wal")
    largest = 0
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        for _ in range(60):
            async with asyncio.TaskGroup() as group:
                for _ in range(10):
                    group.create_task(recorded(journal, time, payload=bytes(100_000)))
            largest = max(largest, _size(wal))

        assert largest < 4 << 20
        assert _size(path) > 30 << 20
    assert _size(wal) == 0


async def test_a_long_reader_lets_the_log_grow_only_while_it_reads(
    path: Path, time: Time, disk: Disk
) -> None:
    """A backup, for example: the log keeps all that is written meanwhile, and then it is short again."""
    wal = path.with_name("journal.db-wal")
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        await _written(journal, time, 1)
        reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        reader.execute("BEGIN; SELECT count(*) FROM events")
        await _written(journal, time, 300)
        assert _size(wal) > 28 << 20
        reader.close()
        await _written(journal, time, 100)

        assert _size(wal) < 20 << 20


async def _written(journal: Journal, time: Time, count: int) -> None:
    for _ in range(count):
        await recorded(journal, time, payload=bytes(100_000))


async def test_an_event_requeued_while_retention_looked_at_it_is_kept(
    path: Path, time: Time, disk: Disk
) -> None:
    """What was found to be done with is looked at again in the transaction that deletes it."""
    held = HeldSync()
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        event = await recorded(journal, time, "slack")
        await journal.settle([settlement(await claimed(journal, "slack"), State.DEAD)])
        time.pass_by(1)
        disk.trouble = held
        async with asyncio.TaskGroup() as group:
            group.create_task(journal.requeue(sink="slack"))
            await asyncio.to_thread(held.began.wait)
            prune = group.create_task(journal.prune(time.wall, 9))
            await turns()
            # Queries take their turn: once this one is answered, retention has looked.
            assert await journal.events(EventQuery(limit=1))
            await turns()
            held.end.set()

        assert prune.result() == 0
        assert [event.id] == [found.id for found in await journal.events(EventQuery())]
