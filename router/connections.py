"""Connections: all that knows the HTTP client: pools, TLS, the guard of addresses, errors in our words.

Owns the check of every address on the very socket that is about to connect. Must not know sinks or reloads,
nor what a request says or an answer means. Errors name reasons, never a URL: a URL may be a credential.
"""

import asyncio
import base64
import functools
import io
import os
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Self

import aiohttp
import anyio
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import AddrInfoType, Connection
from yarl import URL

from router.addresses import HostKind, canonical_host, permit
from router.errors import DeliveryError, Refused, Unreachable
from router.sinks.sink import USER_AGENT, Reply, Request
from router.text import continued
from router.units import Network

REPLY_BYTES = 64 << 10

# Nothing is added to the sink's headers: no compression is asked for, since nothing unpacks it.
_OMITTED = ("Accept", "Accept-Encoding", "Content-Type")
_ONE_WRITE = 1 << 20


class Terms(msgspec.Struct, frozen=True):
    """What a connection depends on: where it may lead, and whom it trusts (a PEM file, its present bytes)."""

    allowed: tuple[Network, ...]
    ca: str | None
    authorities: bytes | None


class Call(msgspec.Struct, frozen=True):
    """A request as it goes on the wire, with who answers for its address and the limit for connecting."""

    method: str
    url: URL
    headers: dict[str, str]
    body: bytes
    kind: HostKind
    connect: float

    @classmethod
    def of(cls, request: Request, connect: float) -> Self:
        """Read the URL byte for byte; user and password in it become a header.

        Raises:
            Refused: the URL, its host or a header cannot be sent.
        """
        headers = dict(request.headers)
        if any(mark in text for pair in headers.items() for text in pair for mark in "\r\n\0"):
            raise Refused("a header of the request holds a line break; a secret or a setting has one")
        try:
            url = URL(request.url, encoded=True)
            usable = url.scheme in ("http", "https") and url.port is not None
        except ValueError:
            usable = False
        if not usable:
            raise Refused("the URL cannot be read; write http:// or https://, a host and a path")
        try:
            kind = canonical_host(url.raw_host or "")
        except ValueError as error:
            raise Refused(str(error)) from None
        if url.raw_user is not None or url.raw_password is not None:
            if not any(name.lower() == "authorization" for name in headers):
                pair = f"{url.user or ''}:{url.password or ''}".encode()
                headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
            url = url.with_user(None)
        return cls(request.method, url, headers, request.body, kind, connect)


class Pool:
    """The connections of one sink under one set of terms, kept alive between attempts."""

    def __init__(
        self, terms: Terms, tls: Callable[[str | None], ssl.SSLContext], resolver: AbstractResolver | None
    ) -> None:
        self.terms = terms
        self.busy = 0
        self.retired = False
        self._tls = tls
        self._resolver = resolver
        self._sessions: dict[HostKind, aiohttp.ClientSession] = {}

    async def exchange(self, call: Call) -> Reply:
        """Ask over a kept connection, or once over a new one if the kept one turns out to be dead.

        Raises:
            Refused: every address that the URL's host leads to is refused.
            Unreachable: no complete answer came; how long that may take is up to the caller.
        """
        failure: DeliveryError
        self.busy += 1
        try:
            return await self._ask(call)
        except aiohttp.ClientError as error:
            failure = _failure(error, call)
        finally:
            self.busy -= 1
            if self.retired:
                await self.retire()
        # Raised out here so that it does not carry the client's error, which holds the URL.
        raise failure

    async def retire(self) -> None:
        """Close as soon as nothing is in flight."""
        self.retired = True
        if not self.busy:
            await self.close()

    async def close(self) -> None:
        """Close every connection, in use or not."""
        sessions, self._sessions = self._sessions, {}
        with anyio.CancelScope(shield=True):
            for session in sessions.values():
                await session.close()

    async def _ask(self, call: Call) -> Reply:
        session = self._sessions.get(call.kind)
        if session is None:
            session = self._sessions[call.kind] = self._session(call.kind, keep=True)
        try:
            return await _exchange(session, call)
        except _Stale:
            async with self._session(call.kind, keep=False) as session:
                return await _exchange(session, call)

    def _session(self, kind: HostKind, *, keep: bool) -> aiohttp.ClientSession:
        try:
            tls = self._tls(self.terms.ca)
        except OSError as error:
            why = (error.strerror or "unreadable").lower()
            raise Unreachable(
                f"the authorities in '{self.terms.ca}' cannot be used: {why}", tls=True
            ) from None
        guard = _Guard(kind, self.terms.allowed, self._resolver or aiohttp.ThreadedResolver())
        connector = _Connector(
            ssl=tls,
            resolver=guard,
            ttl_dns_cache=0,  # names are looked up for every connection, together if at the same time
            limit=0,  # the dispatcher's slots are the limit
            force_close=not keep,
            socket_factory=guard.make_socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": USER_AGENT},
            skip_auto_headers=_OMITTED,
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Answer,
            auto_decompress=False,
            trust_env=False,
        )


