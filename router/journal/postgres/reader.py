"""Reader: queries in short transactions that cannot write, off the loop's thread, a few at a time."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from router.errors import JournalUnavailable
from router.journal.postgres.connecting import Connection, Url
from router.journal.postgres.faults import described, fault
from router.journal.postgres.work import Cursor

_AT_ONCE = 4
_WAIT = 5.0
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '15s'"

T = TypeVar("T")


class Reader:
    """Runs queries, each against one state of the journal. Connections are made when they are needed."""

    def __init__(self, url: Url) -> None:
        self._url = url
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
            raise self._out_of_reach() from None
        except psycopg.Error as error:
            raise fault(error, "be read") from error

    def _out_of_reach(self) -> JournalUnavailable:
        """Why there is no session: the pool knows only for how long it tried."""
        reason = "its server did not answer in time"
        try:
            self._url.connect().close()
        except psycopg.Error as error:
            reason = described(error)
        return JournalUnavailable(f"the journal cannot be read now: {reason}")
