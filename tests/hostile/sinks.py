"""Destinations of every bad kind, on one port: the path says which."""

import asyncio
import re
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
ID = re.compile(rb"webhook-id: (\S+)", re.IGNORECASE)
# What a drip sends between two waits, and how long these are.
DRIP, BETWEEN = b"x", 0.2


class Sinks:
    """Answers by the path's last word: `good…`, or one of the methods below. Remembers what each was sent."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: dict[str, Counter[str]] = {}
        self.asked: Counter[str] = Counter()
        self._arrived = asyncio.Condition()
        self._over = asyncio.Event()

    def url(self, name: str) -> str:
        """Where that one listens."""
        return f"http://127.0.0.1:{self.port}/{name}"

    async def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until what arrived makes it true."""
        async with self._arrived, asyncio.timeout(seconds):
            await self._arrived.wait_for(condition)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while not self._over.is_set():
                head = await reader.readuntil(b"\r\n\r\n")
                found = LENGTH.search(head)
                await reader.readexactly(int(found[1]) if found else 0)
                name = head.split()[1].decode().rpartition("/")[2]
                await self._note(name, head)
                behave = getattr(self, name, None)
                if behave is None:
                    writer.write(OK)
                else:
                    await behave(writer)
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _note(self, name: str, head: bytes) -> None:
        found = ID.search(head)
        async with self._arrived:
            self.asked[name] += 1
            self.seen.setdefault(name, Counter())[found[1].decode() if found else ""] += 1
            self._arrived.notify_all()

    async def hang(self, _: asyncio.StreamWriter) -> None:
        """Say nothing at all."""
        await self._over.wait()

    async def drip(self, writer: asyncio.StreamWriter) -> None:
        """Answer 200, and then one byte after the other without end."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        await self._for_ever(writer, DRIP, BETWEEN)

    async def drip_head(self, writer: asyncio.StreamWriter) -> None:
        """Send headers without end."""
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await self._for_ever(writer, b"X: y\r\n", BETWEEN)

    async def bomb(self, writer: asyncio.StreamWriter) -> None:
        """Answer 500 with a body that never ends."""
        writer.write(b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n")
        await self._for_ever(writer, b"x" * (1 << 16), 0.001)

    async def reset(self, writer: asyncio.StreamWriter) -> None:
        """Cut the connection instead of an answer."""
        _cut(writer)

    async def ok_then_reset(self, writer: asyncio.StreamWriter) -> None:
        """Answer 200, and cut the connection."""
        writer.write(OK)
        await writer.drain()
        _cut(writer)

    async def short(self, writer: asyncio.StreamWriter) -> None:
        """Promise a longer body than comes."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nok")

    async def junk(self, writer: asyncio.StreamWriter) -> None:
        """Answer what is no HTTP."""
        writer.write(b"\x16\x03\x01 \x1b[31mwhy not\r\n\r\n\x00" * 50)

    async def zipped(self, writer: asyncio.StreamWriter) -> None:
        """Answer 500 with garbage that claims to be compressed."""
        writer.write(
            b"HTTP/1.1 500 Oh\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00\x01"
        )

    async def crowd(self, writer: asyncio.StreamWriter) -> None:
        """Answer with ten thousand headers."""
        writer.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n")

    async def _for_ever(self, writer: asyncio.StreamWriter, piece: bytes, seconds: float) -> None:
        while not self._over.is_set():
            writer.write(piece)
            await writer.drain()
            try:
                async with asyncio.timeout(seconds):
                    await self._over.wait()
            except TimeoutError:
                pass

    def end(self) -> None:
        """Let go of everybody who waits."""
        self._over.set()


BAD = ("hang", "drip", "drip_head", "bomb", "reset", "ok_then_reset", "short", "junk", "zipped", "crowd")


def _cut(writer: asyncio.StreamWriter) -> None:
    """Reset the connection."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def answering() -> AsyncIterator[Sinks]:
    """All of them."""
    sinks = Sinks()
    server = await asyncio.start_server(sinks.answer, "127.0.0.1", 0, limit=1 << 22)
    sinks.port = server.sockets[0].getsockname()[1]
    async with server:
        yield sinks
        sinks.end()
