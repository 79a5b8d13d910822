"""Senders that never finish, and one that is honest."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.hostile.answers import Answer, read_all

HEAD = b"POST /hooks/web HTTP/1.1\r\nHost: x\r\n"
BODY = b'{"event": "build", "build": {"number": %d, "branch": "main", "status": "PENDING"}}'


def post(path: str, body: bytes, *more: str) -> bytes:
    """A request that closes its connection."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}", *more]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def ask(port: int, data: bytes) -> list[Answer]:
    """Send, and read every answer until the daemon ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return read_all(await reader.read())
    finally:
        writer.close()


class Slow:
    """One connection that sends its beginning, then drips, and waits for its end."""

    def __init__(self, port: int, beginning: bytes, drip: bytes = b"", every: float = 0.5) -> None:
        self.port = port
        self.beginning = beginning
        self.drip = drip
        self.every = every
        self.seen = b""

    async def run(self) -> None:
        """Return when the daemon ended the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.beginning)
        try:
            while not reader.at_eof():
                try:
                    async with asyncio.timeout(self.every):
                        self.seen += await reader.read(4096)
                except TimeoutError:
                    writer.write(self.drip)
        except ConnectionError:
            pass  # it ended the connection while we were still talking
        finally:
            writer.transport.abort()


def slow_ones(port: int, count: int) -> dict[str, list[Slow]]:
    """`count` attackers of each kind."""
    kinds = {
        "idle": (b"", b""),
        "idle after a request": (post("/nowhere", b"").replace(b"Connection: close\r\n", b""), b""),
        "partial head": (HEAD, b""),
        "trickled head": (HEAD, b"X: y\r\n"),
        "partial body": (HEAD + b"Content-Length: 500\r\n\r\n{", b""),
        "trickled body": (HEAD + b"Content-Length: 500\r\n\r\n{", b" "),
        "trickled chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    }
    return {name: [Slow(port, *parts) for _ in range(count)] for name, parts in kinds.items()}


@asynccontextmanager
async def honest(port: int) -> AsyncIterator[list[int]]:
    """An honest sender beside whatever happens inside; yields the statuses it gets, up to now."""
    statuses: list[int] = []
    done = asyncio.Event()

    async def send() -> None:
        for number in itertools.count(1):
            if done.is_set():
                return
            answers = await ask(port, post("/hooks/web", BODY % number))
            statuses.extend(answer.status for answer in answers)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        yield statuses
        done.set()


def statuses_of(slow: Sequence[Slow]) -> set[int]:
    """What these were answered in the end."""
    return {answer.status for each in slow for answer in read_all(each.seen)}
