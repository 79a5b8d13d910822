"""Connection: one stranger's connection, from its first byte to its end: requests in, answers out, in order.

Owns the time limits of a connection, what is read ahead, and when it ends. It stands on aiohttp's parser, not
on its server, whose tasks, requests and responses cost as much as all that is done with an event. Must not
know what is asked or answered.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import cast

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import BadHttpMessage, BadStatusLine, HttpProcessingError

from router.server.ahead import Ahead
from router.server.edge import LINGER, READ, Edge
from router.server.request import Answer, Request
from router.server.wire import CLOSE, HEAD_BYTES, KEEP, parser, refusal, rendered

# Bytes of one read before anybody counts them; of a body that is being read or dropped it is `READ`.
_UNCOUNTED = 16 << 10


class Connection(BaseProtocol):
    """One connection: a queue of requests, and one task that answers them in order.

    Reading pauses while a body is not taken (`_reading_paused`), while enough requests wait
    (`_buffer_paused`), and while it is the turn of others (`_held`); it goes on when none of them holds.
    """

    __slots__ = ("_ahead", "_answer", "_broken", "_closing", "_content", "_counted", "_edge", "_held",
                 "_idle_since", "_meter", "_place", "_reader", "_timer", "_transport_paused", "_waiter",
                 "peer")  # fmt: skip

    def __init__(self, edge: Edge, answer: Answer) -> None:
        loop = asyncio.get_running_loop()
        self._reader = parser(self, loop)
        super().__init__(loop, self._reader)
        self._edge = edge
        self._answer = answer
        self.peer: object = None
        self._ahead = Ahead()
        # Of the request being answered.
        self._content: StreamReader | None = None
        # Who is told of its bytes, and how many it was told of; its place among the bodies that arrive.
        self._meter: Callable[[int], bool] | None = None
        self._counted = self._place = 0
        self._waiter: asyncio.Future[None] | None = None
        # What ends the connection once the requests before it are answered.
        self._broken: HttpProcessingError | None = None
        self._closing = False
        # Whether the transport is paused; whether nobody but `release` may let it go on.
        self._transport_paused = self._held = False
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
        return self._edge.buffer if self._meter or self._closing else self._edge.buffer[:_UNCOUNTED]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read out of the buffer; what comes after the end is dropped."""
        if self._meter or self._closing:
            self._edge.rotation.has_read(self, None if self._closing else self._place)
        if not self._closing:
            self.data_received(bytes(self._edge.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Read on; the requests whose heads are complete wait for their turn."""
        if self._closing or self._broken is not None or self._upgraded:
            # Behind an upgrade comes no HTTP, behind broken HTTP nothing that could be understood.
            return
        ahead = self._ahead
        ahead.unproductive += len(data)
        try:
            messages, self._upgraded, _ = self._reader.feed_data(data)
        except HttpProcessingError as error:
            self._break(error)
        else:
            if ahead.unproductive > HEAD_BYTES and ahead.excessive(messages, self._arrived()):
                self._break(BadHttpMessage("a head is too large"))
            elif messages and ahead.add(messages) and not self._buffer_paused:
                self._pause_reading_for_buffer()
        if self._meter is not None:
            self._count(self._meter)
        if ahead.requests or self._broken is not None:
            self._wake()

    def hold(self) -> None:
        """See `Reader.hold`."""
        self._held = True
        self._pause_transport_reading()

    def release(self) -> None:
        """See `Reader.release`."""
        self._held = False
        if self._closing or not (self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    def _pause_transport_reading(self) -> None:
        self._transport_paused = True
        super()._pause_transport_reading()

    def _resume_transport_reading(self) -> None:
        # Asked twice for each request, though it is seldom paused; what else it was paused for may end before
        # its turn comes.
        if self._transport_paused and not self._held:
            self._transport_paused = False
            super()._resume_transport_reading()

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
        # These hold the connection, which would last until somebody looks for cycles: in a flood, thousands.
        self._ahead.requests.clear()
        self._broken = self._parser = None
        del self._reader

    def meter(self, taken: Callable[[int], bool]) -> Callable[[], None]:
        """See `Request.meter`."""
        cast(StreamReader, self._content).set_read_chunk_size(READ)
        self._meter, self._counted, self._place = taken, 0, self._edge.rotation.number()
        self._count(taken)
        return self._cut

    def _count(self, taken: Callable[[int], bool]) -> None:
        content = cast(StreamReader, self._content)
        count, self._counted = content.total_bytes - self._counted, content.total_bytes
        if not taken(count):
            self._cut()
        if content.is_eof():
            self._meter = None

    def _cut(self) -> None:
        self._closing = True
        content = cast(StreamReader, self._content)
        # Whoever is just reading it takes the rest: taken away here, it would be missing there.
        if not content.is_eof():
            content.feed_eof()

    def _arriving(self) -> StreamReader | None:
        """The body that was read last, if its request is not yet answered."""
        waiting = self._ahead.requests
        return waiting[-1][1] if waiting else self._content

    def _arrived(self) -> int:
        """How many bytes of it have come."""
        content = self._arriving()
        return 0 if content is None else content.total_bytes

    def _break(self, error: HttpProcessingError) -> None:
        """Read no further; a body whose framing breaks off ends there."""
        self._broken = error
        waiting = self._arriving()
        if waiting is not None and not waiting.is_eof():
            waiting.set_exception(web.RequestPayloadError())
            waiting.feed_eof()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Time.

    def _watch(self) -> None:
        """Close the connection if it was idle for too long, else look again when it may have been."""
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
                if self._ahead.requests:
                    await self._respond()
                elif self._broken is not None:
                    await self._refuse(self._broken)
                else:
                    await self._wait()
        self.close()

    async def _wait(self) -> None:
        self._idle_since = self._loop.time()
        self._waiter = self._loop.create_future()
        await self._waiter
        self._waiter = None

    def _read_on(self) -> None:
        """Read ahead again; what was read already comes first."""
        self._buffer_paused = False
        self.data_received(b"")
        if not self._buffer_paused:
            self._resume_reading_for_buffer()

    async def _respond(self) -> None:
        """Answer the next request; its place is free for one more."""
        message, content = self._ahead.requests.popleft()
        self._reader.message_consumed()
        if self._buffer_paused and self._ahead.has_room():
            self._read_on()
        if message.version not in (HttpVersion10, HttpVersion11):
            await self._refuse(BadStatusLine())
            return
        self._content = content
        reply = await self._answer(Request(message, content, self))
        self._content = self._meter = None
        unread = self._closing or not content.is_eof() or content.exception() is not None
        # Of what came with an upgrade the parser has dropped some: nothing behind it is where it seems to be.
        ends = unread or message.should_close or message.upgrade or self._edge.draining or self._upgraded
        kept = KEEP if message.version == HttpVersion10 else b""
        self.write(rendered(reply, CLOSE if ends else kept, bare=message.method == "HEAD"))
        if unread:
            _drop(content)
            await self._linger()
        self._closing = self._closing or ends
        if self.writing_paused:
            await self._drain()

    async def _drain(self) -> None:
        """Wait until the answers leave; a client that takes them in drips keeps nothing here for long."""
        try:
            async with asyncio.timeout(self._edge.idle):
                await self._drain_helper()
        except ConnectionError:
            pass
        except TimeoutError:
            self.cut()

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

    async def _refuse(self, error: HttpProcessingError) -> None:
        """Answer what is no HTTP, repeating nothing of it, and end."""
        self._edge.failed(400, self.peer, error)
        self.write(rendered(refusal(400), CLOSE))
        await self._linger()

    def crashed(self, error: Exception) -> None:
        """A bug answers 500 and ends its connection, nobody else's."""
        self._edge.failed(500, self.peer, error)
        self.write(rendered(refusal(500), CLOSE))

    def write(self, data: bytes) -> None:
        """Send bytes, if anybody is there."""
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """End the connection once what was written is sent, or after `idle` seconds."""
        self._closing = True
        if self.transport is not None:
            self.transport.close()
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(self._edge.idle, self.transport.abort)
        self._wake()

    def cut(self) -> None:
        """End the connection at once."""
        self._closing = True
        if self.transport is not None:
            self.transport.abort()


def _drop(content: StreamReader) -> None:
    """End a body, and forget what came of it."""
    if not content.is_eof():
        content.feed_eof()
    try:
        content.read_nowait()
    except (ConnectionError, web.RequestPayloadError) as error:
        # The body keeps it, and by its traceback itself.
        error.__traceback__ = None


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
