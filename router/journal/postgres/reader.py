"""Reader: queries in short transactions that cannot write, off the loop's thread, a few at a time."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from router.errors import JournalUnavailable
from router.journal.postgres.connecting import Connection, Url
from router.journal.postgres.faults import fault
from router.journal.postgres.work import Cursor

_AT_ONCE = 4
_WAIT = 5.0
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '15s'"

T = TypeVar("T")


class Reader:
    """Runs queries, each against one state of the journal. Connections are made when they are needed."""

    def __init__(self, url: Url) -> None:
        self._limiter = anyio.CapacityLimiter(_AT_ONCE)
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            "",
            kwargs={"autocommit": True, "prepare_threshold": None, **url.options},
            min_size=0,
            max_size=_AT_ONCE,
            timeout=_WAIT,
            reconnect_timeout=_WAIT,
            max_idle=60.0,
            check=ConnectionPool.check_connection,
            open=True,
        )

    async def read(self, query: Callable[[Cursor], T]) -> T:
        """Run a query and return what it made of the rows.

        Raises:
            JournalUnavailable: it could not be read now.
        """
        return await anyio.to_thread.run_sync(self._once, query, limiter=self._limiter)

    async def close(self) -> None:
        """Close the connections."""
        await anyio.to_thread.run_sync(self._pool.close)

    def _once(self, query: Callable[[Cursor], T]) -> T:
        try:
            with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
                cursor.connection.execute(_BEGIN)
                try:
                    return query(cursor)
                finally:
                    if not connection.broken:
                        cursor.execute("ROLLBACK")
        except PoolClosed:
            raise JournalUnavailable("the journal is closed") from None
        except PoolTimeout:
            raise JournalUnavailable("the journal cannot be read now: its server does not answer") from None
        except psycopg.Error as error:
            raise fault(error, "be read") from error
