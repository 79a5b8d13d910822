"""systemd: what the service manager hands over (sockets, the watchdog's limit) and what it wants to hear.

Speaks its two small protocols directly: a datagram per state, and inherited descriptors described by
variables. Outside systemd all of it does nothing. Must not know what the states mean to the program.
"""

import ipaddress
import os
import socket

from router.errors import RouterError
from router.units import Listen

_FIRST_DESCRIPTOR = 3
_NAMES = ("public", "admin")
# A full queue at the service manager must not stop the event loop for longer.
_SEND_SECONDS = 1.0


def supervised() -> bool:
    """Whether a service manager waits to hear from this process."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def notify(state: str) -> bool:
    """Tell the service manager a state: `READY=1`, `STOPPING=1`, `WATCHDOG=1`, `STATUS=…`, one per line.

    Returns whether it was told; a service manager that is gone or deaf is no reason to fail (sd_notify(3)).
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address[0] == "@":  # an abstract socket
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(_SEND_SECONDS)
        try:
            sender.sendto(state.encode(), address)
        except OSError:
            return False
    return True


def watchdog_interval() -> float | None:
    """Seconds after which the service manager takes silence for a hang, or None if it does not watch.

    Send `WATCHDOG=1` at least twice as often (sd_watchdog_enabled(3)).
    """
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1_000_000 if microseconds.isdecimal() and int(microseconds) else None


def listen_sockets(first: int = _FIRST_DESCRIPTOR) -> dict[str, socket.socket]:
    """The listening sockets handed over, by name: `public`, `admin`; empty without socket activation.

    Names are those of `FileDescriptorName=` (sd_listen_fds(3)); a single socket of another name is `public`.
    The variables are taken out of the environment and no child inherits the descriptors: a second call finds
    nothing. `first` is the number of the first one.

    Raises:
        RouterError: a descriptor is no listening stream socket, or its name is unknown or used twice.
    """
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "")
    names = os.environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    sockets: dict[str, socket.socket] = {}
    try:
        for index in range(int(count)):
            name = names[index] if index < len(names) else ""
            if int(count) == 1 and name not in _NAMES:
                name = "public"
            _check_name(name, sockets)
            sockets[name] = _listening(first + index)
    except RouterError:
        for taken in sockets.values():
            taken.close()
        raise
    return sockets


def elsewhere(handed: socket.socket, listen: Listen) -> bool:
    """Whether a socket that was handed over is bound elsewhere than a configuration says."""
    name = handed.getsockname()
    if name[:1] in (b"\0", "\0"):
        # An abstract name, which no path can be.
        return True
    if handed.family == socket.AF_UNIX or listen.path is not None:
        paths = handed.family == socket.AF_UNIX and listen.path is not None
        return not (paths and os.path.realpath(name) == os.path.realpath(listen.path or ""))
    return listen.port not in (0, name[1]) or _plain(name[0]) not in _addresses(listen.host)


def _addresses(host: str | None) -> set[str]:
    """What a host of the configuration leads to; empty for a name that leads nowhere."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return set()
    return {_plain(str(each[4][0])) for each in found}


def _plain(address: str) -> str:
    """One spelling of each address; all of one family are all of either."""
    parsed = ipaddress.ip_address(address)
    return "any" if parsed.is_unspecified else str(parsed)


def _check_name(name: str, taken: dict[str, socket.socket]) -> None:
    if name not in _NAMES:
        raise RouterError(f"socket '{name}' is unknown; set FileDescriptorName= to public or admin")
    if name in taken:
        raise RouterError(f"two sockets are named '{name}'; give each listener one ListenStream=")


def _listening(descriptor: int) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RouterError(f"descriptor {descriptor} is not a socket: {reason}") from None
    if found.type != socket.SOCK_STREAM or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.close()
        raise RouterError(f"descriptor {descriptor} is not a listening stream socket; set ListenStream=")
    found.set_inheritable(inheritable=False)
    return found
