"""Listener: the sockets of one HTTP server, from binding to the last answer.

Owns accepting and draining. Must not know what is asked or answered.
"""

import asyncio
import errno
import os
import resource
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import cast

import anyio

from router.errors import RouterError
from router.server.connection import Answer, Connection
from router.server.edge import Edge, Failed
from router.server.face import Face
from router.server.wire import require_c_parser
from router.units import LONGEST_SOCKET_PATH, Listen

_BACKLOG = 4096
_MODE = 0o660
# Milliseconds after which the kernel drops a connection whose peer does not take what was sent to it.
_UNACKNOWLEDGED = 30_000
# An idle connection, one whose request line and headers do not arrive, and one that does not take its answers
# is closed after this many seconds.
IDLE = 10.0
# Seconds given to idle connections at the end: a request may be on the wire already.
PATIENCE = 3.0
# Rounds of the loop from accepting to a connection.
_ROUNDS = 3


class Listener:
    """One HTTP server's sockets and connections.

    At most `most` connections at once, else half of what descriptors allow; one that sends no whole head of a
    request for `idle` seconds, or does not take its answers in that time, is closed.
    """

    def __init__(self, answer: Answer, failed: Failed, most: int | None = None, idle: float = IDLE) -> None:
        self._answer = answer
        self._failed = failed
        self._most = most
        self._idle = idle
        self._edge: Edge | None = None
        self._bound: list[socket.socket] = []
        self._handed_in = False
        self._servers: list[asyncio.Server] = []
        self.addresses: tuple[str, ...] = ()

    @asynccontextmanager
    async def listening(self, listen: Listen, sockets: Sequence[socket.socket] = ()) -> AsyncIterator[None]:
        """Accept on `sockets`, or, if none were handed in, on `listen`; at the end whatever is open is cut.

        Raises:
            RouterError: the address cannot be bound.
        """
        require_c_parser()
        self._handed_in = bool(sockets)
        with held(listen, sockets) as bound:
            self._bound = bound
            async with self._accepting(bound):
                yield

    @asynccontextmanager
    async def _accepting(self, bound: Sequence[socket.socket]) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            edge = self._edge = Edge(self._failed, self._most or _most(), self._idle, tasks)
            try:
                self.addresses = tuple(shown(each) for each in bound)
                for each in bound:
                    self._servers.append(await _serve(self._accept, each))
                yield
            finally:
                for server in self._servers:
                    server.close()
                with anyio.CancelScope(shield=True):
                    await edge.shutdown(0.1)

    async def drain(self, patience: float = PATIENCE) -> None:
        """Stop accepting, answer what was sent, return when no connection is open.

        Idle connections have `patience` seconds to send what was under way. Bounded by the time limits of
        bodies and commits; bound it from outside to be shorter. Sockets that were handed in stay open in the
        kernel: who connects now waits in their backlog for the next process.
        """
        if self._edge is None:
            return
        self._edge.draining = True
        await self._close()
        with anyio.move_on_after(patience):
            await self._edge.emptied()
        self._edge.close_idle()
        await self._edge.emptied()

    async def _close(self) -> None:
        """Accept nobody any more, but whoever stands in a queue that no next process will answer."""
        loop = asyncio.get_running_loop()
        bound, self._bound = self._bound, []
        for each in bound:
            # Closed at once, asyncio would drop who was accepted in this very round; uvloop drops nobody, and
            # has no reader here.
            loop.remove_reader(each)
        await _some_rounds()
        queue = [] if self._handed_in else [one for each in bound for one in _waiting(each)]
        # Else the kernel would take who connects from now on, to wait for an answer until the process ends.
        for server in self._servers:
            server.close()
        for one in queue:
            with suppress(OSError):  # it has left already
                await loop.connect_accepted_socket(self._accept, one)
        await _some_rounds()

    def _accept(self) -> Face:
        return Face(Connection(cast(Edge, self._edge), self._answer))


