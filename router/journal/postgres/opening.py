"""Opening: connect, check the server, migrate, appear among the routers. Closing it is the reverse."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import cast

import anyio
import anyio.to_thread
import msgspec
import psycopg

from router.clock import Clock, Ids
from router.errors import JournalBroken, JournalError, JournalUnavailable
from router.journal.postgres.archive import PostgresArchive
from router.journal.postgres.connecting import Connection, Url, begin, check_server
from router.journal.postgres.faults import fault
from router.journal.postgres.hints import Hints
from router.journal.postgres.inbox import PostgresInbox
from router.journal.postgres.outlook import look
from router.journal.postgres.presence import Timing
from router.journal.postgres.quarantine import PostgresQuarantine
from router.journal.postgres.queue import PostgresQueue
from router.journal.postgres.reader import Reader
from router.journal.postgres.schema import migrate
from router.journal.postgres.store import Parts, Store
from router.journal.postgres.upkeep import PostgresUpkeep
from router.journal.postgres.work import Cursor, Seen
from router.journal.postgres.writer import Writer
from router.journal.statements import migrations, statements

_SQL = statements("postgres", "presence")
_LOCK = statements("postgres", "schema")["lock"]


class _Opened(msgspec.Struct):
    """What an opening found."""

    connection: Connection
    newest: int
    seen: Seen


class PostgresJournal(PostgresInbox, PostgresQueue, PostgresArchive, PostgresQuarantine, PostgresUpkeep):
    """The journal in a PostgreSQL database, as one of the routers that share it."""

    @property
    def ids(self) -> Ids:
        """See `Journal.ids`."""
        return self._store.ids

    @property
    def broken(self) -> str | None:
        """See `Journal.broken`."""
        return self._store.writer.broken if self._store.is_open else None

    async def open(self) -> None:
        """See `Journal.open`."""
        store = self._store
        if store.is_open:
            return
        # Shielded: a cancelled opening must not leave a session behind that nobody closes.
        with anyio.CancelScope(shield=True):
            try:
                opened = await anyio.to_thread.run_sync(_open, store)
            except JournalUnavailable as error:
                store.trouble = str(error)
                raise
            order = [self.record_all, self.settle_all]
            writer = Writer(
                store.url.connect, opened.connection, store.presence, store.applied, store.alarm.set, order
            )
            hints = None if store.listen is None else Hints(store.listen, store.hinted)
            store.adopt(Parts(Reader(store.url), writer, hints), opened.newest, opened.seen)


@asynccontextmanager
async def open_postgres(
    url: str,
    clock: Clock,
    *,
    listen_url: str | None = None,
    may_lose: bool = False,
    timing: Timing | None = None,
    patient: bool = False,
) -> AsyncIterator[PostgresJournal]:
    """The journal in the database that `url` names; its tables are made if they are not there.

    `listen_url`: the same database without a pooler between, for hints. `may_lose`: a server that may lose
    what it has acknowledged will do. `patient`: where it cannot be opened now, it is not open yet (see
    `Journal.open`).

    Raises:
        SchemaMismatch: a newer release wrote it, or it holds something else.
        JournalError: the URL cannot be read, or the server is too old or not durable.
        JournalUnavailable: it cannot be reached now, and nobody is patient.
    """
    listen = None if listen_url is None else Url(listen_url)
    store = Store(Url(url), listen, clock, timing or Timing(), may_lose=may_lose)
    journal = PostgresJournal(store)
    try:
        try:
            await journal.open()
        except JournalUnavailable:
            if not patient:
                raise
        yield journal
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


def _open(store: Store) -> _Opened:
    with ExitStack() as stack:
        try:
            connection = store.url.connect()
            stack.callback(connection.close)
            check_server(connection, store.url, may_lose=store.may_lose)
            migrate(connection, migrations("postgres"))
            newest, seen = _appear(connection, store)
        except psycopg.Error as error:
            meaning = fault(error, "be opened")
            # Nothing was ever written: not a journal that broke, but one that cannot be used.
            raise JournalError(str(meaning)) if isinstance(meaning, JournalBroken) else meaning from error
        stack.pop_all()
    return _Opened(connection, newest, seen)


def _appear(connection: Connection, store: Store) -> tuple[int, Seen]:
    """Join the routers at work, and take over from those that are not any more."""
    with connection.cursor(binary=True) as cursor:
        connection.execute(begin(store.presence.every))
        _refuse_half(cursor)
        written = store.presence.arrive(cursor)
        presence = store.presence
        store.outlook.begin(look(presence.number, presence.node, store.own_now, cursor).result)
        newest = cast(int, cursor.execute(_SQL["newest"]).fetchall()[0][0])
        cursor.execute("COMMIT")
    return newest, cast(Seen, written.seen)


def _refuse_half(cursor: Cursor) -> None:
    """Not a journal of which a part is still elsewhere; a move that begins now waits until we are here."""
    cursor.execute(_LOCK)
    if cursor.execute(_SQL["moving"]).fetchall()[0][0]:
        raise JournalError(
            "a journal is being moved into this database, and that is not finished;"
            " run visual-router migrate-journal to its end"
        )
