"""Request: what a stranger asks: its head as it was sent, and its body, which may still be on its way.

Must not know how its connection reads and ends, or what it is answered.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import HttpVersion11, StreamReader
from aiohttp.http_parser import RawRequestMessage

from router.server.wire import CONTINUE, Reply


class Carrier(Protocol):
    """The part of a connection that a request on it needs."""

    peer: object

    def meter(self, taken: Callable[[int], bool]) -> Callable[[], None]:
        """See `Request.meter`, for the request being answered."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes, if anybody is there."""
        ...


class Request:
    """A request whose head has come; its body may still be on its way, into `content`."""

    __slots__ = ("_carrier", "_message", "content", "headers", "method")

    def __init__(self, message: RawRequestMessage, content: StreamReader, carrier: Carrier) -> None:
        self._message = message
        self._carrier = carrier
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
        return self._carrier.peer

    def meter(self, taken: Callable[[int], bool]) -> Callable[[], None]:
        """Tell `taken` how many bytes come, until it says no: then they end. Returns what cuts them off."""
        return self._carrier.meter(taken)

    def invite(self) -> None:
        """Tell a client that waits for `100 Continue` to go on."""
        wanted = self.headers.get("Expect", "").lower() == "100-continue"
        if wanted and self._message.version >= HttpVersion11:
            self._carrier.write(CONTINUE)


Answer = Callable[[Request], Awaitable[Reply]]
