"""Listener: one HTTP server's way in, from the first connection to the last answer.

Owns accepting and draining. Must not know what is asked or answered.
"""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

import anyio

from router.server.connection import Connection
from router.server.edge import Edge, Failed
from router.server.face import Face
from router.server.request import Answer
from router.server.sockets import BACKLOG, held, shown
from router.server.wire import require_c_parser
from router.units import Listen

# Milliseconds after which the kernel drops a connection whose peer does not take what was sent to it.
_UNACKNOWLEDGED = 30_000
# An idle connection, one whose request line and headers do not arrive, and one that does not take its answers
# is closed after this many seconds.
IDLE = 10.0
# Seconds given to idle connections at the end: a request may be on the wire already.
PATIENCE = 3.0
# Turns of the event loop from an accepted socket to its `Connection`.
_ROUNDS = 3


class Listener:
    """One HTTP server's sockets and connections.

    At most `most` connections at once, else half of what descriptors allow; one that sends no whole head of a
    request for `idle` seconds, or does not take its answers in that time, is closed.
    """

    def __init__(self, answer: Answer, failed: Failed, most: int | None = None, idle: float = IDLE) -> None:
        self._answer = answer
        self._failed = failed
        self._most = most
        self._idle = idle
        self._edge: Edge | None = None
        self._bound: list[socket.socket] = []
        self._handed_in = False
        self._servers: list[asyncio.Server] = []
        self.addresses: tuple[str, ...] = ()

    @asynccontextmanager
    async def listening(self, listen: Listen, sockets: Sequence[socket.socket] = ()) -> AsyncIterator[None]:
        """Accept on `sockets`, or, if none were handed in, on `listen`; at the end whatever is open is cut.

        Raises:
            RouterError: the address cannot be bound.
        """
        require_c_parser()
        self._handed_in = bool(sockets)
        with held(listen, sockets) as bound:
            self._bound = bound
            async with self._accepting(bound):
                yield

    @asynccontextmanager
    async def _accepting(self, bound: Sequence[socket.socket]) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            edge = self._edge = Edge(self._failed, self._most or _most(), self._idle, tasks)
            try:
                self.addresses = tuple(shown(each) for each in bound)
                for each in bound:
                    self._servers.append(await _serve(self._accept, each))
                yield
            finally:
                for server in self._servers:
                    server.close()
                with anyio.CancelScope(shield=True):
                    await edge.shutdown(0.1)

    async def drain(self, patience: float = PATIENCE) -> None:
        """Stop accepting, answer what was sent, return when no connection is open.

        Idle connections have `patience` seconds to send what was under way. Bounded by the time limits of
        bodies and commits; bound it from outside to be shorter. Sockets that were handed in stay open in the
        kernel: who connects now waits in their backlog for the next process.
        """
        if self._edge is None:
            return
        self._edge.draining = True
        await self._close()
        with anyio.move_on_after(patience):
            await self._edge.emptied()
        self._edge.close_idle()
        await self._edge.emptied()

    async def _close(self) -> None:
        """Accept nobody any more, except whoever waits in a backlog that no next process will answer."""
        loop = asyncio.get_running_loop()
        bound, self._bound = self._bound, []
        for each in bound:
            # If it were closed at once, asyncio would drop whoever was accepted in this very turn; uvloop
            # drops nobody, and has no reader here.
            loop.remove_reader(each)
        await _some_rounds()
        queue = [] if self._handed_in else [one for each in bound for one in _waiting(each)]
        # Else the kernel would go on taking connections, which would get no answer until the process ends.
        for server in self._servers:
            server.close()
        for one in queue:
            with suppress(OSError):  # it has left already
                await loop.connect_accepted_socket(self._accept, one)
        await _some_rounds()

    def _accept(self) -> Face:
        return Face(Connection(cast(Edge, self._edge), self._answer))


async def _serve(accept: Callable[[], Face], sock: socket.socket) -> asyncio.Server:
    if sock.family != socket.AF_UNIX:
        # Accepted connections inherit both.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED)
    # Not a unix server: from Python 3.13 on, that removes the path, also of a socket that is a supervisor's.
    return await asyncio.get_running_loop().create_server(accept, sock=sock, backlog=BACKLOG)


def _waiting(listening: socket.socket) -> list[socket.socket]:
    """The connections that the kernel has and nobody accepted."""
    found: list[socket.socket] = []
    with suppress(OSError):  # there is none left, or no descriptor for it
        while len(found) < BACKLOG:
            found.append(listening.accept()[0])
    return found


async def _some_rounds() -> None:
    """Whoever was accepted until now is a connection, and counted, afterwards."""
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


def _most() -> int:
    """How many connections at once: half of the descriptors; sinks and the journal need some too."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft // 2
