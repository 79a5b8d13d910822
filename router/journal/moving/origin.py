"""Origin: the SQLite file that a journal is moved out of. Read in one transaction, left as it is."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import apsw

from router.errors import JournalBroken, JournalError, JournalLocked, SchemaMismatch
from router.journal.moving.kinds import Key, Kind
from router.journal.rows import Value
from router.journal.sqlite.faults import fault
from router.journal.sqlite.lock import idle
from router.journal.sqlite.reader import open_idle
from router.journal.sqlite.schema import version_of
from router.journal.sqlite.statements import migrations, statements

Row = tuple[Value, ...]

_SQL = statements("moving")


class Origin:
    """A journal's file, open for reading while no daemon can have it."""

    def __init__(self, file: Path, connection: apsw.Connection, version: int) -> None:
        self._file = file
        self._connection = connection
        self._version = version

    def mark(self) -> str:
        """Differs once anything was written to the journal, whoever did it."""
        stands = [_stand(self._file), _stand(self._file.with_name(f"{self._file.name}-wal"))]
        return hashlib.sha256(repr(stands).encode()).hexdigest()

    def count(self, kind: Kind) -> int:
        """How many rows there are of a kind."""
        if self._version < kind.since:
            return 0
        with _read(self._file):
            return cast(int, self._connection.execute(f"SELECT count(*) FROM {kind.table}").get)  # noqa: S608  # our names

    def rows(self, kind: Kind, after: Key) -> Iterator[Row]:
        """The rows behind a key, in order, in the target's columns."""
        if self._version < kind.since:
            return
        with _read(self._file):
            yield from cast(Iterator[Row], self._connection.execute(_SQL[kind.table], after))


@contextmanager
def open_origin(path: Path) -> Iterator[Origin]:
    """A journal's file, which no daemon gets meanwhile.

    Raises:
        JournalLocked: one has it.
        SchemaMismatch: it is no journal, or one of a newer release.
        JournalError: it is not there, cannot be read, or is damaged.
    """
    file = path.resolve()
    if not file.is_file():
        raise JournalError(f"there is no file '{path}'; name the journal that is to be moved")
    with _kept(file) as suspicious, _read(path), _connected(file) as connection:
        version = version_of(connection, file, len(migrations()))
        if not version:
            raise SchemaMismatch(f"'{path}' is empty; name the journal that is to be moved")
        if suspicious and connection.execute("PRAGMA quick_check(1)").get != "ok":
            raise JournalBroken(f"'{path}' is damaged; visual-router verify says how, then move a backup")
        yield Origin(file, connection, version)


@contextmanager
def _kept(file: Path) -> Iterator[bool]:
    try:
        with idle(file) as suspicious:
            yield suspicious
    except JournalLocked:
        raise JournalLocked(f"'{file}' is in use by a daemon; stop that one first") from None


@contextmanager
def _connected(file: Path) -> Iterator[apsw.Connection]:
    connection = open_idle(file)
    try:
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


@contextmanager
def _read(path: Path) -> Iterator[None]:
    try:
        yield
    except apsw.NotADBError:
        raise SchemaMismatch(f"'{path}' is no journal; name the journal that is to be moved") from None
    except apsw.Error as error:
        raise fault(error, "be read", f"'{path}'") from error


def _stand(file: Path) -> tuple[int, int]:
    """The size of a file and when it was last written; an empty one is none."""
    if not file.exists():
        return (0, 0)
    found = file.stat()
    return (found.st_size, found.st_mtime_ns if found.st_size else 0)
