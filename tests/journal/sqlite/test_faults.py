"""A disk that fails: what heals is unavailable, what cannot be trusted any more ends the journal."""

import asyncio
import contextlib
import os
from pathlib import Path

import apsw
import pytest

from router.delivery import State
from router.errors import JournalBroken, JournalError, JournalUnavailable
from router.journal.journal import EventQuery, Journal
from router.journal.sqlite import open_sqlite
from tests.journal.backends import Time, claimed, recorded, settlement
from tests.journal.sqlite.disk import Disk, failing, no_trouble

_WAL_WRITE, _WAL_SYNC = ("write", "db-wal"), ("sync", "db-wal")


def _content(path: Path) -> bytes:
    return path.read_bytes()


async def _errors(journal: Journal, time: Time, count: int) -> list[JournalError]:
    """What becomes of records at the same moment, none of which can be stored."""
    errors: list[JournalError] = []

    async def fail() -> None:
        with pytest.raises(JournalError) as caught:
            await recorded(journal, time, "slack")
        errors.append(caught.value)

    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(fail())
    assert count == len(errors)
    return errors


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (apsw.SQLITE_FULL, "SQLITE_FULL"),
        (apsw.SQLITE_IOERR_WRITE, "SQLITE_IOERR_WRITE"),
        (apsw.SQLITE_READONLY, "SQLITE_READONLY"),
    ],
)
async def test_a_disk_that_cannot_be_written_is_unavailable_until_it_can(
    path: Path, time: Time, disk: Disk, code: int, name: str
) -> None:
    """Everyone who waits is told, nothing is changed, and then it goes on by itself."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        before = await recorded(journal, time, "slack")
        disk.trouble = failing(code, _WAL_WRITE)
        for error in await _errors(journal, time, 5):
            assert isinstance(error, JournalUnavailable)
            assert f"the journal cannot be written now: {name}" == str(error)
        assert journal.broken is None
        assert journal.counts() == {("slack", State.PENDING): 1}

        disk.trouble = no_trouble
        after = await recorded(journal, time, "slack")

        assert [after.id, before.id] == [event.id for event in await journal.events(EventQuery())]


async def test_a_delivery_is_not_claimed_while_claims_cannot_be_written(
    path: Path, time: Time, disk: Disk
) -> None:
    """So nothing is sent whose sending could not be remembered."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        await recorded(journal, time, "slack")
        disk.trouble = failing(apsw.SQLITE_FULL, _WAL_WRITE)
        with pytest.raises(JournalUnavailable):
            await journal.claim({"slack": 1})
        disk.trouble = no_trouble

        assert (await claimed(journal, "slack")).delivery.claim == 1


@pytest.mark.parametrize("code", [apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_CORRUPT])
async def test_after_a_failed_sync_nothing_is_ever_written_again(
    path: Path, time: Time, disk: Disk, code: int
) -> None:
    """Not even when syncs work again, and not by closing; every caller is told, and so is whoever waits."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        acknowledged = await recorded(journal, time, "slack")
        await journal.wait(None)
        disk.trouble = failing(code, _WAL_SYNC)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            waiting = group.create_task(journal.wait(None))
            errors = await _errors(journal, time, 5)
            await waiting
        disk.trouble = no_trouble
        disk.calls.clear()
        errors += await _errors(journal, time, 5)
        for writing in (journal.ping(), journal.claim({"slack": 1})):
            with pytest.raises(JournalBroken):
                await writing

        assert {str(error) for error in errors} == {journal.broken}
        assert all(isinstance(error, JournalBroken) for error in errors)
        assert [acknowledged.id] == [event.id for event in await journal.events(EventQuery())]
    assert disk.calls == []
    async with open_sqlite(path, time.clock()) as journal:
        assert acknowledged.id in [event.id for event in await journal.events(EventQuery())]


async def test_the_message_of_a_failed_sync_says_what_it_means(path: Path, time: Time, disk: Disk) -> None:
    """Nobody knows what is on disk."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        disk.trouble = failing(apsw.SQLITE_IOERR_FSYNC, _WAL_SYNC)
        await _errors(journal, time, 1)

        assert (
            journal.broken == "a sync of the journal failed: SQLITE_IOERR_FSYNC; what is on disk is unknown"
        )


