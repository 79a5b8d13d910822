"""Edge: all connections of one listener: who gets in, who is turned away, and how all of them end.

Owns the bound on their number, their tasks, the buffer that they read into and the order in which they do.
Must not know what a connection says or hears.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from router.server.rotation import Rotation
from router.server.wire import CLOSE, refusal, rendered

# After a refusal that came before the whole body: seconds in which the rest is read and dropped, because a
# closed socket with unread bytes resets the connection and the answer with it.
LINGER = 2.0
# Bytes of one read at most.
READ = 64 << 10


class Connected(Protocol):
    """What there is to know of a connection here."""

    peer: object

    @property
    def idle(self) -> bool:
        """Whether it waits for a request."""
        ...

    async def serve(self) -> None:
        """Answer what it asks, until its end."""
        ...

    def close(self) -> None:
        """End it once what was written is sent."""
        ...

    def cut(self) -> None:
        """End it at once."""
        ...


# Told of an answer that was given here: its status, the socket's peer name, and the error if there was one.
Failed = Callable[[int, object, BaseException | None], None]


class Edge:
    """All connections: which are open, and which have a request being answered.

    `failed` is told of a request that nobody was asked about: because it was no HTTP (400), because there are
    `most` connections already (503), or because answering it raised (500). A connection that sends no whole
    head of a request for `idle` seconds, or does not take its answers in that time, is closed. Each lives in
    a task of `tasks`.
    """

    def __init__(self, failed: Failed, most: int, idle: float, tasks: asyncio.TaskGroup) -> None:
        self.failed = failed
        self.most = most
        self.idle = idle
        self.draining = False
        self._shut = False
        self.open: set[Connected] = set()
        self.buffer = memoryview(bytearray(READ))
        self.rotation = Rotation()
        # Turned away; they have yet to hear it.
        self._leaving: dict[Connected, tuple[asyncio.WriteTransport, asyncio.TimerHandle]] = {}
        self._tasks: dict[Connected, asyncio.Task[None]] = {}
        self._group = tasks
        self._empty = asyncio.Event()
        self._empty.set()

    def has_room(self) -> bool:
        """Whether one more connection is not too many."""
        return not self._shut and len(self.open) < self.most

    def turn_away(self, connection: Connected, transport: asyncio.WriteTransport) -> None:
        """Say 503 and let it be heard: what the sender goes on to say is dropped, for `LINGER` seconds.

        Those who linger are bounded too; beyond that they may see a reset.
        """
        self.failed(503, connection.peer, None)
        transport.write(rendered(refusal(503, retry_after=1), CLOSE))
        if self._shut or len(self._leaving) * 2 >= self.most:
            transport.close()
            return
        transport.write_eof()
        timer = asyncio.get_running_loop().call_later(LINGER, transport.abort)
        self._leaving[connection] = transport, timer

    def forget(self, connection: Connected) -> None:
        """A connection is lost."""
        self.open.discard(connection)
        if connection in self._leaving:
            self._leaving.pop(connection)[1].cancel()

    def begin(self, connection: Connected) -> None:
        """Take a connection up."""
        self._empty.clear()
        self.open.add(connection)
        task = self._tasks[connection] = self._group.create_task(connection.serve())
        task.add_done_callback(lambda _: self._ended(connection))

    def _ended(self, connection: Connected) -> None:
        del self._tasks[connection]
        if not self._tasks:
            self._empty.set()

    async def emptied(self) -> None:
        """Return once no connection is open and no request is being answered."""
        await self._empty.wait()

    def close_idle(self) -> None:
        """Close the connections that wait for a request."""
        for connection in [each for each in self.open if each.idle]:
            connection.close()

    async def shutdown(self, patience: float) -> None:
        """Close idle connections, give the others `patience` seconds for their answer, then cut them."""
        self.draining = self._shut = True
        self.close_idle()
        for transport, _ in list(self._leaving.values()):
            transport.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.emptied()
        for connection in list(self.open):
            connection.cut()
        for task in list(self._tasks.values()):
            task.cancel()
        await self.emptied()
