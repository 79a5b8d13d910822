"""Exchange: one connection that speaks HTTP/1.1: a request goes out, its answer comes back, one at a time.

Owns whether a connection may be used again. Must not know who connects, what a request says or how long it
may take: who asks is cancelled when the time is up.
"""

import asyncio
import os
import ssl
from typing import cast

from router.errors import Unreachable
from router.sinks.sink import Reply
from router.transport.answer import REPLY_BYTES, Answer, Fields
from router.transport.trust import tls_failure

_ONE_WRITE = 1 << 20  # what is larger goes out in pieces: one write of it would stop the event loop
_PIECE = 256 << 10


class Line(asyncio.Protocol):
    """One connection, among `lines` while it stands; `idle_since` is for their owner.

    `uses` counts its requests. `keep`: as far as the last answer tells, another may follow.
    """

    __slots__ = (
        "_answer", "_full", "_lines", "_loop", "_transport", "_waiter", "idle_since", "keep", "uses",
    )  # fmt: skip

    def __init__(self, lines: set["Line"]) -> None:
        self.uses = 0
        self.keep = False
        self.idle_since = 0.0
        self._lines = lines
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._full = False
        self._answer = Answer()

    @property
    def usable(self) -> bool:
        """Whether another request may go out on it."""
        return self.keep and not self._transport.is_closing()

    @property
    def heard(self) -> int:
        """Bytes of the present answer."""
        return self._answer.heard

    def drop(self) -> None:
        """Close at once."""
        self.keep = False
        self._transport.abort()

    async def ask(self, method: str, head: bytes, body: bytes) -> Reply:
        """Send a request and read its answer; close the connection, unless another request may follow.

        Who uses it again has just seen that it is `usable`.

        Raises:
            Unreachable: no complete answer came.
        """
        answer = self._answer
        self.uses += 1
        stands = self.uses > 1 or not self._transport.is_closing()
        if self.uses > 1:
            answer.expect()
        elif stands:
            # What has come already stays: a server may answer at once, say that it is busy. Among `lines`
            # only now: if connecting is cancelled, uvloop never calls `connection_lost`.
            self._lines.add(self)
        answer.bodiless = method == "HEAD"
        reusable = False
        try:
            if len(body) > _ONE_WRITE:
                await self._tell(head, body)
            elif stands:
                self._transport.write(head + body)
            # If the answer came before the whole request was sent, the server still waits for the rest.
            told = not answer.over
            while not answer.over:
                await self._news()
            if answer.failure is not None:
                raise answer.failure
            self.keep = reusable = answer.keep and told and not self._transport.get_write_buffer_size()
        finally:
            if not reusable:
                self.drop()
        return Reply(answer.status, Fields(answer.fields), b"".join(answer.pieces)[:REPLY_BYTES])

    async def _tell(self, head: bytes, body: bytes) -> None:
        """Send in pieces, as the server takes them, until it has heard enough."""
        view = memoryview(body)
        for start in range(-_PIECE, len(body), _PIECE):
            if self._answer.over or self._transport.is_closing():
                return
            self._transport.write(head if start < 0 else view[start : start + _PIECE])
            await asyncio.sleep(0)
            while self._full and not self._answer.over:
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
        if self._answer.over:
            # Nobody asked for them, and nothing could tell them from the next answer.
            self.drop()
        elif self._answer.feed(data):
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed; some answers end by that."""
        self._answer.close(lost(exc))
        self._wake()
        self._lines.discard(self)


def lost(error: Exception | None) -> Unreachable:
    """Why a connection ended, or did not come about."""
    if isinstance(error, ssl.SSLError):
        return tls_failure(error)
    if isinstance(error, OSError) and error.errno:
        return Unreachable(os.strerror(error.errno).lower())
    return Unreachable("the connection was closed without an answer")
