"""Exchange: one connection that speaks HTTP/1.1: a request goes out, its answer comes back, one at a time.

Owns how an answer is read, how much of it, and whether its connection may be used again. Must not know who
connects, what a request says or how long it may take: who asks is cancelled when the time is up. The grammar
is that of llhttp (by httptools), as lenient towards odd servers as aiohttp's client is.
"""

import asyncio
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import cast

import httptools

from router.errors import Unreachable
from router.sinks.sink import Reply
from router.transport.trust import tls_failure

REPLY_BYTES = 64 << 10
HEAD_BYTES = 64 << 10  # interim answers included
ANSWER_BYTES = 512 << 10  # on the wire: 64 KiB in chunks of one byte are 384
_FIELD_BYTES = 8190
_FIELDS = 128

_ONE_WRITE = 1 << 20  # what is larger goes out in pieces: one write of it would stop the event loop
_PIECE = 256 << 10
_NO_HTTP = "the answer is not HTTP, or its head is too large"


class Fields(Mapping[str, str]):
    """The headers of an answer, decoded when asked for; names have no case, of several the first counts."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        """The value of a header."""
        wanted = name.lower().encode("utf-8", "surrogateescape")
        for found, value in self._pairs:
            if found.lower() == wanted:
                return value.rstrip(b" \t").decode("utf-8", "surrogateescape")
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """The names, in the order in which they came."""
        return (name.decode("utf-8", "surrogateescape") for name, _ in self._pairs)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._pairs)


class _ExcessError(Exception):
    """More came than is read."""


class Line(asyncio.Protocol):
    """One connection, among `lines` while it stands; `idle_since` is for their owner.

    `uses` counts its requests, `heard` the bytes of the present answer. `keep`: as far as that tells, another
    may follow.
    """

    __slots__ = (
        "_bodiless", "_failure", "_fields", "_full", "_headed", "_lines", "_loop",
        "_over", "_parser", "_pieces", "_size", "_status", "_transport", "_waiter", "_whole",
        "heard", "idle_since", "keep", "uses",
    )  # fmt: skip

    def __init__(self, lines: set["Line"]) -> None:
        self.uses = 0
        self.idle_since = 0.0
        self._lines = lines
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._full = False
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self._begin()

    def _begin(self) -> None:
        """Expect an answer."""
        self.heard = 0
        self._status = 0
        self._fields: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._size = 0
        self._bodiless = False
        self._headed = False  # the head is complete
        self._whole = False  # the answer is
        self._over = False  # nothing more is expected, be it an answer or a failure
        self.keep = False
        self._failure: Unreachable | None = None

    @property
    def usable(self) -> bool:
        """Whether another request may go out on it."""
        return self.keep and not self._transport.is_closing()

    def drop(self) -> None:
        """Close at once."""
        self.keep = False
        self._transport.abort()

    async def ask(self, method: str, head: bytes, body: bytes) -> Reply:
        """Send a request and read its answer; unless that was whole and is to be followed, close.

        Who uses it again has just seen that it is `usable`.

        Raises:
            Unreachable: no complete answer came.
        """
        self.uses += 1
        stands = self.uses > 1 or not self._transport.is_closing()
        if self.uses > 1:
            self._begin()
        elif stands:
            # What came already stays: a server may answer a connection at once: that it is busy, say.
            # Only now is it among its kind: if its making is cancelled, uvloop never says that it is lost.
            self._lines.add(self)
        self._bodiless = method == "HEAD"
        reusable = False
        try:
            if len(body) > _ONE_WRITE:
                await self._tell(head, body)
            elif stands:
                self._transport.write(head + body)
            # An answer before the end of the request leaves a connection that is owed the rest.
            told = not self._over
            while not self._over:
                await self._news()
            if self._failure is not None:
                raise self._failure
            self.keep = reusable = self.keep and told and not self._transport.get_write_buffer_size()
        finally:
            if not reusable:
                self.drop()
        return Reply(self._status, Fields(self._fields), b"".join(self._pieces)[:REPLY_BYTES])

    async def _tell(self, head: bytes, body: bytes) -> None:
        """Send in pieces, as the server takes them, until it has heard enough."""
        view = memoryview(body)
        for start in range(-_PIECE, len(body), _PIECE):
            if self._over or self._transport.is_closing():
                return
            self._transport.write(head if start < 0 else view[start : start + _PIECE])
            await asyncio.sleep(0)
            while self._full and not self._over:
                await self._news()

    def _news(self) -> asyncio.Future[None]:
        """Done when the answer or the connection is at an end, or there is room to write."""
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast(asyncio.Transport, transport)

    def pause_writing(self) -> None:
        """The server takes less than we have."""
        self._full = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._full = False
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._over:
            # Nobody asked for them: the next answer could not be told from them.
            self.drop()
            return
        self.heard += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.keep = False
        except httptools.HttpParserError:
            # Behind a whole answer, or one that is cut, anything may stand: it ends the connection only.
            self.keep = False
            if not self._whole and self._size <= REPLY_BYTES:
                self._end(Unreachable(_NO_HTTP))
        if self._whole or self._size >= REPLY_BYTES:
            self._end(None)
        elif self.heard > (ANSWER_BYTES if self._headed else HEAD_BYTES):
            self._end(Unreachable(_NO_HTTP))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed; some answers end by that."""
        if not self._over:
            if not self._headed:
                self._end(lost(exc))
            else:
                self._end(None if self._ends_with_connection() else Unreachable("the answer broke off"))
        self._wake()
        self._lines.discard(self)
        del self._parser  # it holds this connection as well

    def _end(self, failure: Unreachable | None) -> None:
        if not self._over:
            self._over = True
            self._failure = failure
            self._wake()

    def _ends_with_connection(self) -> bool:
        """Whether neither a length nor chunks say where the body ends (RFC 9112, 6.3)."""
        codings = [value for name, value in self._fields if name.lower() == b"transfer-encoding"]
        if codings:
            return b",".join(codings).rpartition(b",")[2].strip().lower() != b"chunked"
        return not any(name.lower() == b"content-length" for name, _ in self._fields)

    # What the parser calls.

    def on_message_begin(self) -> None:
        """An answer begins; behind a whole one that would be an answer to nothing."""
        if self._whole:
            raise _ExcessError
        self._fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; one behind the body says nothing that anybody reads."""
        if self._headed:
            return
        if len(name) > _FIELD_BYTES or len(value) > _FIELD_BYTES or b"\0" in value:
            raise _ExcessError
        if len(self._fields) == _FIELDS:
            raise _ExcessError
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete; after one that is interim, another follows."""
        self._status = status = self._parser.get_status_code()
        self._headed = status == 101 or not 100 <= status <= 199
        if self._bodiless and self._headed:
            self._whole = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size += len(body)
        self._pieces.append(body)
        if self._size > REPLY_BYTES:
            raise _ExcessError

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._headed:
            self._whole = True
            self.keep = self._parser.should_keep_alive()


def lost(error: Exception | None) -> Unreachable:
    """Why a connection ended, or did not come about."""
    if isinstance(error, ssl.SSLError):
        return tls_failure(error)
    if isinstance(error, OSError) and error.errno:
        return Unreachable(os.strerror(error.errno).lower())
    return Unreachable("the connection was closed without an answer")