async def test_a_failed_sync_while_the_log_is_copied_breaks_the_journal_too(
    path: Path, time: Time, disk: Disk
) -> None:
    """A checkpoint is no place where it could be overlooked: who waits is told at once."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        disk.trouble = failing(apsw.SQLITE_IOERR_FSYNC, ("sync", "db"))
        async with asyncio.timeout(20):
            while journal.broken is None:
                with contextlib.suppress(JournalBroken):
                    await recorded(journal, time, payload=bytes(100_000))
            await journal.wait(None)

        assert (
            journal.broken == "a sync of the journal failed: SQLITE_IOERR_FSYNC; what is on disk is unknown"
        )


async def test_on_a_full_disk_deliveries_go_on_in_the_room_of_the_log(
    path: Path, time: Time, disk: Disk
) -> None:
    """What needs no new page is written: the log is copied and starts over, as often as it takes."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        await recorded(journal, time, "slack")
    disk.room = {"db": len(_content(path)), "db-wal": 100_000}
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        refused = 0
        for _ in range(100):
            try:
                claim = await claimed(journal, "slack")
                await journal.settle([settlement(claim, State.PENDING, due=time.wall)])
            except JournalUnavailable:
                refused += 1
                if journal.counts() == {("slack", State.IN_FLIGHT): 1}:
                    await journal.settle([settlement(claim, State.PENDING, due=time.wall)])
        for _ in range(2):
            with pytest.raises(JournalUnavailable):
                await recorded(journal, time, "slack", payload=bytes(200_000))

    assert 0 < refused < 50


