"""Opening: connect, check the server, migrate, appear among the routers. Closing it is the reverse."""

from contextlib import AbstractAsyncContextManager, ExitStack
from functools import partial
from typing import cast

import psycopg
import structlog

from router.clock import Clock, Ids
from router.errors import JournalBroken, JournalError
from router.journal.opening import lent
from router.journal.postgres.archive import PostgresArchive
from router.journal.postgres.connecting import Connection, Url, begin, check_server
from router.journal.postgres.faults import fault
from router.journal.postgres.inbox import PostgresInbox
from router.journal.postgres.outlook import look
from router.journal.postgres.presence import Timing
from router.journal.postgres.quarantine import PostgresQuarantine
from router.journal.postgres.queue import PostgresQueue
from router.journal.postgres.schema import migrate
from router.journal.postgres.store import Opened, Store
from router.journal.postgres.upkeep import PostgresUpkeep
from router.journal.postgres.work import Cursor, Seen
from router.journal.statements import migrations, statements

log = structlog.get_logger(__name__)

_SQL = statements("postgres", "presence")
_LOCK = statements("postgres", "schema")["lock"]


class PostgresJournal(PostgresInbox, PostgresQueue, PostgresArchive, PostgresQuarantine, PostgresUpkeep):
    """The journal in a PostgreSQL database, as one of the routers that share it."""

    @property
    def ids(self) -> Ids:
        """See `Journal.ids`."""
        return self._store.ids

    async def open(self) -> None:
        """See `Journal.open`."""
        store = self._store
        await store.open(partial(_open, store), partial(store.adopt, [self.record_all, self.settle_all]))


def open_postgres(
    url: str,
    clock: Clock,
    *,
    listen_url: str | None = None,
    may_lose: bool = False,
    timing: Timing | None = None,
    patient: bool = False,
) -> AbstractAsyncContextManager[PostgresJournal]:
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
    return lent(PostgresJournal(store), store.close, patient=patient)


def _open(store: Store) -> Opened:
    with ExitStack() as stack:
        try:
            connection = store.url.connect()
            stack.callback(connection.close)
            check_server(connection, store.url, may_lose=store.may_lose)
            found = migrate(connection, migrations("postgres"))
            newest, seen = _appear(connection, store)
        except psycopg.Error as error:
            meaning = fault(error, "be opened")
            # Nothing was ever written: not a journal that broke, but one that cannot be used.
            raise JournalError(str(meaning)) if isinstance(meaning, JournalBroken) else meaning from error
        stack.pop_all()
    if not found:
        # Of a wrong database nothing else would tell: the journal of before is only missing.
        log.info("journal_created", host=connection.info.host, database=connection.info.dbname)
    return Opened(connection, newest, seen)


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