@contextmanager
def held(listen: Listen, sockets: Sequence[socket.socket] = ()) -> Iterator[list[socket.socket]]:
    """`sockets`, or, if none were handed in, those of `bind`; at the end the path of a unix socket goes.

    But not that of a successor: one takes the path as soon as nobody listens there, and that is before this
    process has ended.

    Raises:
        RouterError: the address cannot be bound.
    """
    found = list(sockets) or bind(listen)
    path = None if sockets or listen.path is None else Path(listen.path)
    own = path and _identity(path)
    try:
        yield found
    finally:
        if path is not None and _identity(path) == own:
            path.unlink(missing_ok=True)


def bind(listen: Listen) -> list[socket.socket]:
    """Bound and listening sockets for an address: one, or one for each family of a host name.

    A unix socket is open to its owner and group; one that nobody listens on any more is replaced.

    Raises:
        RouterError: it cannot be bound, with the reason.
    """
    try:
        if listen.path is not None:
            return [_bind_path(Path(listen.path))]
        return _bind_port(listen.host, listen.port or 0)
    except OSError as error:
        # Resolving a name has error numbers of its own, below 0.
        code = error.errno or 0
        reason = os.strerror(code) if code > 0 else error.strerror or str(error)
        raise RouterError(
            f"cannot listen on '{listen}': {reason.lower()}; free it or write another"
        ) from None
    except UnicodeError:
        raise RouterError(f"cannot listen on '{listen}': not a host name; write an address") from None


def shown(bound: socket.socket) -> str:
    """The address of a bound socket for people: `http://127.0.0.1:8080` or `unix:/path`."""
    name = bound.getsockname()
    if bound.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if bound.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"


def _bind_port(host: str | None, port: int) -> list[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    absent: OSError | None = None
    with ExitStack() as undo:
        for family, address in dict.fromkeys((each[0], each[4]) for each in found):
            try:
                bound.append(undo.enter_context(_bind_address(family, address)))
            except OSError as error:
                if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    raise
                # A name may have an address of a family that this host has switched off.
                absent = error
            if port == 0 and bound:
                # The system chooses: a second family would get another port.
                break
        if absent is not None and not bound:
            raise absent
        undo.pop_all()
    return bound


def _bind_address(family: int, address: object) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    with ExitStack() as undo:
        undo.enter_context(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)  # type: ignore[arg-type]  # whatever form getaddrinfo gives it
        sock.listen(_BACKLOG)
        undo.pop_all()
    return sock


def _bind_path(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        # Python's own error has neither number nor reason.
        raise OSError(errno.ENAMETOOLONG, "")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with ExitStack() as undo:
        undo.enter_context(sock)
        if path.is_socket() and not _answers(path):
            path.unlink()
        sock.bind(str(path))
        # Nobody can connect before `listen`: there is no moment with wider permissions.
        path.chmod(_MODE)
        sock.listen(_BACKLOG)
        undo.pop_all()
    return sock


def _identity(path: Path) -> tuple[int, ...] | None:
    """Which file is there, if any. The number of one that went is given again: so also when it was made."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _answers(path: Path) -> bool:
    """Whether somebody listens on a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Blocking would wait for a place in the backlog of a listener that is too busy to accept.
        probe.settimeout(0)
        return probe.connect_ex(str(path)) != errno.ECONNREFUSED


async def _serve(accept: Callable[[], Face], sock: socket.socket) -> asyncio.Server:
    if sock.family != socket.AF_UNIX:
        # Accepted connections inherit both.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED)
    # Not a unix server: from Python 3.13 on, that removes the path, also of a socket that is a supervisor's.
    return await asyncio.get_running_loop().create_server(accept, sock=sock, backlog=_BACKLOG)


def _waiting(listening: socket.socket) -> list[socket.socket]:
    """The connections that the kernel has and nobody accepted."""
    found: list[socket.socket] = []
    with suppress(OSError):  # there is none left, or no descriptor for it
        while len(found) < _BACKLOG:
            found.append(listening.accept()[0])
    return found


async def _some_rounds() -> None:
    """Whoever was accepted until now is a connection, and counted, afterwards."""
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


def _most() -> int:
    """How many connections at once: half of the descriptors; sinks and the journal need some too."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft // 2
