"""Hints: hears from other routers that something is due, over a session of its own.

Only ever a hint: whoever misses one looks a little later all the same. Needs a URL without a pooler in
transaction mode.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

import psycopg
import structlog

from router.journal.postgres.connecting import Url
from router.journal.postgres.faults import described

log = structlog.get_logger(__name__)

_LISTEN = "LISTEN visual_router"
_LOOK = 0.5
_PAUSE = 5.0


class Hints:
    """Calls `heard` in the loop's thread."""

    def __init__(self, url: Url, heard: Callable[[], None]) -> None:
        self._url = url
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._closing = threading.Event()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="journal hints", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Listen no more."""
        self._closing.set()
        await self._over
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                try:
                    self._listen()
                except psycopg.Error as error:
                    log.warning("hints_lost", reason=described(error))
                    self._closing.wait(_PAUSE)
        finally:
            self._post(lambda: self._over.set_result(None))

    def _listen(self) -> None:
        with self._url.connect() as connection:
            connection.execute(_LISTEN)
            # Hints from before this are lost, so one look makes up for them.
            self._post(self._heard)
            while not self._closing.is_set():
                for _ in connection.notifies(timeout=_LOOK, stop_after=1):
                    self._post(self._heard)

    def _post(self, callback: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback)
