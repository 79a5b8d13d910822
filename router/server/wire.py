"""Wire: the answers strangers get, byte for byte, and the limits of the parser that reads what they send.

Owns the form of every answer. Must not know what an answer depends on.
"""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

import msgspec
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy

from router.errors import RouterError

# Requests sent ahead on one connection that are read before the first of them is answered.
AHEAD = 32
# Of a head as a whole, and of what frames a body beyond the body itself. The parser has limits for each line
# and for their number only, which come to 800 kB.
HEAD_BYTES = 32 << 10
_LINE = 8190
_HEADERS = 100
_READ_AHEAD = 1 << 14

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
_ALSO = {401: b'WWW-Authenticate: Basic realm="visual-router"\r\n', 405: b"Allow: POST\r\n"}
_STARTS = {
    status: b"HTTP/1.1 %d %s\r\nServer: visual-router\r\nContent-Type: application/json\r\n"
    % (status, HTTPStatus(status).phrase.encode())
    for status in (202, *_ERRORS)
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"Connection: close\r\n"
KEEP = b"Connection: keep-alive\r\n"


class Reply(msgspec.Struct, frozen=True):
    """An answer: its status, its JSON, and the header lines that not every answer has."""

    status: int
    body: bytes
    also: bytes = b""


class _Date:
    """The header with the time of an answer; made once a second."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._second = -1
        self._line = b""

    def line(self) -> bytes:
        """The header's line, as RFC 9110 writes it."""
        second = int(self._wall())
        if second != self._second:
            self._second, self._line = second, b"Date: %s\r\n" % formatdate(second, usegmt=True).encode()
        return self._line


_date = _Date(time.time)


def rendered(reply: Reply, connection: bytes, *, bare: bool = False) -> bytes:
    """An answer as it goes out. `connection` is that header's line, or empty; `bare` leaves the body out."""
    return b"%sContent-Length: %d\r\n%s%s%s\r\n%s" % (
        _STARTS[reply.status],
        len(reply.body),
        _date.line(),
        reply.also,
        connection,
        b"" if bare else reply.body,
    )


def refusal(status: int, retry_after: int | None = None) -> Reply:
    """The fixed answer of that status; `retry_after` in seconds."""
    also = _ALSO.get(status, b"")
    if retry_after is not None:
        also += b"Retry-After: %d\r\n" % retry_after
    return Reply(status, _BODIES[status], also)


def accepted(body: bytes) -> Reply:
    """A 202 with that JSON."""
    return Reply(202, body)


def parser(protocol: BaseProtocol, loop: asyncio.AbstractEventLoop) -> HttpRequestParser:
    """What reads one connection: bodies stay as they were sent, and every part of a head has a limit."""
    return HttpRequestParser(
        protocol,
        loop,
        _READ_AHEAD,
        max_line_size=_LINE,
        max_field_size=_LINE,
        max_headers=_HEADERS,
        payload_exception=web.RequestPayloadError,
        auto_decompress=False,
        max_msg_queue_size=AHEAD,
    )


def require_c_parser() -> None:
    """Raise `RouterError` if aiohttp runs its parser in Python: its weak points are known."""
    if HttpRequestParser is HttpRequestParserPy:
        raise RouterError("aiohttp runs without its parser in C; unset AIOHTTP_NO_EXTENSIONS")
