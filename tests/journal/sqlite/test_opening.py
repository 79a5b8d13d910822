"""Opening a journal: who may, which files are taken, how an older schema becomes the newest."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import apsw
import msgspec
import pytest
import structlog

from router.delivery import State
from router.errors import JournalError, JournalLocked, JournalUnavailable, SchemaMismatch
from router.journal import open_journal
from router.journal.journal import EventQuery, JournalSettings
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.faults import os_fault
from router.journal.sqlite.schema import migrate
from router.journal.sqlite.statements import migrations
from router.secret import Secret
from tests.journal.backends import Time, attempt_of, recorded, settlement
from tests.journal.sqlite.disk import Disk, failing, no_trouble


async def _refusal(path: Path, time: Time) -> JournalError:
    with pytest.raises(JournalError) as caught:
        async with open_sqlite(path, time.clock()):
            pass
    return caught.value


def _content(path: Path) -> bytes:
    return path.read_bytes()


def _fill(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)


def _connect(path: Path) -> apsw.Connection:
    path.parent.mkdir(exist_ok=True)
    return apsw.Connection(str(path))


def _remove(path: Path) -> None:
    path.unlink()


def _exists(path: Path) -> bool:
    return path.exists()


async def test_a_journal_that_is_made_is_told_and_one_that_was_there_is_not(
    path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first start and a wrong path would look alike; the path is whole, as the folder may be the slip."""
    path.parent.mkdir()
    monkeypatch.chdir(path.parent)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            async with open_sqlite(path.name, time.clock()):
                pass

    assert logs == [{"event": "journal_created", "log_level": "info", "file": str(path)}]


async def test_a_second_daemon_is_refused_and_told_who_the_first_is(path: Path, time: Time) -> None:
    """The message names the file and the owner's pid; the first goes on as if nothing had happened."""
    async with open_sqlite(path, time.clock()) as journal:
        event = await recorded(journal, time, "slack")
        files = path, path.with_name("journal.db-wal")
        before = [_content(file) for file in files]

        error = await _refusal(path, time)

        assert isinstance(error, JournalLocked)
        assert str(error) == (
            f"'{path}' is in use by process {os.getpid()};"
            " stop that one first or name another file in journal.url"
        )
        assert before == [_content(file) for file in files]
        other = await recorded(journal, time)
    async with open_sqlite(path, time.clock()) as journal:
        assert [event.id for event in await journal.events(EventQuery())] == [other.id, event.id]


async def test_another_name_for_the_same_file_is_refused_too(path: Path, time: Time, tmp_path: Path) -> None:
    """The lock is the file's, whichever way leads to it."""
    async with open_sqlite(path, time.clock()):
        (tmp_path / "link.db").symlink_to(path)

        assert isinstance(await _refusal(tmp_path / "link.db", time), JournalLocked)


async def test_a_lock_without_a_name_in_it_is_a_lock(path: Path, time: Time) -> None:
    """The owner may not have come to write its pid, on a full disk for example."""
    async with open_sqlite(path, time.clock()):
        os.truncate(f"{path}.lock", 0)

        assert "is in use by process unknown;" in str(await _refusal(path, time))


def _child() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)


async def test_the_lock_is_not_inherited_by_children(path: Path, time: Time) -> None:
    """A child that outlives the router must not keep the next one out."""
    async with open_sqlite(path, time.clock()):
        child = _child()
    try:
        async with open_sqlite(path, time.clock()) as journal:
            await journal.ping()
    finally:
        child.communicate(b"\n")


async def test_a_journal_of_a_newer_release_is_refused_and_left_alone(path: Path, time: Time) -> None:
    """The message says what to do."""
    async with open_sqlite(path, time.clock()) as journal:
        await recorded(journal, time)
    newer = _connect(path)
    newer.pragma("user_version", 99)
    newer.close()
    known = len(migrations())
    before = _content(path)

    error = await _refusal(path, time)

    assert isinstance(error, SchemaMismatch)
    assert str(error) == (
        f"'{path}' has version 99 and this release knows versions up to {known};"
        " install the newer release or restore a backup"
    )
    assert before == _content(path)


async def test_a_file_of_another_program_is_refused(path: Path, time: Time) -> None:
    """Nothing is added to somebody else's tables."""
    other = _connect(path)
    other.execute("CREATE TABLE contacts (name)")
    other.close()

    error = await _refusal(path, time)

    assert isinstance(error, SchemaMismatch)
    assert str(error) == f"'{path}' is not a journal of this program; name another file in journal.url"


