"""Goal: the PostgreSQL database that a journal is moved into.

Owns how far the move is: each bite of rows and the key of its last one are one transaction, so that a move
which was cut off at any point goes on behind what is there. Nothing is kept in the session.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import cast

import msgspec
import psycopg
from psycopg import sql

from router.errors import JournalBroken, JournalError
from router.event import LONGEST_THREAD
from router.journal.moving.kinds import KINDS, Key, Kind
from router.journal.moving.origin import Row
from router.journal.postgres.connecting import Connection, Url, check_server
from router.journal.postgres.days import Days
from router.journal.postgres.faults import fault
from router.journal.postgres.schema import migrate
from router.journal.postgres.text import stored
from router.journal.postgres.work import Cursor
from router.journal.statements import migrations, statements

_SQL = statements("postgres", "moving")
_PRESENCE = statements("postgres", "presence")
_LOCK = statements("postgres", "schema")["lock"]
_BOOL = 16
_GONE = "the journal that was moved"
_FOREVER_AGO = float("-inf")


class Goal:
    """A database that holds a journal as far as it was moved."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._days = Days()
        self._types: dict[str, list[int]] = {}

    def begin(self, mark: str) -> bool:
        """Begin a move, or go on with the same one; False: that one is finished.

        Raises:
            JournalError: routers are at work there, or it holds what was not moved from there.
        """
        with self._transaction() as cursor:
            cursor.execute(_LOCK)
            cursor.execute(_SQL["kinds"], ([kind.table for kind in KINDS],))
            found = cast(list[tuple[str, float | None]], cursor.execute(_SQL["found"]).fetchall())
            if found:
                ((origin, finished),) = found
                if origin == mark:
                    return finished is None
                raise JournalError(_other(finished))
            if cursor.execute(_SQL["routers"]).fetchall()[0][0]:
                raise JournalError("routers are at work on the target; stop them, or name an empty database")
            if cursor.execute(_SQL["foreign"]).fetchall()[0][0]:
                raise JournalError("the target holds a journal already; name an empty database")
            cursor.connection.execute(_SQL["sweep"])
            cursor.execute(_SQL["start"], (mark, _without_indexes(cursor)))
        return True

    def positions(self) -> dict[str, tuple[Key | None, int]]:
        """Of each kind the key of its last row, None before the first, and how many there are up to it."""
        rows = cast(list[tuple[str, str | None, int]], self._connection.execute(_SQL["positions"]).fetchall())
        return {kind: (_key(after), count) for kind, after, count in rows}

    def put(self, kind: Kind, before: Key | None, rows: Sequence[Row]) -> Key:
        """Add rows behind those up to the key `before`, None: the first ones; returns the key of the last.

        Raises:
            JournalError: somebody else added some meanwhile.
        """
        after = cast(Key, rows[-1][: len(kind.start)])
        with self._transaction() as cursor:
            # Whoever else is at this kind, even a session whose process is gone, is waited for here.
            ((there,),) = cursor.execute(_SQL["position"], (kind.table,)).fetchall()
            if _key(cast(str | None, there)) != before:
                raise JournalError(
                    "another move into this database is at work; let it finish, then run this one again"
                )
            cursor.execute(_SQL["advance"], (msgspec.json.encode(after).decode(), len(rows), kind.table))
            if kind.day:
                self._days.ensure((cast(int, row[0]) for row in rows), cursor)
            self._copy(kind, rows, cursor)
        return after

    def count(self, kind: Kind) -> int:
        """How many rows there are of a kind."""
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(kind.table))
        with self._transaction() as cursor:
            return cast(int, cursor.execute(query).fetchall()[0][0])

    def finish(self, tell: Callable[[int, int], None]) -> None:
        """Let routers work with it: it is whole. What was in flight was so at a router that is gone.

        `tell` is told how many indexes are made, of how many.
        """
        with self._transaction() as cursor:
            ((_, finished),) = cursor.execute(_SQL["found"]).fetchall()
            if finished is not None:
                return
            cursor.execute(_SQL["room"])
            later = cursor.execute(_SQL["later"]).fetchall()
            for number, (definition,) in enumerate(later):
                tell(number, len(later))
                cursor.execute(cast(str, definition).encode())
            tell(len(later), len(later))
            cursor.execute(_SQL["analyze"])
            cursor.execute(_SQL["tally"])
            if cursor.execute(_SQL["in_flight"]).fetchall()[0][0]:
                cursor.execute(_SQL["leave"], (_gone_router(cursor),))
            cursor.execute(_SQL["finish"])

    def _copy(self, kind: Kind, rows: Sequence[Row], cursor: Cursor) -> None:
        types = self._types.get(kind.table) or self._types_of(kind, cursor)
        flags = [place for place, oid in enumerate(types) if oid == _BOOL]
        with cursor.copy(f"COPY {kind.table} ({kind.columns}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
            copy.set_types(types)
            for row in rows:
                values: list[object] = [stored(value) for value in _bounded(kind, row)]
                for place in flags:
                    values[place] = bool(values[place])
                copy.write_row(values)

    def _types_of(self, kind: Kind, cursor: Cursor) -> list[int]:
        cursor.execute(f"SELECT {kind.columns} FROM {kind.table} LIMIT 0".encode())  # noqa: S608  # our names
        self._types[kind.table] = [column.type_code for column in cursor.description or ()]
        return self._types[kind.table]

    @contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        """Everything in it, or nothing."""
        with self._connection.cursor() as cursor:
            cursor.connection.execute(_SQL["begin"])
            try:
                yield cursor
                cursor.execute("COMMIT")
            except (psycopg.Error, JournalError):
                with suppress(psycopg.Error):
                    cursor.execute("ROLLBACK")
                raise


@contextmanager
def open_goal(url: str, *, may_lose: bool) -> Iterator[Goal]:
    """The database that `url` names; its tables are made if they are not there.

    Raises:
        SchemaMismatch: a newer release wrote it, or it holds something else.
        JournalUnavailable: it cannot be reached or written now.
        JournalError: the URL cannot be read, or the server is too old or not durable.
    """
    where = Url(url)
    try:
        with where.connect() as connection:
            check_server(connection, where, may_lose=may_lose)
            migrate(connection, migrations("postgres"))
            yield Goal(connection)
    except psycopg.Error as error:
        meaning = fault(error)
        raise JournalError(str(meaning)) if isinstance(meaning, JournalBroken) else meaning from error


def _other(finished: float | None) -> str:
    """Why this is not the target of our move."""
    if finished is not None:
        return "another journal was moved into the target, or this one changed since; name an empty database"
    return (
        "the target holds a part of another journal, or this one changed since that was moved;"
        " name an empty database"
    )


def _bounded(kind: Kind, row: Row) -> Row:
    """The row, its thread under a digest if it is too long for the target's key.

    Another one than `Event.thread` has: the source may hold both, and the key is unique.
    """
    place = kind.thread
    if place is None or len(thread := cast(str, row[place])) <= LONGEST_THREAD:
        return row
    digest = hashlib.sha256(thread.encode()).hexdigest()
    return (*row[:place], f"moved\n{digest}", *row[place + 1 :])


def _key(after: str | None) -> Key | None:
    return None if after is None else tuple(msgspec.json.decode(after, type=list[int | str]))


def _without_indexes(cursor: Cursor) -> list[object]:
    """Drop what is not needed to find a row by its key; returns how it is made again.

    The tables are empty. Fed row by row the index of texts alone would take as long as all the rest.
    """
    found = cursor.execute(_SQL["indexes"], ([kind.table for kind in KINDS if kind.day],)).fetchall()
    for name, _ in found:
        cursor.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(cast(str, name))))
    return [definition for _, definition in found]


def _gone_router(cursor: Cursor) -> object:
    """The row of a router that no longer is: the next one takes over from it, and counts a crash."""
    number = cursor.execute(_PRESENCE["number"]).fetchall()[0][0]
    values = {"id": number, "name": _GONE, "lease": _FOREVER_AGO, "now": None}
    cursor.execute(_PRESENCE["appear"], {**values, "version": "", "configuration": ""})
    return number
