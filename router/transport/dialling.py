"""Dialling: from a target to a connection that stands: names, addresses, sockets, TLS.

Owns the check of every address on the very socket that is about to connect. Must not know what is said over a
connection, or how long it is kept. Errors name reasons, never a URL.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import TypeVar

import aiohappyeyeballs
import msgspec
from aiohappyeyeballs import AddrInfoType
from aiohttp.abc import AbstractResolver

from router.addresses import HostKind, permit
from router.errors import DeliveryError, ForbiddenAddress, Unreachable
from router.transport.exchange import lost
from router.transport.target import Target
from router.units import Network

_HEAD_START = 0.25  # of an address before the next is tried as well, in seconds (RFC 8305, 5)
_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


class Terms(msgspec.Struct, frozen=True):
    """What a connection depends on: where it may lead, and whom it trusts (a PEM file, its present bytes)."""

    allowed: tuple[Network, ...]
    ca: str | None
    authorities: bytes | None


class Dialler:
    """Makes the connections of one sink under one set of terms.

    `tls` makes the verification for a file of authorities; `resolver` looks names up.
    """

    def __init__(
        self, terms: Terms, tls: Callable[[str | None], ssl.SSLContext], resolver: AbstractResolver
    ) -> None:
        self._terms = terms
        self._tls = tls
        self._resolver = resolver
        self._verification: ssl.SSLContext | None = None
        self._lookups: dict[tuple[str, int], asyncio.Future[list[str] | None]] = {}

    async def dial(self, target: Target, make: Callable[[], _Protocol], limit: float) -> _Protocol:
        """A connection to the target, within `limit` seconds; an address that fails leaves the others.

        Raises:
            ForbiddenAddress: every address that the host leads to is refused.
            Unreachable: none could be connected to, or none is trusted.
        """
        # Before the time limit begins: reading the authorities takes time that is not the network's.
        verification = self._verified() if target.tls else None
        try:
            async with asyncio.timeout(limit):
                return await self._connection(target, make, verification)
        except TimeoutError:
            pass
        raise Unreachable(f"no connection within {limit:g} s")

    async def _connection(
        self, target: Target, make: Callable[[], _Protocol], verification: ssl.SSLContext | None
    ) -> _Protocol:
        guard = _Guard(target.kind, self._terms.allowed)
        left = guard.sorted_out([_spelled(host, target.port) for host in await self._addresses(target)])
        failure: DeliveryError | None = None
        while left:
            try:
                opened = await aiohappyeyeballs.start_connection(
                    left, happy_eyeballs_delay=_HEAD_START, interleave=1, socket_factory=guard.make_socket
                )
            except OSError as error:
                failure = _unconnected(error)
                break
            left.remove(guard.made[opened])
            try:
                return await _speaking(opened, target, make, verification)
            except OSError as error:
                failure = lost(error)
        # Raised out here so that it does not carry the system's error.
        raise failure or Unreachable(_UNKNOWN)

    def _verified(self) -> ssl.SSLContext:
        if self._verification is None:
            try:
                self._verification = self._tls(self._terms.ca)
            except OSError as error:
                why = (error.strerror or "unreadable").lower()
                raise Unreachable(
                    f"the authorities in '{self._terms.ca}' cannot be used: {why}", tls=True
                ) from None
        return self._verification

    async def _addresses(self, target: Target) -> list[str]:
        """The addresses of a host: asked for anew for every connection, together if at the same time."""
        if target.kind is HostKind.LITERAL:
            return [target.host]
        key = (target.host, target.port)
        while (asked := self._lookups.get(key)) is not None:
            await asyncio.wait([asked])
            found = asked.result()
            if found is not None:
                return found
        answer = self._lookups[key] = asyncio.get_running_loop().create_future()
        found = None
        try:
            found = await self._resolved(target)
            return found
        finally:
            # None: who asked was cancelled, and one of those who wait asks again.
            del self._lookups[key]
            answer.set_result(found)

    async def _resolved(self, target: Target) -> list[str]:
        try:
            found = await self._resolver.resolve(target.host, target.port, socket.AF_UNSPEC)
        except OSError:
            return []
        return [one["host"] for one in found]


_UNKNOWN = "could not resolve the host name"


class _ForbiddenError(OSError):
    """An address was refused; an OSError, as is expected of what makes sockets."""

    def __init__(self, reason: str) -> None:
        super().__init__("address refused")
        self.reason = reason


class _Guard:
    """Judges every address for one kind of host: the last word is `make_socket`, right before connecting.

    `made` says which address a socket was made for.
    """

    def __init__(self, kind: HostKind, allowed: tuple[Network, ...]) -> None:
        self.made: dict[socket.socket, AddrInfoType] = {}
        self._kind = kind
        self._allowed = allowed

    def make_socket(self, found: AddrInfoType) -> socket.socket:
        """A socket for an address that is allowed: nothing lies between this check and the connection."""
        family, type_, protocol, _, where = found
        reason = self._verdict(str(where[0]))
        if reason is not None:
            raise _ForbiddenError(reason)
        made = socket.socket(family, type_, protocol)
        self.made[made] = found
        return made

    def sorted_out(self, found: list[AddrInfoType]) -> list[AddrInfoType]:
        """The allowed ones; if there are none, one that `make_socket` will refuse.

        A name of which one address is forbidden still reaches the others, and if those are down, it is down
        and not refused.
        """
        return [one for one in found if self._verdict(str(one[4][0])) is None] or found[:1]

    def _verdict(self, host: str) -> str | None:
        try:
            return permit(ip_address(host), self._kind, self._allowed)
        except ValueError:
            return f"the name led to '{host}', which is not an address"


async def _speaking(
    opened: socket.socket,
    target: Target,
    make: Callable[[], _Protocol],
    verification: ssl.SSLContext | None,
) -> _Protocol:
    """The protocol on a connected socket, after the TLS handshake if there is one."""
    _, protocol = await asyncio.get_running_loop().create_connection(
        make,
        sock=opened,
        ssl=verification,
        # Certificates have no dot at the end of a name.
        server_hostname=None if verification is None else target.host.rstrip("."),
    )
    return protocol


def _spelled(host: str, port: int) -> AddrInfoType:
    """An address as `getaddrinfo` would give it."""
    if ":" in host:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


def _unconnected(error: OSError) -> DeliveryError:
    """Why no address could be connected to."""
    if isinstance(error, _ForbiddenError):
        return ForbiddenAddress(error.reason)
    if error.errno:
        return lost(error)
    return Unreachable("none of the host's addresses could be connected to")