async def test_a_file_that_is_no_journal_at_all_is_refused(path: Path, time: Time) -> None:
    """A text file, for example."""
    _fill(path, "not a journal, but long enough to be looked at " * 99)

    error = await _refusal(path, time)

    assert isinstance(error, SchemaMismatch)
    assert str(error) == (
        f"'{path}' is no journal; name another file in journal.url, or restore a backup as the README says"
    )
    assert _content(path).startswith(b"not a journal")


@pytest.mark.parametrize("version", range(len(migrations())))
async def test_every_older_version_is_brought_up_to_date(path: Path, time: Time, version: int) -> None:
    """From an empty file, and from each release before this one."""
    old = _connect(path)
    migrate(old, path, migrations()[:version])
    old.close()

    async with open_sqlite(path, time.clock()) as journal:
        await recorded(journal, time, "slack")
        assert journal.counts() == {("slack", State.PENDING): 1}
    current = _connect(path)
    assert current.pragma("user_version") == len(migrations())
    current.close()


def test_migrations_run_once_each_and_in_order(path: Path) -> None:
    """A file keeps what earlier ones did; the newest version runs nothing."""
    scripts = [
        "CREATE TABLE t (n); INSERT INTO t VALUES (1)",
        "INSERT INTO t VALUES (2)",
        "INSERT INTO t VALUES (3)",
    ]
    for known in (1, 3, 3):
        connection = _connect(path)
        migrate(connection, path, scripts[:known])
        assert [row[0] for row in connection.execute("SELECT n FROM t").fetchall()] == list(
            range(1, known + 1)
        )
        connection.close()


def test_a_migration_that_fails_leaves_the_version_before_it(path: Path) -> None:
    """All of it or nothing; what came before it stays."""
    connection = _connect(path)
    with pytest.raises(apsw.SQLError):
        migrate(connection, path, ["CREATE TABLE a (n)", "CREATE TABLE b (n); CREATE TABLE a (n)"])

    assert connection.pragma("user_version") == 1
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("a",)]
    connection.close()


