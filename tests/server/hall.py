"""Connections without a server behind them: what is answered, and when, a test decides."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from router.server.connection import Connection
from router.server.edge import Edge
from router.server.face import Face
from router.server.listener import Listener
from router.server.request import Request
from router.server.wire import Reply, accepted, refusal
from router.units import Listen
from tests.server.edge import Wire

LOOPBACK = Listen(host="127.0.0.1", port=0)


class Hall:
    """A listener whose answers a test decides on, and what it reported."""

    def __init__(self) -> None:
        self.listener = Listener(self.answer, self.failed, idle=60.0)
        self.asked: list[str] = []
        self.failures: list[tuple[int, type[BaseException] | None]] = []
        self.counts: list[int] = []
        self.limit = 1 << 30
        self.gate = asyncio.Event()
        self.gate.set()

    async def answer(self, request: Request) -> Reply:
        """Answer as the path says, once the gate is open."""
        self.asked.append(request.path)
        await self.gate.wait()
        match request.path:
            case "/bug":
                raise KeyError("a bug")
            case "/large":
                return accepted(b"x" * (4 << 20))
            case "/small":
                return accepted(b"x" * 60_000)
            case "/metered":
                request.meter(self._taken)
                return accepted(b"%d" % sum([len(piece) async for piece in request.content.iter_any()]))
            case "/refused":
                return refusal(413)
        return accepted(b"%d" % len(await request.content.read()))

    def failed(self, status: int, _peer: object, error: BaseException | None) -> None:
        """Keep what was reported."""
        self.failures.append((status, None if error is None else type(error)))

    def _taken(self, count: int) -> bool:
        self.counts.append(count)
        return sum(self.counts) <= self.limit

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        """A connection to it."""
        host, _, port = self.listener.addresses[0].removeprefix("http://").rpartition(":")
        wire = Wire(*await asyncio.open_connection(host, int(port)))
        try:
            yield wire
        finally:
            wire.close()


@asynccontextmanager
async def hall() -> AsyncIterator[Hall]:
    """A hall that is open."""
    found = Hall()
    async with found.listener.listening(LOOPBACK):
        yield found


@asynccontextmanager
async def edge_of(here: Hall, sock: socket.socket) -> AsyncIterator[Edge]:
    """An edge on a socket, whose patience a test may change at any time."""
    async with asyncio.TaskGroup() as tasks:
        edge = Edge(here.failed, 10, 60.0, tasks)
        loop = asyncio.get_running_loop()
        async with await loop.create_server(lambda: Face(Connection(edge, here.answer)), sock=sock):
            yield edge
            await edge.shutdown(0.0)


@asynccontextmanager
async def deaf(sock: socket.socket, data: bytes) -> AsyncIterator[None]:
    """A client of a listening socket that says something and reads nothing."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, sock.getsockname())
        await loop.sock_sendall(client, data)
        yield
