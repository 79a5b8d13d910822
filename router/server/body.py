"""Body: a request's bytes, read within a size, a time and the memory set aside for all of them.

Owns the budget. Must not know whose request it is.
"""

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web

from router.errors import BodyTimeout, TooLarge, Unavailable, Undecodable
from router.metrics import Metrics
from router.server.connection import Request

# Bodies of which each takes the loop for milliseconds (verifying, decoding, digesting), and how much of them
# may have one turn of it.
_LARGE = 64 << 10
_A_TURN = 2 << 20


class Budget:
    """The bytes of all bodies in flight: what was read and is not yet answered."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._used = 0
        self._judged = 0

    async def turn(self, count: int) -> None:
        """Wait for a turn of the loop in which there is time to judge so many bytes more.

        Else all that arrived together would be judged in one turn, and everybody else would wait for it.
        """
        while self._judged >= _A_TURN:  # noqa: ASYNC110  # the next turn is what is waited for
            await asyncio.sleep(0)
        if not self._judged:
            asyncio.get_running_loop().call_soon(self._turned)
        self._judged += count

    def _turned(self) -> None:
        self._judged = 0

    def expect(self, count: int) -> None:
        """Refuse a body that has no room now, before anybody sends or reads it; nothing is counted.

        Raises:
            Unavailable: as `take`.
        """
        if self._used + count > self._limit:
            raise Unavailable("too much in flight", retry_after=1)

    def share(self) -> "Share":
        """One request's share, empty so far."""
        return Share(self)

    def take(self, count: int) -> None:
        """Count bytes in.

        Raises:
            Unavailable: the limit would be passed; nothing is counted then.
        """
        self.expect(count)
        self._used += count
        self._metrics.body_bytes(self._used)

    def give(self, count: int) -> None:
        """Count bytes out."""
        self._used -= count
        self._metrics.body_bytes(self._used)


class Share:
    """What one request takes of the budget; given back at the end of its `with`.

    Bytes count when they arrive, not when a header announces them: else a stranger fills the budget with
    headers. An announcement is only asked whether there would be room.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._taken = 0

    async def turn(self) -> None:
        """See `Budget.turn`: for all that this request took."""
        await self._budget.turn(self._taken)

    def take(self, count: int) -> None:
        """Take more; see `Budget.take`."""
        self._budget.take(count)
        self._taken += count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._taken:
            self._budget.give(self._taken)


async def read(request: Request, share: Share, limit: int, seconds: float) -> bytes:
    """The whole body as it was sent: at most `limit` bytes, within `seconds` from now.

    A client that expects `100 Continue` is told to go on.

    Raises:
        TooLarge, BodyTimeout, Unavailable: see there.
        Undecodable: its chunks are malformed.
        ConnectionError: the client went away.
    """
    content = request.content
    try:
        # Most bodies are there already: they came with the headers.
        if content.is_eof():
            return _within(content.read_nowait(), share, limit)
        request.invite()
        body = bytearray()
        async with asyncio.timeout(seconds):
            while chunk := await content.readany():
                body += _within(chunk, share, limit - len(body))
        if len(body) > _LARGE:
            await share.turn()
        return bytes(body)
    except TimeoutError:
        raise BodyTimeout from None
    except web.RequestPayloadError:
        raise Undecodable("the body's framing is malformed") from None


def _within(chunk: bytes, share: Share, limit: int) -> bytes:
    if len(chunk) > limit:
        raise TooLarge
    share.take(len(chunk))
    return chunk
