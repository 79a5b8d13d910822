"""Sockets: those that a server listens on: bound, handed in, and gone at the end.

Owns who may connect to a unix socket, and whose its path is. Must not know who accepts on them.
"""

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from router.errors import RouterError
from router.units import LONGEST_SOCKET_PATH, Listen

BACKLOG = 4096
_MODE = 0o660


@contextmanager
def held(listen: Listen, sockets: Sequence[socket.socket] = ()) -> Iterator[list[socket.socket]]:
    """`sockets`, or, if none were handed in, those of `bind`; at the end a unix socket's path is removed.

    Unless it is a successor's: that takes the path as soon as nobody listens there, which is before this
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
        sock.listen(BACKLOG)
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
        sock.listen(BACKLOG)
        undo.pop_all()
    return sock


def _identity(path: Path) -> tuple[int, ...] | None:
    """Which file is there, if any: by its number, and as numbers are used again, by when it was made."""
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