async def _exchange(session: aiohttp.ClientSession, call: Call) -> Reply:
    """One request and its answer; what is left of a longer answer is cut off, not drained."""
    body = bytearray()
    async with session.request(
        call.method,
        call.url,
        headers=call.headers,
        # In pieces if it is large: one write of it would stop the event loop.
        data=io.BytesIO(call.body) if len(call.body) > _ONE_WRITE else call.body or None,
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(connect=call.connect),
    ) as answer:
        while len(body) < REPLY_BYTES and (piece := await answer.content.read(REPLY_BYTES - len(body))):
            body += piece
        if not answer.content.at_eof():
            answer.close()
    return Reply(answer.status, answer.headers, bytes(body))


class _ForbiddenError(OSError):
    """An address was refused; an OSError, as the client expects of what makes its sockets."""

    def __init__(self, reason: str) -> None:
        super().__init__("address refused")
        self.reason = reason


class _Stale(Exception):  # not an error: the request goes out again
    """A kept connection was dead before a single byte of an answer came."""


class _Guard(AbstractResolver):
    """Judges every address for one kind of host: the last word is `make_socket`, right before connecting.

    As a resolver it only sorts out: a name of which one address is forbidden still reaches the others, and if
    those are down, it is down and not refused.
    """

    def __init__(self, kind: HostKind, allowed: tuple[Network, ...], resolver: AbstractResolver) -> None:
        self._kind = kind
        self._allowed = allowed
        self._resolver = resolver

    def make_socket(self, found: AddrInfoType) -> socket.socket:
        """A socket for an address that is allowed: nothing lies between this check and the connection."""
        family, type_, protocol, _, where = found
        reason = self._verdict(str(where[0]))
        if reason is not None:
            raise _ForbiddenError(reason)
        return socket.socket(family, type_, protocol)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The allowed addresses of a name; if there are none, one that `make_socket` will refuse."""
        found = await self._resolver.resolve(host, port, family)
        return [one for one in found if self._verdict(one["host"]) is None] or found[:1]

    async def close(self) -> None:
        """The resolver belongs to somebody else."""

    def _verdict(self, host: str) -> str | None:
        try:
            return permit(ip_address(host), self._kind, self._allowed)
        except ValueError:
            return f"the name led to '{host}', which is not an address"


class _Line(ResponseHandler):
    """A connection that knows whether it was used before, and whether an answer has begun."""

    uses = 0
    heard = False

    def set_response_params(self, **options: Any) -> None:  # Any: as the client declares it
        """A request begins."""
        self.uses += 1
        self.heard = False
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.heard = True
        super().data_received(data)

    def is_connected(self) -> bool:
        """Whether the next request may use it: not if something came that nobody had asked for."""
        return super().is_connected() and not self.should_close


class _Connector(aiohttp.TCPConnector):
    """Makes the connections that know themselves."""

    def __init__(self, **options: Any) -> None:  # Any: as the client declares it
        super().__init__(**options)
        line: type[ResponseHandler] = _Line
        self._factory = functools.partial(line, loop=asyncio.get_running_loop())


class _Answer(aiohttp.ClientResponse):
    """An answer that tells a dead connection from a failed request; the client itself would repeat a PUT."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Read the head of the answer."""
        line = connection.protocol
        assert isinstance(line, _Line)
        failure: Exception
        try:
            return await super().start(connection)
        except aiohttp.ClientConnectionError as error:
            failure = _Stale() if line.uses > 1 and not line.heard else _lost(error)
        raise failure


def trust(ca: str | None) -> ssl.SSLContext:
    """Verification by the system's authorities and those in the file; OSError if that cannot be read."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca is not None:
        context.load_verify_locations(cafile=ca)
    return context


def _failure(error: aiohttp.ClientError, call: Call) -> DeliveryError:
    """The client's error in our words."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _untrusted(error.certificate_error)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    if isinstance(cause, _ForbiddenError):
        return Refused(cause.reason)
    if isinstance(cause, ssl.SSLError):
        return _tls_failed(cause)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Unreachable("could not resolve the host name")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Unreachable(f"no connection within {call.connect:g} s")
    if isinstance(error, aiohttp.ClientResponseError):
        return Unreachable("the answer is not HTTP, or its head is too large")
    if isinstance(error, aiohttp.ClientPayloadError):
        return Unreachable("the answer broke off")
    return _lost(error)


def _lost(error: aiohttp.ClientError) -> DeliveryError:
    """A connection failed, or could not be made."""
    if isinstance(error.__cause__, ssl.SSLError):
        return _tls_failed(error.__cause__)
    if isinstance(error, OSError) and error.errno:
        return Unreachable(os.strerror(error.errno).lower())
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error.os_error, ConnectionError):
        return Unreachable("none of the host's addresses could be connected to")
    return Unreachable("the connection was closed without an answer")


def _untrusted(error: Exception) -> Unreachable:
    why = str(getattr(error, "verify_message", "") or "unknown reason").rstrip(".")
    return Unreachable(f"the certificate is not trusted: {continued(why)}", tls=True)


def _tls_failed(error: ssl.SSLError) -> Unreachable:
    """A broken handshake is the network's fault; anything else is the sink's, and will not heal by itself."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
        return Unreachable("the connection was closed during the TLS handshake")
    return Unreachable(
        f"TLS failed: {(error.reason or 'unknown reason').lower().replace('_', ' ')}", tls=True
    )
