"""The fault proxy: a process of its own on the way to a port or a unix socket, with toxiproxy's verbs.

`python -m tests.torture.proxy '{"upstream": port or path}'` prints its port. Lines on standard input are
JSON: `{"verb": "clear"}`, `{"verb": "latency", "ms": 80}`, `{"verb": "down"}` (connections are cut at once),
`{"verb": "reset", "ms": 30}` (so long after they began, also those that are open),
`{"verb": "cut", "bytes": 600}` (after so many bytes in either direction), `{"verb": "hang"}` (nothing is
carried until the next verb). The end of it ends the process.
"""

import asyncio
import json
import socket
import struct
import sys

from tests.torture.orders import listen

_CHUNK = 65536


class Proxy:
    """All connections, and the fault in force."""

    def __init__(self, upstream: int | str) -> None:
        self._upstream = upstream
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._verb: dict[str, object] = {"verb": "clear"}
        self._open: set[asyncio.StreamWriter] = set()

    def order(self, line: str) -> None:
        """Put a verb into force, for open connections too."""
        self._verb = json.loads(line)
        (self._flowing.clear if self._is("hang") else self._flowing.set)()
        match self._verb["verb"]:
            case "down":
                self._break_all()
            case "reset":
                asyncio.get_running_loop().call_later(self._number("ms") / 1000, self._break_all)

    def _number(self, name: str) -> float:
        return float(str(self._verb.get(name, 0)))

    def _is(self, verb: str) -> bool:
        return self._verb["verb"] == verb

    def _break_all(self) -> None:
        for writer in tuple(self._open):
            _reset(writer)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the router, carried to the sinks."""
        if self._is("down"):
            _reset(writer)
            return
        if self._is("reset"):
            asyncio.get_running_loop().call_later(self._number("ms") / 1000, _reset, writer)
        self._open.add(writer)
        await self._flowing.wait()
        try:
            there, back = await self._connect()
        except OSError:
            self._open.discard(writer)
            _reset(writer)
            return
        self._open.add(back)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, back, writer))
                pumps.create_task(self._pump(there, writer, back))
        finally:
            self._open -= {writer, back}
            writer.close()
            back.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._upstream, str):
            return await asyncio.open_unix_connection(self._upstream)
        return await asyncio.open_connection("127.0.0.1", self._upstream)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, other: asyncio.StreamWriter
    ) -> None:
        carried = 0
        try:
            while chunk := await source.read(_CHUNK):
                await self._flowing.wait()
                if self._is("latency"):
                    await asyncio.sleep(self._number("ms") / 1000)
                if self._is("cut"):
                    chunk = chunk[: max(0, int(self._number("bytes")) - carried)]
                    carried += len(chunk)
                target.write(chunk)
                await target.drain()
                if self._is("cut") and carried >= self._number("bytes"):
                    break
        except ConnectionError:
            pass
        # Half a connection is of no use to HTTP: both ends are closed together.
        target.close()
        other.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def main() -> None:
    """The process."""
    proxy = Proxy(json.loads(sys.argv[1])["upstream"])
    server = await asyncio.start_server(proxy.connection, "127.0.0.1", 0, backlog=4096)
    ended = asyncio.Event()
    listen(asyncio.get_running_loop(), proxy.order, ended.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
