"""Room: how many connections the admin listener has at once, and whose ends when there are too many.

Nobody is turned away: whoever came last is let in, and in its place the oldest goes that is not being
answered.
Else a few hundred connections that say nothing, which cost no token, would use up the descriptors of the
whole process, and providers would find nobody. Must not know what is asked.
"""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

_MOST = 256


def most() -> int:
    """How many at once: few, as operators are, and no more than an eighth of the descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else min(_MOST, soft // 8)


class Room:
    """The place of one listener, for `most` connections."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._asking: set[object] = set()
        # Ended here, but not yet gone.
        self._leaving: set[web.RequestHandler] = set()

    def admit(self, server: web.Server) -> web.RequestHandler:
        """What a new connection is served by."""
        # In the next turn its transport stands, and it is counted.
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._clear, server)
        return server()

    @contextmanager
    def asking(self, connection: object) -> Iterator[None]:
        """While one of its requests is being answered, a connection is ended after those that wait."""
        self._asking.add(connection)
        try:
            yield
        finally:
            self._asking.discard(connection)

    def _clear(self, server: web.Server) -> None:
        """End what is too much, the oldest first."""
        there = server.connections
        self._leaving.intersection_update(there)
        staying = [each for each in there if each not in self._leaving]
        excess = max(0, len(staying) - self._most)
        # Never the newest, even if all others are being answered: slowly, it may be.
        for each in sorted(staying[:-1], key=self._asking.__contains__)[:excess]:
            self._leaving.add(each)
            if each.transport is not None:
                # Not closed: whoever takes no answer would keep it for ever.
                each.transport.abort()
