"""Verify: a journal file without its daemon. What SQLite says of it, and what must hold between its rows.

Reads only: a file that was found damaged is evidence. Must not repair anything.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import apsw
import msgspec

from router.clock import id_text
from router.errors import JournalError, SchemaMismatch
from router.journal.duplicates import digest_of
from router.journal.sqlite.faults import described, fault
from router.journal.sqlite.lock import idle
from router.journal.sqlite.reader import open_idle
from router.journal.sqlite.schema import version_of
from router.journal.sqlite.statements import migrations, statements

_RULES = statements("verify")
_MOST_LINES = 20
_COUNTED = ("events", "open_deliveries", "settled_deliveries", "attempts", "quarantine")
# The first version that has a table: rules about it say nothing of an older file.
_SINCE = {"req": 2}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What there is in a journal, and what is wrong with it; `newest`: the version this release writes."""

    path: str
    version: int
    newest: int
    rows: dict[str, int]
    problems: list[str]


def verify(path: Path) -> Verdict:
    """Look at the whole of a journal or a backup of one; nothing is changed.

    Raises:
        JournalLocked: a daemon has it.
        SchemaMismatch: it is no journal, or one of a newer release.
        JournalError: it cannot be read.
    """
    file = path.resolve()
    if not file.is_file():
        raise JournalError(f"there is no file '{path}'; name a journal or a backup")
    with idle(file), _reading(file, path) as connection:
        scripts = migrations()
        version = version_of(connection, file, len(scripts))
        if not version:
            raise SchemaMismatch(f"'{path}' is empty; name a journal or a backup")
        problems = list(_integrity(connection))
        rules = {name: sql for name, sql in _RULES.items() if _SINCE.get(name[:3], 1) <= version}
        for name, sql in rules.items():
            problems += _broken(connection, name, sql)
        counts = {table: _count(connection, table) for table in _COUNTED}
    rows = {table: count for table, count in counts.items() if count is not None}
    return Verdict(path=str(path), version=version, newest=len(scripts), rows=rows, problems=problems)


@contextmanager
def _reading(file: Path, path: Path) -> Iterator[apsw.Connection]:
    """The whole file in one transaction."""
    try:
        connection = open_idle(file)
        try:
            connection.create_scalar_function("body_digest", _digest, 1, deterministic=True)
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
    except apsw.NotADBError:
        raise SchemaMismatch(f"'{path}' is no journal; name a journal or a backup") from None
    except apsw.Error as error:
        raise fault(error, "be read", f"'{path}'") from error


def _digest(*values: object) -> bytes:
    return digest_of(cast(bytes, values[0]))


def _integrity(connection: apsw.Connection) -> Iterator[str]:
    """SQLite's own findings: pages, indexes, types."""
    try:
        lines = cast(
            list[tuple[str]], connection.execute(f"PRAGMA integrity_check({_MOST_LINES})").fetchall()
        )
    except apsw.Error as error:
        lines = [(described(error),)]
    for (text,) in lines:
        # The first answer may be many lines, below the name of the database, which says nothing here.
        for line in text.splitlines():
            if line != "ok" and not line.startswith("*** in database"):
                yield f"damaged: {line}"


def _broken(connection: apsw.Connection, name: str, sql: str) -> Iterator[str]:
    """A rule that does not hold: how often, and the first one."""
    prefix, _, what = name.partition(" ")
    counting = " ".join(["WITH found(id) AS (", sql, ") SELECT count(*), min(id) FROM found"])
    try:
        ((count, first),) = cast(list[tuple[int, int | None]], connection.execute(counting).fetchall())
    except apsw.Error as error:
        yield f"cannot look for {what}: {described(error)}"
        return
    if first is not None:
        yield f"{count:,} {what}; the first is {id_text(prefix, first)}"


def _count(connection: apsw.Connection, table: str) -> int | None:
    """How many rows a table has; None: it is not there, or unreadable, which is among the problems."""
    try:
        return cast(int, connection.execute(" ".join(["SELECT count(*) FROM", table])).get)
    except apsw.Error:
        return None
