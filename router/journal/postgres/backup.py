"""Backup: one state of the database as a SQLite journal, which opens without any server.

For moving, for looking at, and for the day on which the server is gone; the server's own tools are the ones
for large journals.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import cast

import apsw
import psycopg

from router.disk import sync_file, sync_folder
from router.journal.postgres.connecting import Connection, Url
from router.journal.postgres.faults import fault
from router.journal.postgres.rows import plain
from router.journal.rows import Value
from router.journal.sqlite.copy import named
from router.journal.sqlite.schema import migrate
from router.journal.statements import migrations, statements

_SQL = statements("postgres", "backup")
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0"
_BITE = 500


def back_up(url: Url, target: Path) -> None:
    """Write one state of the journal into a new file; it appears whole or not at all.

    Raises:
        JournalError: it exists, or cannot be written.
        JournalUnavailable: the journal cannot be read now.
    """
    try:
        with named(target), _part_of(target) as part:
            with closing(apsw.Connection(str(part))) as copy, url.connect() as connection:
                _fill(connection, copy, part)
            sync_file(part)
            os.link(part, target)
            sync_folder(target.parent)
    except psycopg.Error as error:
        raise fault(error, "be read") from error


@contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """A new file beside it, for its owner's eyes only, for a while.

    Another router's backup to the same name has another one. FileExistsError if there is such a file already.
    """
    if target.exists():
        raise FileExistsError
    handle, name = mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _fill(connection: Connection, copy: apsw.Connection, path: Path) -> None:
    """Synced as a whole at the end; until then nobody knows of the file, and nothing of it is ever undone."""
    for name in ("journal_mode", "synchronous"):
        copy.pragma(name, "OFF")
    migrate(copy, path, migrations("sqlite"))
    connection.execute(_BEGIN)
    copy.execute("BEGIN")
    for table, query in _SQL.items():
        for rows in _bites(connection, query):
            copy.executemany(f"INSERT INTO {table} VALUES ({_places(rows)})", rows)  # noqa: S608  # our names
    copy.execute("COMMIT")


def _places(rows: list[tuple[Value, ...]]) -> str:
    return ", ".join("?" * len(rows[0]))


def _bites(connection: Connection, query: str) -> Iterator[list[tuple[Value, ...]]]:
    """The rows of a query, so many at a time."""
    with connection.cursor("backup", binary=True) as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(_BITE):
            yield cast(list[tuple[Value, ...]], [plain(row) for row in rows])