async def test_an_old_sqlite_is_refused(path: Path, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could corrupt the file; nothing is made."""
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")

    error = await _refusal(path, time)

    assert str(error) == "SQLite 3.51.2 can damage a journal; install apsw 3.51.3 or newer"
    assert not _exists(path.parent)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, time: Time) -> None:
    """A file stands in the way, for example."""
    (tmp_path / "var").touch()

    error = await _refusal(tmp_path / "var" / "deep" / "journal.db", time)

    assert not isinstance(error, JournalUnavailable)
    assert str(error) == f"cannot make '{tmp_path}/var/deep': file exists; name another file in journal.url"


async def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, time: Time) -> None:
    """Neither the journal nor its lock may be a folder."""
    (tmp_path / "a.db").mkdir()
    (tmp_path / "b.db.lock").mkdir()

    for name, file in (("a.db", "a.db"), ("b.db", "b.db.lock")):
        assert str(await _refusal(tmp_path / name, time)) == (
            f"cannot open '{tmp_path}/{file}': is a directory; name another file in journal.url"
        )


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (errno.ENOSPC, JournalUnavailable, "no space left on device; make room"),
        (errno.EMFILE, JournalUnavailable, "too many open files; raise the limit of this process"),
        (errno.EROFS, JournalError, "read-only file system; name another file in journal.url"),
        (
            errno.EACCES,
            JournalError,
            "permission denied; let this user write there, or name another file in journal.url",
        ),
    ],
)
def test_an_error_of_the_system_says_what_to_do(code: int, kind: type[JournalError], told: str) -> None:
    """Only what can heal by itself is waited for."""
    error = os_fault(OSError(code, os.strerror(code)), "open 'journal.db'")

    assert (type(error), str(error)) == (kind, f"cannot open 'journal.db': {told}")


async def test_where_somebody_is_patient_the_journal_waits_for_its_opening(
    path: Path, time: Time, disk: Disk
) -> None:
    """Until then it says why it cannot work; then it holds what it held, and its ids go on from there."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        before = await recorded(journal, time, "slack")
    disk.trouble = failing(apsw.SQLITE_IOERR_READ, ("read", "db"))
    reason = "the journal cannot be opened now: SQLITE_IOERR_READ"
    time.step(-3600)
    async with open_sqlite(path, time.clock(), vfs=disk.name, patient=True) as journal:
        for attempt in (journal.ping, journal.marks, journal.open, lambda: recorded(journal, time, "slack")):
            with pytest.raises(JournalUnavailable) as caught:
                await attempt()
            assert str(caught.value) == reason
        assert (journal.counts(), journal.routers(), journal.broken) == ({}, [], None)
        disk.trouble = no_trouble
        await journal.open()
        await journal.open()
        after = await recorded(journal, time, "slack")

        assert journal.counts() == {("slack", State.PENDING): 2}
        assert after.id > before.id


async def test_who_is_not_patient_is_refused(path: Path, time: Time, disk: Disk) -> None:
    """A command that cannot wait, for example; the lock is free again."""
    disk.trouble = failing(apsw.SQLITE_FULL, ("write", "db"))
    with pytest.raises(JournalUnavailable):
        async with open_sqlite(path, time.clock(), vfs=disk.name):
            pass
    disk.trouble = no_trouble
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        await journal.ping()


async def test_a_refused_opening_leaves_the_lock_to_others(path: Path, time: Time) -> None:
    """Whatever went wrong, it can be tried again."""
    _fill(path, "nonsense " * 999)
    await _refusal(path, time)
    _remove(path)

    async with open_sqlite(path, time.clock()) as journal:
        await journal.ping()


@pytest.mark.parametrize("secret", [False, True])
async def test_the_url_names_the_file(
    tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch, *, secret: bool
) -> None:
    """Relative to the working directory; the folder is made."""
    monkeypatch.chdir(tmp_path)
    url = "sqlite:var/deep/journal.db"
    settings = JournalSettings(url=Secret("env:URL", url) if secret else url)

    async with open_journal(settings, time.clock()) as journal:
        await recorded(journal, time)

    assert _exists(tmp_path / "var" / "deep" / "journal.db")


@pytest.mark.parametrize("url", ["mysql://u:geheim@host/db", "var/journal.db", "sqlite", ""])
def test_an_unknown_scheme_is_refused_without_repeating_the_url(time: Time, url: str) -> None:
    """There may be a password in it."""
    with pytest.raises(JournalError) as caught:
        open_journal(JournalSettings(url=url), time.clock())

    assert str(caught.value) == (
        "journal.url has an unknown scheme; write sqlite:var/journal.db or postgresql://user@host/database"
    )


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://var/journal.db", "sqlite::memory:"])
def test_a_url_without_a_file_is_refused(time: Time, url: str) -> None:
    """A journal in memory would lose everything."""
    with pytest.raises(JournalError) as caught:
        open_journal(JournalSettings(url=url), time.clock())

    assert str(caught.value) == (
        "journal.url names no file; write sqlite:var/journal.db or sqlite:/var/lib/journal.db"
    )


async def test_what_was_recorded_before_a_start_is_claimed_beside_what_came_after(
    path: Path, time: Time
) -> None:
    """The one is read from the file, the other is remembered; neither has to wait."""
    async with open_sqlite(path, time.clock()) as journal:
        before = await recorded(journal, time, "slack", payload=b'{"before": 1}')
    async with open_sqlite(path, time.clock()) as journal:
        after = await recorded(journal, time, "slack", payload=b'{"after": 1}')
        await recorded(journal, time, "hook")

        claims = (await journal.claim({"slack": 5})).claims

    assert [claim.event for claim in claims] == [before, after]


async def test_a_start_reads_no_event_and_no_attempt(path: Path, time: Time, disk: Disk) -> None:
    """It is ready as soon as the deliveries are counted, however much is stored."""
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        for _ in range(100):
            await recorded(journal, time, "slack", payload=b"{}" + b" " * 20_000)
        for claim in (await journal.claim({"slack": 50})).claims:
            attempt = msgspec.structs.replace(attempt_of(claim), excerpt="x" * 2_000)
            await journal.settle([settlement(claim, State.DELIVERED, attempt=attempt)])
    reads: list[str] = []
    disk.trouble = lambda operation, _: reads.append(operation) if operation == "read" else None
    async with open_sqlite(path, time.clock(), vfs=disk.name) as journal:
        assert journal.counts() == {("slack", State.DELIVERED): 50, ("slack", State.PENDING): 50}

    # Each event has five pages of its own, and each excerpt half a page.
    assert len(reads) < 50
