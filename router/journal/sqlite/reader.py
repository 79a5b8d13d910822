"""Reader: the read-only connection. Queries in short transactions, one at a time, off the loop's thread."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import apsw

from router.errors import JournalUnavailable
from router.journal.sqlite.faults import fault, os_fault
from router.journal.sqlite.header import has_log, heed

T = TypeVar("T")

_PATIENCE_MS = 1000


def open_reader(path: Path, vfs: str | None, *, still: bool = False) -> apsw.Connection:
    """A connection that cannot write; with `still`, one that makes no file beside it either.

    That is for a file that nobody writes meanwhile, and that has no WAL: it would not be looked at.
    """
    name, flags = str(path), apsw.SQLITE_OPEN_READONLY
    if still:
        name, flags = f"{path.as_uri()}?immutable=1", flags | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(name, flags=flags, vfs=vfs)
    connection.set_busy_timeout(_PATIENCE_MS)
    return connection


def open_idle(file: Path) -> apsw.Connection:
    """A connection to a journal that no daemon has, which is left as it is; so is what lies beside it.

    Raises:
        JournalError: another journal left something beside it, or it cannot be read.
        apsw.Error: it cannot be opened.
    """
    try:
        heed(file)
        return open_reader(file, None, still=not has_log(file))
    except OSError as error:
        raise os_fault(error, f"open '{file}'", "let this user read it") from None


class Reader:
    """Runs queries, each against one state of the journal."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._limiter = anyio.CapacityLimiter(1)
        # A caller who is cancelled leaves the limiter before its thread is done.
        self._turn = threading.Lock()
        self._closed = False

    async def read(self, query: Callable[[apsw.Cursor], T]) -> T:
        """Run a query and return what it made of the rows.

        Raises:
            JournalUnavailable: it could not be read now.
        """
        return await anyio.to_thread.run_sync(self._once, query, limiter=self._limiter)

    async def close(self) -> None:
        """Close the connection, and end the statement under way: nobody waits for it any more."""
        self._closed = True
        self._connection.interrupt()
        await anyio.to_thread.run_sync(self._shut, limiter=self._limiter)

    def _once(self, query: Callable[[apsw.Cursor], T]) -> T:
        with self._turn:
            if self._closed:
                raise JournalUnavailable("the journal is closed")
            cursor = self._connection.cursor()
            try:
                cursor.execute("BEGIN")
                try:
                    return query(cursor)
                finally:
                    cursor.execute("ROLLBACK")
            except apsw.Error as error:
                raise fault(error, "be read") from error

    def _shut(self) -> None:
        with self._turn:
            self._connection.close()
