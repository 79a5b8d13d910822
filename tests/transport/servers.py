"""Servers for the tests of the transport: one does what a script says; names lead where they are told to."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle
from types import TracebackType
from typing import Self

import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Heard(msgspec.Struct, frozen=True):
    """One request as it came over the wire."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for found, value in self.headers if found.lower() == name.lower()]


class Talk:
    """One connection, seen from the server."""

    def __init__(self, peer: "Peer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._peer = peer
        self._reader = reader
        self._writer = writer

    async def hear(self) -> Heard:
        """Read one request to its end."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = [(name, value) for name, _, value in (text.partition(": ") for text in rest)]
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        heard = Heard(line, headers, await self._reader.readexactly(length))
        self._peer.requests.append(heard)
        return heard

    async def take(self) -> bytes:
        """Read what is there, as it is."""
        return await self._reader.read(1 << 16)

    async def say(self, *pieces: bytes) -> None:
        """Write, each piece by itself."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def gone(self) -> None:
        """Wait until the client has closed."""
        try:
            while await self._reader.read(1 << 16):
                pass
        except ConnectionError:
            pass
        self.left()

    def left(self) -> None:
        """Note that the client has closed."""
        self._peer.closed.set()

    def dawdle(self) -> None:
        """Note that from here on the server is only slow."""
        self._peer.dawdling.set()

    def reset(self) -> None:
        """End the connection with a reset instead of a farewell."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """End the connection."""
        self._writer.close()


Script = Callable[[Talk], Awaitable[None]]


async def answer_all(talk: Talk) -> None:
    """The friendly script: 200 to everything, on one connection."""
    while True:
        await talk.hear()
        await talk.say(OK)


def saying(*pieces: bytes) -> Script:
    """A script that answers each request with these bytes, and leaves the connection open."""

    async def script(talk: Talk) -> None:
        while True:
            await talk.hear()
            await talk.say(*pieces)

    return script


def saying_goodbye(*pieces: bytes) -> Script:
    """A script that answers one request with these bytes and closes."""

    async def script(talk: Talk) -> None:
        await talk.hear()
        await talk.say(*pieces)

    return script


class Peer:
    """A server on loopback. `connections` counts what was accepted, `requests` is what was heard.

    `opened` is set by the first connection, `dawdling` when a script begins to be slow, `closed` when it saw
    a client leave.
    """

    def __init__(
        self,
        script: Script = answer_all,
        tls: ssl.SSLContext | None = None,
        where: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self._where = where
        self.script = script
        self.connections = 0
        self.requests: list[Heard] = []
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.dawdling = asyncio.Event()
        self.port = 0
        self._tls = tls
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, *self._where, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        if self._talks:
            await asyncio.wait(self._talks)

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        """Where to post to."""
        return f"{scheme}://{host}:{self.port}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        self.connections += 1
        self.opened.set()
        try:
            await self.script(Talk(self, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._talks.discard(task)


class Names(AbstractResolver):
    """A resolver of its own: every name leads to the addresses given, or to one after the other in turns."""

    def __init__(self, *addresses: str, turns: bool = False) -> None:
        self.asked = 0
        self._turns: Iterator[list[str]] = cycle([[one] for one in addresses] if turns else [[*addresses]])

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """What the name leads to this time."""
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in next(self._turns)
        ]

    async def close(self) -> None:
        """Nothing to close."""


class Nowhere(AbstractResolver):
    """A resolver that knows no name."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """No such name."""
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def close(self) -> None:
        """Nothing to close."""
