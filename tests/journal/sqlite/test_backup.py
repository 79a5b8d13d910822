"""Backups in steps: the log stays short, nobody can outrun or break one, and what fails leaves nothing."""

import asyncio
import os
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from router.clock import id_text
from router.errors import JournalError, Unknown
from router.journal.journal import EventQuery
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.copy import Copy
from router.journal.sqlite.opening import SqliteJournal
from router.journal.sqlite.verify import verify
from tests.journal.backends import Time, an_event, recorded
from tests.waiting import until

BIG = 400_000
NOBODY = id_text("req", 1)


async def fill(journal: SqliteJournal, time: Time, count: int) -> None:
    """So many events of 400 kB, and their rules."""
    await journal.remember("rules", "rules: []")
    for _ in range(count // 10):
        async with asyncio.TaskGroup() as group:
            for _ in range(10):
                group.create_task(recorded(journal, time, payload=bytes(BIG)))


class Load:
    """Eight senders of large events that do not stop; how much they wrote, how long the log ever was."""

    def __init__(self, journal: SqliteJournal, time: Time, wal: Path) -> None:
        self.written = 0
        self.longest = 0
        self.stopped = False
        self._journal = journal
        self._time = time
        self._wal = wal

    async def run(self) -> None:
        """Record one after another."""
        while not self.stopped:
            await recorded(self._journal, self._time, payload=bytes(BIG))
            self.written += BIG
            self.longest = max(self.longest, self._wal.stat().st_size)


async def outcome(backup: Awaitable[None]) -> str:
    """What became of a backup."""
    try:
        await backup
    except JournalError as error:
        return str(error)
    return "done"


async def sound(path: Path) -> set[str]:
    """The events of a copy, after every check of it."""
    assert (await asyncio.to_thread(verify, path)).problems == []
    async with open_sqlite(path, Time().clock()) as copy:
        return {event.id for event in await copy.events(EventQuery(limit=10**6))}


async def test_the_log_stays_short_during_a_backup_and_no_load_outruns_it(path: Path, time: Time) -> None:
    """More is written between two steps than one step copies, and far more in all than the log may hold."""
    copies = []
    async with open_sqlite(path, time.clock()) as journal:
        await fill(journal, time, 100)
        load = Load(journal, time, path.with_name("journal.db-wal"))
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(load.run())
            while load.written < 64 << 20:
                copies.append(path.with_name(f"copy{len(copies)}.db"))
                before = {event.id for event in await journal.events(EventQuery(limit=10**6))}
                await journal.backup(str(copies[-1]))
            load.stopped = True

    assert load.longest < 32 << 20
    assert before <= await sound(copies[-1])


async def test_work_that_is_refused_meanwhile_does_not_spoil_a_backup(path: Path, time: Time) -> None:
    """What is rolled back was perhaps copied: the copying begins anew, and ends."""
    copy = path.with_name("copy.db")
    async with open_sqlite(path, time.clock()) as journal:
        await fill(journal, time, 20)
        async with asyncio.TaskGroup() as group:
            backup = group.create_task(journal.backup(str(copy)))
            for _ in range(5):
                group.create_task(recorded(journal, time, "slack"))
                with pytest.raises(Unknown):
                    await journal.record(
                        an_event(journal, time), [], window=0, ruleset="rules", released=NOBODY
                    )
            await backup
        kept = {event.id for event in await journal.events(EventQuery(limit=10**6))}

    found = await sound(copy)
    assert found <= kept
    assert len(found) >= 20


async def test_a_backup_that_is_given_up_leaves_nothing_and_harms_nobody(path: Path, time: Time) -> None:
    """Whoever asked went away: the journal goes on, and the next backup is whole."""
    folder = path.parent / "copies"
    folder.mkdir(parents=True)
    async with open_sqlite(path, time.clock()) as journal:
        await fill(journal, time, 50)
        async with asyncio.TaskGroup() as group:
            backup = group.create_task(journal.backup(str(folder / "copy.db")))
            await until((folder / "copy.db.part").exists)
            backup.cancel()
        assert backup.cancelled()
        assert list(folder.iterdir()) == []

        event = await recorded(journal, time)
        await journal.backup(str(folder / "copy.db"))

    assert [file.name for file in folder.iterdir()] == ["copy.db"]
    assert event.id in await sound(folder / "copy.db")


async def test_a_backup_ends_with_its_journal(path: Path, time: Time) -> None:
    """A stop does not wait for it, and nothing of it is left."""
    folder = path.parent / "copies"
    folder.mkdir(parents=True)
    async with asyncio.TaskGroup() as group, open_sqlite(path, time.clock()) as journal:
        await fill(journal, time, 50)
        backup = group.create_task(outcome(journal.backup(str(folder / "copy.db"))))
        await until((folder / "copy.db.part").exists)

    assert backup.result() == "the journal is closed"
    assert list(folder.iterdir()) == []


async def test_of_two_backups_to_one_file_the_second_is_refused(path: Path, time: Time) -> None:
    """One after the other: they do not write into each other's file."""
    copy = path.with_name("copy.db")
    async with open_sqlite(path, time.clock()) as journal:
        await fill(journal, time, 20)
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(outcome(journal.backup(str(copy)))) for _ in range(2)]

    assert [one.result() for one in both] == ["done", f"'{copy}' exists already"]
    assert len(await sound(copy)) == 20


async def test_a_copy_is_on_disk_before_it_has_its_name(
    path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its name is before anybody hears of it: a power cut leaves a whole copy or none."""
    fsync, link = os.fsync, os.link
    done: list[str] = []

    def syncing(file: int) -> None:
        done.append(f"sync {Path(f'/proc/self/fd/{file}').readlink().name}")
        fsync(file)

    def linking(old: Path, new: Path) -> None:
        done.append(f"link {old.name} {new.name}")
        link(old, new)

    async with open_sqlite(path, time.clock()) as journal:
        await recorded(journal, time)
        monkeypatch.setattr(os, "fsync", syncing)
        monkeypatch.setattr(os, "link", linking)
        await journal.backup(str(path.with_name("copy.db")))
        monkeypatch.undo()

    assert done == ["sync copy.db.part", "link copy.db.part copy.db", f"sync {path.parent.name}"]


def test_a_step_that_fails_is_told_in_words_of_the_copy(tmp_path: Path) -> None:
    """Those of the journal, where all is well, are 'not an error'."""
    copy = Copy(tmp_path / "copy.db", None)
    copy.begin()
    with closing(apsw.Connection("")) as journal:
        journal.execute("BEGIN; CREATE TABLE bodies(body)")
        with pytest.raises(JournalError) as caught:
            copy.step(journal)
        copy.leave(journal)
    copy.close()

    assert str(caught.value) == f"cannot write '{tmp_path}/copy.db': database is locked (SQLITE_BUSY)"
    assert list(tmp_path.iterdir()) == []


def test_a_copy_that_was_given_up_before_it_began_makes_no_file(tmp_path: Path) -> None:
    """Whoever gave it up does not wait for the thread that was to make it."""
    copy = Copy(tmp_path / "copy.db", None)
    with apsw.Connection("") as journal:
        copy.leave(journal)
    copy.close()
    copy.begin()

    assert list(tmp_path.iterdir()) == []
