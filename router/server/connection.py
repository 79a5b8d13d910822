"""Connection: one stranger's connection, from its first byte to its end: requests in, answers out, in order.

Owns the time limits of a connection, what is read ahead, and when it ends. It stands on aiohttp's parser, not
on its server, whose tasks, requests and responses cost as much as all that is done with an event. Must not
know what is asked or answered.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import cast

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError
from aiohttp.http_parser import RawRequestMessage

from router.server.wire import AHEAD, CONTINUE, Reply, parser, refusal, rendered

# After a refusal that came before the whole body: seconds in which the rest is read and dropped, because a
# closed socket with unread bytes resets the connection and the answer with it.
LINGER = 2.0
# Bytes of one read: before anybody counts them, and of a body that is being read or dropped. All connections
# that have something to say are read in one turn of the loop, for which everybody else waits.
_UNCOUNTED = 16 << 10
_COUNTED = 64 << 10

_CLOSE = b"Connection: close\r\n"
_KEEP = b"Connection: keep-alive\r\n"


class Request:
    """A request whose head has come; its body may still be on its way, into `content`."""

    __slots__ = ("_connection", "_message", "content", "headers", "method")

    def __init__(self, message: RawRequestMessage, content: StreamReader, connection: "Connection") -> None:
        self._message = message
        self._connection = connection
        self.method: str = message.method
        self.headers = message.headers
        self.content = content

    @property
    def path(self) -> str:
        """The path as it was sent, escapes and all, without the query."""
        return self._message.url.raw_path

    @property
    def query(self) -> str:
        """What stands behind the `?`, as it was sent."""
        return self._message.url.raw_query_string

    @property
    def announced(self) -> int:
        """The bytes of its body, as far as its head says; the parser has checked that it is a number."""
        return int(self.headers.get("Content-Length", 0))

    @property
    def peer(self) -> object:
        """The socket's peer name."""
        return self._connection.peer

    def meter(self, taken: Callable[[int], bool]) -> Callable[[], None]:
        """Tell `taken` of the bytes as they come; where it says no they end. Returns what cuts them off."""
        return self._connection.meter(taken)

    def invite(self) -> None:
        """Tell a client that waits for `100 Continue` to go on."""
        wanted = self.headers.get("Expect", "").lower() == "100-continue"
        if wanted and self._message.version >= HttpVersion11:
            self._connection.write(CONTINUE)


Answer = Callable[[Request], Awaitable[Reply]]
# Told of an answer that was given here: its status, the socket's peer name, and the error if there was one.
Failed = Callable[[int, object, BaseException | None], None]


class Edge:
    """All connections: which are open, and which have a request being answered.

    `answer` answers a request. `failed` is told of a request that was answered without it: because it was no
    HTTP (400), because there are `most` connections already (503), or because `answer` raised (500). A
    connection that sends no whole head of a request for `idle` seconds is closed. Each lives in a task of
    `tasks`.
    """

    def __init__(
        self, answer: Answer, failed: Failed, most: int, idle: float, tasks: asyncio.TaskGroup
    ) -> None:
        self.answer = answer
        self.failed = failed
        self.most = most
        self.idle = idle
        self.draining = False
        self._over = False
        self.open: set[Connection] = set()
        self.buffer = memoryview(bytearray(_COUNTED))
        # Turned away, but still to hear so.
        self._leaving: dict[Connection, tuple[asyncio.WriteTransport, asyncio.TimerHandle]] = {}
        self._tasks: dict[Connection, asyncio.Task[None]] = {}
        self._group = tasks
        self._empty = asyncio.Event()
        self._empty.set()

    def __call__(self) -> "Connection":
        """The protocol of one more connection."""
        return Connection(self)

    def has_room(self) -> bool:
        """Whether one more connection is not too many."""
        return not self._over and len(self.open) < self.most

    def turn_away(self, connection: "Connection", transport: asyncio.WriteTransport) -> None:
        """Say 503 and let it be heard: what the sender goes on to say is dropped, for `LINGER` seconds.

        Those who linger are bounded too; beyond that they may see a reset.
        """
        self.failed(503, connection.peer, None)
        transport.write(rendered(refusal(503, retry_after=1), _CLOSE))
        if self._over or len(self._leaving) * 2 >= self.most:
            transport.close()
            return
        transport.write_eof()
        timer = asyncio.get_running_loop().call_later(LINGER, transport.abort)
        self._leaving[connection] = transport, timer

    def forget(self, connection: "Connection") -> None:
        """A connection is lost."""
        self.open.discard(connection)
        if connection in self._leaving:
            self._leaving.pop(connection)[1].cancel()

    def begin(self, connection: "Connection") -> None:
        """Take a connection up."""
        self._empty.clear()
        self.open.add(connection)
        task = self._tasks[connection] = self._group.create_task(connection.serve())
        task.add_done_callback(lambda _: self._ended(connection))

    def _ended(self, connection: "Connection") -> None:
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
        self.draining = self._over = True
        self.close_idle()
        for transport, _ in list(self._leaving.values()):
            transport.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.emptied()
        for task in list(self._tasks.values()):
            task.cancel()
        await self.emptied()


