"""Wire: HTTP as strangers speak it, and the fixed answers they get.

Owns the limits of the parser and the form of every answer. Must not know what an answer depends on.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import BadStatusLine
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy, RawRequestMessage

from router.errors import RouterError

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
# Told of an answer that was given here: its status, the socket's peer name, and the error if there was one.
Failed = Callable[[int, object, BaseException | None], None]

# An idle connection, and one whose request line and headers do not arrive, is closed after this many seconds.
IDLE = 10.0
# After a refusal that came before the whole body: seconds in which the rest is read and dropped, because a
# closed socket with unread bytes resets the connection and the answer with it.
LINGER = 2.0
_LINE = 8190
_HEADERS = 100

# What a refusal says depends on nothing but its status.
_ERRORS = {
    400: "bad request",
    401: "unauthorized",
    404: "not found",
    405: "method not allowed",
    408: "the body did not arrive in time",
    413: "the body is too large",
    415: "content encodings are not accepted",
    429: "too many requests",
    500: "internal error",
    503: "try again later",
}
_BODIES = {status: b'{"error": "%s"}' % text.encode() for status, text in _ERRORS.items()}
_ALWAYS = {"Server": "visual-router", "Content-Type": "application/json"}
_ALSO = {401: {"WWW-Authenticate": 'Basic realm="visual-router"'}, 405: {"Allow": "POST"}}
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nServer: visual-router\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s" % (len(_BODIES[503]), _BODIES[503])
)


def refusal(status: int, retry_after: int | None = None) -> web.Response:
    """The fixed answer of that status; `retry_after` in seconds."""
    response = web.Response(status=status, body=_BODIES[status], headers=_ALWAYS | _ALSO.get(status, {}))
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def accepted(body: bytes) -> web.Response:
    """A 202 with that JSON."""
    return web.Response(status=202, body=body, headers=_ALWAYS)


def require_c_parser() -> None:
    """Raise `RouterError` if aiohttp runs its parser in Python: its weak points are known."""
    if HttpRequestParser is HttpRequestParserPy:
        raise RouterError("aiohttp runs without its parser in C; unset AIOHTTP_NO_EXTENSIONS")


class _Foreign(web.BaseRequest):
    """A request in HTTP/0.9 or HTTP/2.0: no answer to it could be understood."""


class Edge(web.Server):
    """Makes a `Connection` of each socket; knows which are open and which have a request being answered.

    `answer` answers a request. `failed` is told of a request that was answered without it: because it was no
    HTTP (400), because there are `most` connections already (503), or because `answer` raised (500).
    """

    def __init__(self, answer: Answer, failed: Failed, most: int, idle: float) -> None:
        super().__init__(self._watched, request_factory=self._request)
        self._answer = answer
        self._empty = asyncio.Event()
        self._empty.set()
        self.failed = failed
        self.most = most
        self.idle = idle
        self.open: set[Connection] = set()
        self.busy: dict[web.RequestHandler, StreamReader] = {}
        self.leaving: dict[Connection, tuple[asyncio.WriteTransport, asyncio.TimerHandle]] = {}

    def __call__(self) -> web.RequestHandler:
        """The protocol of one more connection."""
        return Connection(self)

    def changed(self) -> None:
        """Look whether nothing is open any more."""
        if self.open or self.busy:
            self._empty.clear()
        else:
            self._empty.set()

    async def emptied(self) -> None:
        """Return once no connection is open and no request is being answered."""
        await self._empty.wait()

    def close_idle(self) -> None:
        """Close the connections that wait for a request."""
        for connection in [each for each in self.open if each.idle]:
            connection.force_close()

    def turn_away(self, connection: "Connection", transport: asyncio.WriteTransport) -> None:
        """Say 503 and let it be heard: what the sender goes on to say is dropped, for `LINGER` seconds.

        Those who linger are bounded too; beyond that they may see a reset.
        """
        transport.write(_BUSY)
        if len(self.leaving) * 2 >= self.most:
            transport.close()
            return
        transport.write_eof()
        self.leaving[connection] = transport, self._loop.call_later(LINGER, transport.abort)

    def forget(self, connection: "Connection") -> None:
        """A connection is gone."""
        if connection in self.leaving:
            self.leaving.pop(connection)[1].cancel()
        self.open.discard(connection)
        self.changed()

    async def shutdown(self, timeout: float | None = None) -> None:
        """Cut whatever is open."""
        for transport, _ in list(self.leaving.values()):
            transport.abort()
        await super().shutdown(timeout)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        """A request, of which the parser knows more versions than are spoken here."""
        kind = web.BaseRequest
        if message.version not in (HttpVersion10, HttpVersion11):
            # Its answer would repeat that version.
            kind, message = _Foreign, message._replace(version=HttpVersion10)
        return kind(message, payload, protocol, writer, task, self._loop)

    async def _watched(self, request: web.BaseRequest) -> web.StreamResponse:
        if isinstance(request, _Foreign):
            return request.protocol.handle_error(request, 400, BadStatusLine())
        self.busy[request.protocol] = request.content
        try:
            return await self._answer(request)
        finally:
            self.busy.pop(request.protocol, None)
            self.changed()


class Connection(web.RequestHandler):
    """One connection: aiohttp's, except that its own answers are ours and repeat nothing of the request."""

    __slots__ = ("_edge",)

    def __init__(self, edge: Edge) -> None:
        super().__init__(
            edge,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # its lines would hold tokens; None is allowed
            auto_decompress=False,
            keepalive_timeout=edge.idle,
            lingering_time=LINGER,
            max_line_size=_LINE,
            max_field_size=_LINE,
            max_headers=_HEADERS,
        )
        self._edge = edge

    @property
    def idle(self) -> bool:
        """Whether it waits for a request, of which no whole head has come."""
        return self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection up, or turn it away where there are too many."""
        if len(self._edge.open) >= self._edge.most and isinstance(transport, asyncio.WriteTransport):
            self._edge.failed(503, transport.get_extra_info("peername"), None)
            self._edge.turn_away(self, transport)
            return
        self._edge.open.add(self)
        self._edge.changed()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read on; a body whose framing breaks off ends there.

        aiohttp queues the error behind the request that waits for its body, which would then wait in vain.
        """
        if self in self._edge.leaving:
            return
        super().data_received(data)
        content = self._edge.busy.get(self)
        if content is not None and self._messages and not content.is_eof():
            content.set_exception(web.RequestPayloadError())
            content.feed_eof()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._edge.forget(self)

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002  # aiohttp's signature; nothing of it is repeated
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  # aiohttp's signature; it quotes the request
    ) -> web.StreamResponse:
        """Answer what is no HTTP by 400 and a bug by 500."""
        known = status if status == 400 else 500
        self._edge.failed(known, self.peername, exc)
        response = refusal(known)
        response.force_close()
        return response
