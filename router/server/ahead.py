"""Ahead: what was read of a connection before its turn, and when that is too much.

Owns the bounds of what waits, and of what comes without an end. Must not know how reading is stopped.
"""

from collections import deque
from collections.abc import Sequence

from aiohttp import StreamReader
from aiohttp.http_parser import RawRequestMessage

from router.server.edge import READ
from router.server.wire import AHEAD, HEAD_BYTES

# The head of a request, and where its body goes.
Message = tuple[RawRequestMessage, StreamReader]


class Ahead:
    """The requests that wait, in order, and the bytes that were read for them.

    `unproductive` bytes were read since a head was complete or a body was seen to grow; whoever reads counts
    them.
    """

    __slots__ = ("_bytes", "_seen", "requests", "unproductive")

    def __init__(self) -> None:
        self.requests: deque[Message] = deque()
        self.unproductive = 0
        # Bytes read since no request waited.
        self._bytes = 0
        # The size of the body that arrives, when it was seen last.
        self._seen = 0

    def add(self, messages: Sequence[Message]) -> bool:
        """Let requests wait for their turn; whether enough of them do."""
        self._bytes = self._bytes + self.unproductive if self.requests else self.unproductive
        self.requests.extend(messages)
        self.unproductive = self._seen = 0
        return len(self.requests) >= AHEAD or self._bytes > READ

    def has_room(self) -> bool:
        """Whether so few wait, after enough did, that more may be read."""
        return len(self.requests) <= (AHEAD // 2 if self._bytes <= READ else 0)

    def excessive(self, messages: Sequence[Message], body: int) -> bool:
        """Whether a head, or what frames a body (chunk sizes, trailers), is larger than anybody needs.

        To be asked once so much was read that one may be. `messages` came with it; without any, `body` is the
        size of the body that arrives: if it grew meanwhile, the count begins anew.
        """
        if messages:
            return any(_size(message) > HEAD_BYTES for message, _ in messages)
        before, self._seen = self._seen, body
        if self._seen <= before:
            return True
        self.unproductive = 0
        return False


def _size(message: RawRequestMessage) -> int:
    """The bytes of a head, without what stands between them."""
    return len(message.path) + sum(len(name) + len(value) for name, value in message.raw_headers)