class Connection(BaseProtocol, asyncio.BufferedProtocol):
    """One connection: a queue of requests, and one task that answers them in order."""

    __slots__ = ("_broken", "_closing", "_content", "_counted", "_edge", "_idle_since", "_reader",
                 "_requests", "_taken", "_timer", "_waiter", "peer")  # fmt: skip

    def __init__(self, edge: Edge) -> None:
        loop = asyncio.get_running_loop()
        self._reader = parser(self, loop)
        super().__init__(loop, self._reader)
        self._edge = edge
        self.peer: object = None
        self._requests: deque[tuple[RawRequestMessage, StreamReader]] = deque()
        # Of the request being answered.
        self._content: StreamReader | None = None
        # Who is told of its bytes, and of how many.
        self._taken: Callable[[int], bool] | None = None
        self._counted = 0
        self._waiter: asyncio.Future[None] | None = None
        # What ends the connection once the requests before it are answered.
        self._broken: HttpProcessingError | None = None
        self._closing = False
        self._idle_since = loop.time()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether it waits for a request, of which no whole head has come."""
        return self._waiter is not None and not self._waiter.done() and not self._closing

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection up, or turn it away where there are too many."""
        super().connection_made(transport)
        self.peer = transport.get_extra_info("peername")
        if not self._edge.has_room():
            self._closing = True
            self._edge.turn_away(self, cast(asyncio.WriteTransport, transport))
            return
        self._edge.begin(self)
        self._watch()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # the loop has none to give
        """Where to read to."""
        return self._edge.buffer if self._taken or self._closing else self._edge.buffer[:_UNCOUNTED]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read out of the buffer; what is said behind an end is dropped."""
        if not self._closing:
            self.data_received(bytes(self._edge.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Read on; the requests whose heads are complete wait for their turn."""
        if self._closing or self._broken is not None or self._upgraded:
            # Behind an upgrade comes no HTTP, behind broken HTTP nothing that could be understood.
            return
        try:
            messages, self._upgraded, _ = self._reader.feed_data(data)
        except HttpProcessingError as error:
            self._break(error)
        else:
            self._requests.extend(messages)
        if self._taken is not None:
            self._count(self._taken)
        if len(self._requests) >= AHEAD and not self._buffer_paused:
            self._pause_reading_for_buffer()
        if self._requests or self._broken is not None:
            self._wake()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nobody is there any more: an answer under way is finished for nobody."""
        super().connection_lost(exc)
        self._edge.forget(self)
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._content is not None and not self._content.is_eof():
            self._content.set_exception(ConnectionResetError("the client went away"))
        self._wake()

    def meter(self, taken: Callable[[int], bool]) -> Callable[[], None]:
        """See `Request.meter`."""
        cast(StreamReader, self._content).set_read_chunk_size(_COUNTED)
        self._taken, self._counted = taken, 0
        self._count(taken)
        return self._cut

    def _count(self, taken: Callable[[int], bool]) -> None:
        content = cast(StreamReader, self._content)
        count, self._counted = content.total_bytes - self._counted, content.total_bytes
        if not taken(count):
            self._cut()
        if content.is_eof():
            self._taken = None

    def _cut(self) -> None:
        content, self._closing = cast(StreamReader, self._content), True
        if not content.is_eof():
            content.feed_eof()
        with suppress(ConnectionError, web.RequestPayloadError):
            content.read_nowait()

    def _break(self, error: HttpProcessingError) -> None:
        """Read no further; a body whose framing breaks off ends there."""
        self._broken = error
        waiting = self._requests[-1][1] if self._requests else self._content
        if waiting is not None and not waiting.is_eof():
            waiting.set_exception(web.RequestPayloadError())
            waiting.feed_eof()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Time.

    def _watch(self) -> None:
        """Look again when the connection may have been idle for too long; one timer, seldom set anew."""
        now, limit = self._loop.time(), self._edge.idle
        if self.idle and now >= self._idle_since + limit:
            self.close()
        else:
            at = self._idle_since + limit if self.idle else now + limit
            self._timer = self._loop.call_at(at, self._watch)

    # What the task does.

    async def serve(self) -> None:
        """Answer one request after the other until the connection ends."""
        with _Crash(self):
            while not self._closing:
                if self._requests:
                    message, content = self._next()
                    await self._respond(Request(message, content, self), message)
                elif self._broken is not None:
                    self._refuse(self._broken)
                else:
                    await self._wait()
        self.close()

    async def _wait(self) -> None:
        self._idle_since = self._loop.time()
        self._waiter = self._loop.create_future()
        await self._waiter
        self._waiter = None

    def _next(self) -> tuple[RawRequestMessage, StreamReader]:
        """The next request; its place is free for one more."""
        found = self._requests.popleft()
        self._reader.message_consumed()
        if self._buffer_paused and len(self._requests) <= AHEAD // 2:
            # What was read already comes first.
            self._buffer_paused = False
            self.data_received(b"")
            if not self._buffer_paused:
                self._resume_reading_for_buffer()
        return found

    async def _respond(self, request: Request, message: RawRequestMessage) -> None:
        if message.version not in (HttpVersion10, HttpVersion11):
            self._refuse(BadStatusLine())
            return
        content = self._content = request.content
        reply = await self._edge.answer(request)
        self._content = self._taken = None
        unread = self._closing or not content.is_eof() or content.exception() is not None
        ends = unread or message.should_close or self._edge.draining or self._upgraded
        kept = _KEEP if message.version == HttpVersion10 else b""
        self.write(rendered(reply, _CLOSE if ends else kept, bare=message.method == "HEAD"))
        if unread:
            await self._linger()
        self._closing = self._closing or ends
        if self.writing_paused:
            with suppress(ConnectionError):
                await self._drain_helper()

    async def _linger(self) -> None:
        """Drop what the sender goes on to say, until it leaves, for a while."""
        self._closing = True
        if self.transport is None:
            return
        with suppress(OSError):  # it has left already
            self.transport.write_eof()
        self._resume_transport_reading()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await self._wait()

    def _refuse(self, error: HttpProcessingError) -> None:
        """Answer what is no HTTP, repeating nothing of it, and end."""
        self._edge.failed(400, self.peer, error)
        self.write(rendered(refusal(400), _CLOSE))
        self._closing = True

    def crashed(self, error: Exception) -> None:
        """A bug answers 500 and ends its connection, nobody else's."""
        self._edge.failed(500, self.peer, error)
        self.write(rendered(refusal(500), _CLOSE))

    def write(self, data: bytes) -> None:
        """Send bytes, if anybody is there."""
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """End the connection once what was written is sent."""
        self._closing = True
        if self.transport is not None:
            self.transport.close()
        self._wake()


class _Crash:
    """A `with` block that looks at its own end: a bug in an answer must not end the other connections."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self._connection.crashed(error)
        return True
