"""Opening: lock, check, migrate, recover what a crash left, count. Closing it is the reverse."""

from contextlib import AbstractAsyncContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import cast

import apsw
import structlog

from router.clock import Clock, Ids
from router.delivery import State
from router.errors import JournalBroken, JournalError, SchemaMismatch
from router.journal.opening import lent
from router.journal.sqlite.archive import SqliteArchive
from router.journal.sqlite.faults import RESTORE, fault, os_fault
from router.journal.sqlite.files import make_file, make_folder
from router.journal.sqlite.header import adopt
from router.journal.sqlite.inbox import SqliteInbox
from router.journal.sqlite.lock import Lock
from router.journal.sqlite.moves import bury
from router.journal.sqlite.quarantine import SqliteQuarantine, stocks
from router.journal.sqlite.queue import SqliteQueue
from router.journal.sqlite.reader import open_reader
from router.journal.sqlite.schema import migrate
from router.journal.sqlite.setting import set_back
from router.journal.sqlite.statements import migrations, statements
from router.journal.sqlite.store import Opened, Store
from router.journal.sqlite.upkeep import SqliteUpkeep
from router.journal.sqlite.writer import PATIENCE_MS

log = structlog.get_logger(__name__)

_SQL = statements("opening")
# Older ones can corrupt a file in WAL mode when two connections are at work (sqlite.org/wal.html, the bug
# of the WAL's reset).
_OLDEST_SQLITE = "3.51.3"
_CACHE_KIB = 8192
_WAL_BYTES = 16 << 20
# Prepared statements that are kept: each of the larger ones comes in six sizes.
_STATEMENTS = 256
_POISON = "in flight alone at 3 crashes"
# Seconds that a process must live before a suspect is tried in it: longer than an attempt usually may take
# (15 s), so that what dies of another cause all the time, or is killed in a loop, blames nobody.
_TRIAL_AFTER = 30.0


class SqliteJournal(SqliteInbox, SqliteQueue, SqliteArchive, SqliteQuarantine, SqliteUpkeep):
    """The journal in one SQLite file."""

    @property
    def ids(self) -> Ids:
        """See `Journal.ids`."""
        return self._store.ids

    async def open(self) -> None:
        """See `Journal.open`."""
        store = self._store
        await store.open(partial(_open, store.path, store.clock.now(), store.vfs), store.adopt)


def open_sqlite(
    path: str | Path, clock: Clock, *, vfs: str | None = None, patient: bool = False
) -> AbstractAsyncContextManager[SqliteJournal]:
    """The journal in the file `path`, which is made with its folder if it is not there.

    `patient`: where it cannot be opened now, it is not open yet (see `Journal.open`).

    Raises:
        JournalLocked: another process has it; the file is left as it was.
        SchemaMismatch: a newer release wrote it, or it is no journal.
        JournalError: what another journal left lies beside it; nothing is touched.
        JournalBroken: it is damaged.
        JournalUnavailable: it cannot be opened or written now, and nobody is patient.
    """
    store = Store(Path(path), vfs, clock)
    return lent(SqliteJournal(store), store.close, patient=patient)


def _lock(file: Path) -> Lock:
    oldest, found = (
        [int(part) for part in text.split(".")] for text in (_OLDEST_SQLITE, apsw.sqlite_lib_version())
    )
    if found < oldest:
        raise JournalError(
            f"SQLite {apsw.sqlite_lib_version()} can damage a journal; install apsw {_OLDEST_SQLITE} or newer"
        )
    try:
        make_folder(file.parent)
    except OSError as error:
        raise os_fault(error, f"make '{file.parent}'") from None
    return Lock.take(file)


def _open(file: Path, now: float, vfs: str | None) -> Opened:
    with ExitStack() as stack:
        lock = _lock(file)
        stack.callback(lock.release)
        try:
            adopt(file)
            make_file(file)
            writing = _connect(file, vfs)
            stack.callback(writing.close)
            if lock.suspicious:
                _check(writing, file)
                lock.clear()
            found = migrate(writing, file, migrations())
            suspects = _recover(writing, now)
            # What an unclean end left in the WAL goes into the main file, synced: should some of it never
            # have reached the disk, whatever is appended behind it could not be read again.
            writing.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            newest, counts = _newest(writing), _counts(writing)
            stock = stocks(writing.cursor())
            opened = Opened(lock, writing, open_reader(file, vfs), newest, counts, suspects, stock)
        except apsw.NotADBError:
            raise SchemaMismatch(
                f"'{file}' is no journal; name another file in journal.url, or {RESTORE}"
            ) from None
        except apsw.Error as error:
            meaning = fault(error, "be opened", f"'{file}'")
            if isinstance(meaning, JournalBroken):
                lock.suspect()
            raise meaning from error
        except OSError as error:
            raise os_fault(error, f"open '{file}'") from None
        stack.pop_all()
    if not found:
        # Of a wrong path nothing else would tell: the journal of before is only missing.
        log.info("journal_created", file=str(file.absolute()))
    return opened


def _connect(file: Path, vfs: str | None) -> apsw.Connection:
    with ExitStack() as stack:
        connection = apsw.Connection(
            str(file), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs, statementcachesize=_STATEMENTS
        )
        stack.callback(connection.close)
        connection.set_busy_timeout(PATIENCE_MS)
        # FULL: a commit is on disk when it returns. No mmap: an I/O error would be a signal, not an answer.
        for name, value in (
            ("journal_mode", "WAL"), ("synchronous", "FULL"), ("mmap_size", 0), ("wal_autocheckpoint", 0),
            ("journal_size_limit", _WAL_BYTES), ("cache_size", -_CACHE_KIB), ("temp_store", "MEMORY"),
        ):  # fmt: skip
            connection.pragma(name, value)
        stack.pop_all()
    return connection


def _check(connection: apsw.Connection, file: Path) -> None:
    """A sync failed under the last owner: trust the file only after reading all of it."""
    verdict = cast(str, connection.execute("PRAGMA quick_check(1)").get)
    if verdict != "ok":
        raise JournalBroken(f"'{file}' is damaged: {verdict.splitlines()[-1]}; {RESTORE}")


def _recover(connection: apsw.Connection, now: float) -> bool:
    """Give back what was in flight when the last owner died, as a crash; whether there is any suspect."""
    with connection:
        cursor = connection.cursor()
        set_back(now, cursor)
        crashed = cast(list[tuple[int, int]], cursor.execute(_SQL["crashed"]).fetchall())
        if len(crashed) == 1 and crashed[0][1] >= 3:
            bury([crashed[0][0]], _POISON, now, cursor)
        suspects = bool(cursor.execute(_SQL["suspects"]).get)
        if suspects:
            cursor.execute(_SQL["postpone"], (now + _TRIAL_AFTER,))
    return suspects


def _newest(connection: apsw.Connection) -> int:
    return cast(int, connection.execute(_SQL["newest"]).get)


def _counts(connection: apsw.Connection) -> list[tuple[str, State, int]]:
    """Deliveries by sink and state, once nothing is in flight: from indexes, without reading a row."""
    rows = cast(list[tuple[str, str, int]], connection.execute(_SQL["counts"]).fetchall())
    return [(sink, State(state), count) for sink, state, count in rows]