async def test_a_full_disk_while_the_log_is_copied_is_not_the_end(path: Path, time: Time, disk: Disk) -> None:
    """The log keeps what could not be copied."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        disk.trouble = failing(apsw.SQLITE_FULL, ("write", "db"))
        for _ in range(200):
            await recorded(journal, time, payload=bytes(100_000))
        assert journal.broken is None
    disk.trouble = no_trouble
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        assert len(await journal.events(EventQuery(limit=1000))) == 200


async def test_the_next_owner_checks_a_file_whose_sync_failed(path: Path, time: Time, disk: Disk) -> None:
    """A sound one is used and trusted again, a damaged one is refused with what to do."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        for _ in range(50):
            await recorded(journal, time, "slack", payload=bytes(9000))
    lock = path.with_name("journal.db.lock")

    async def fail() -> None:
        async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
            disk.trouble = failing(apsw.SQLITE_IOERR_FSYNC, _WAL_SYNC)
            await _errors(journal, time, 1)
            disk.trouble = no_trouble

    await fail()
    assert "a sync failed" in lock.read_text()
    async with open_sqlite(path, time.clock()) as journal:
        assert journal.counts()["slack", State.PENDING] == 50
        assert "a sync failed" not in lock.read_text()
    await fail()
    page = 4096
    with path.open("r+b") as file:
        # Where only payloads are: whoever does not check would open it.
        file.seek(os.fstat(file.fileno()).st_size // page // 2 * page)
        file.write(b"\xff" * page * 3)

    for _ in range(2):
        with pytest.raises(JournalBroken) as caught:
            async with open_sqlite(path, time.clock()):
                pass
        assert str(caught.value).startswith(f"'{path}' is damaged: ")
        assert str(caught.value).endswith("; restore a backup as the README says")
        assert "\n" not in str(caught.value)


async def test_a_sync_that_fails_while_the_journal_is_opened_is_remembered_too(
    path: Path, time: Time, disk: Disk
) -> None:
    """Though the next one would succeed, the next owner checks the file first."""
    lock = path.with_name("journal.db.lock")
    disk.trouble = failing(apsw.SQLITE_IOERR_FSYNC, ("sync", "db"))
    with pytest.raises(JournalBroken) as caught:
        async with open_sqlite(path, time.clock(), vfs=disk.name):
            pass
    assert str(caught.value) == (
        "a sync of the journal failed: SQLITE_IOERR_FSYNC; what is on disk is unknown"
    )
    assert "a sync failed" in lock.read_text()
    disk.trouble = no_trouble

    async with open_sqlite(path, time.clock(), vfs=disk.name):
        assert "a sync failed" not in lock.read_text()


async def test_a_search_that_cannot_read_is_unavailable_until_it_can(
    path: Path, time: Time, disk: Disk
) -> None:
    """And the writing side does not notice."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        event = await recorded(journal, time, payload=bytes(3_000_000))
        disk.trouble = failing(apsw.SQLITE_IOERR_READ, ("read", "db"), ("read", "db-wal"))
        with pytest.raises(JournalUnavailable, match=r"^the journal cannot be read now: SQLITE_IOERR_READ$"):
            await journal.event(event.id)
        disk.trouble = no_trouble

        judged = await journal.event(event.id)

    assert judged is not None
    assert event == judged.event


@pytest.mark.parametrize("number", range(1, 14))
async def test_a_read_error_in_the_middle_of_a_transaction_changes_nothing(
    path: Path, time: Time, disk: Disk, number: int
) -> None:
    """Wherever it strikes; the same work succeeds afterwards."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        for _ in range(60):
            await recorded(journal, time, "slack", payload=bytes(9000))
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        reads = 0

        def fail(operation: str, _file: str) -> None:
            nonlocal reads
            reads += operation == "read"
            if reads == number:
                raise apsw.exception_for(apsw.SQLITE_IOERR_READ)

        disk.trouble = fail
        claims = []
        for _ in range(2):
            with contextlib.suppress(JournalUnavailable):
                claims += (await journal.claim({"slack": 5})).claims
        disk.trouble = no_trouble

        assert reads >= number
        assert len({claim.delivery.id for claim in claims}) == journal.counts()["slack", State.IN_FLIGHT]
        assert await recorded(journal, time, "hook")


@pytest.mark.parametrize(
    ("code", "operation"),
    [(apsw.SQLITE_FULL, "write"), (apsw.SQLITE_IOERR_WRITE, "write"), (apsw.SQLITE_IOERR_FSYNC, "sync")],
)
@pytest.mark.parametrize("number", range(1, 20, 3))
async def test_a_failure_at_any_moment_loses_nothing_that_was_acknowledged(
    path: Path, time: Time, disk: Disk, code: int, operation: str, number: int
) -> None:
    """From the first write of a new file on; whatever was refused may be there or not."""
    calls = 0

    def fail(what: str, _file: str) -> None:
        nonlocal calls
        if what == operation:
            calls += 1
            if calls == number:
                raise apsw.exception_for(code)

    acknowledged: list[str] = []
    disk.trouble = fail
    for _ in range(2):
        with contextlib.suppress(JournalUnavailable, JournalBroken):
            async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
                for _ in range(6):
                    with contextlib.suppress(JournalUnavailable, JournalBroken):
                        acknowledged.append((await recorded(journal, time, "slack")).id)
    assert calls >= number
    async with open_sqlite(path, time.clock()) as journal:
        found = {event.id for event in await journal.events(EventQuery())}
    assert found >= set(acknowledged)
    assert len(acknowledged) >= 5


async def test_a_table_that_is_gone_is_the_end(path: Path, time: Time) -> None:
    """Nobody knows what else was done to the file."""
    async with open_sqlite(path, time.clock()) as journal:
        stranger = apsw.Connection(str(path))
        stranger.execute("DROP TABLE seen")
        stranger.close()

        await _errors(journal, time, 1)

        assert journal.broken == "the journal cannot be written: no such table: seen (SQLITE_ERROR)"


async def test_a_backup_that_finds_no_room_leaves_nothing_behind(
    path: Path, time: Time, disk: Disk, tmp_path: Path
) -> None:
    """The message names the file; the journal itself is well."""
    folder = tmp_path / "copies"
    folder.mkdir()
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        disk.trouble = failing(apsw.SQLITE_FULL, ("write", "part"))
        with pytest.raises(JournalError) as caught:
            await journal.backup(str(folder / "copy.db"))
        await journal.ping()

    assert str(caught.value) == f"cannot write '{folder}/copy.db': database or disk is full (SQLITE_FULL)"
    assert list(folder.iterdir()) == []


async def test_while_somebody_else_writes_the_file_the_journal_is_unavailable(path: Path, time: Time) -> None:
    """A person with the sqlite3 shell, for example; the journal waits a second before it says so."""
    async with open_sqlite(path, time.clock()) as journal:
        stranger = apsw.Connection(str(path))
        stranger.execute("BEGIN IMMEDIATE")
        (error,) = await _errors(journal, time, 1)
        stranger.execute("ROLLBACK")
        stranger.close()
        await recorded(journal, time, "slack")

    assert str(error) == "the journal cannot be written now: database is locked (SQLITE_BUSY)"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_fault_of_our_own_in_the_thread_ends_the_journal_instead_of_hanging_it(
    path: Path, time: Time, disk: Disk
) -> None:
    """Those in the transaction, those behind it in the queue and those who come later are all told."""

    def fault(operation: str, file: str) -> None:
        if (operation, file) == _WAL_WRITE:
            raise ZeroDivisionError

    async with asyncio.timeout(60), open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        disk.trouble = fault
        errors = await _errors(journal, time, 400)
        disk.trouble = no_trouble
        errors += await _errors(journal, time, 1)
        assert journal.broken == "the journal's thread failed; its traceback says where"

    assert {str(error) for error in errors} == {journal.broken}
    assert {type(error) for error in errors} == {JournalBroken}
    async with open_sqlite(path, time.clock()) as journal:
        assert await journal.events(EventQuery()) == []


async def test_a_closed_journal_says_so(path: Path, time: Time) -> None:
    """Reading and writing."""
    async with open_sqlite(path, time.clock()) as journal:
        pass

    with pytest.raises(JournalUnavailable, match=r"^the journal is closed$"):
        await journal.ping()
    with pytest.raises(JournalUnavailable, match=r"^the journal is closed$"):
        await journal.marks()


async def test_work_under_way_is_finished_before_the_end(path: Path, time: Time) -> None:
    """Closing is no way to lose what was asked for before; a claim whose caller is gone is given back."""
    async with open_sqlite(path, time.clock()) as journal:
        await recorded(journal, time, "slack")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await journal.claim({"slack": 1})
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(recorded(journal, time, "hook")) for _ in range(20)]
            await asyncio.wait(tasks, timeout=0)
            group.create_task(_leave(journal))
    async with open_sqlite(path, time.clock()) as journal:
        assert journal.counts() == {("slack", State.PENDING): 1, ("hook", State.PENDING): 20}
        assert (await claimed(journal, "slack")).delivery.crashes == 0


async def _leave(journal: Journal) -> None:
    await journal.ping()
