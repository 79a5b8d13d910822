"""Units: the written forms of configuration values: durations, sizes, rates, networks, places to listen.

A written form is a class with `parse(text)`, which raises `ValueError` with a message fit for the operator,
and `schema`, its JSON Schema. The configuration loader knows no form by name: it asks the class.
"""

import ipaddress
import re
from typing import Any, ClassVar, Protocol, Self

import msgspec

# Digits are counted so that a slip of the keyboard cannot become infinity or a number Python refuses to read.
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Calendars end with the year 9999. Until 2110 this, and a fifth of it as jitter, does not lead beyond.
_LONGEST_WAIT = 2_400_000 * 86_400
_SIZE = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB)")
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_RATE = re.compile(r"([0-9]{1,9})/(s|m|h|d)")
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_NUMERIC = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)")
_PORT = re.compile(r"[0-9]{1,5}")
LONGEST_SOCKET_PATH = 107
_LISTEN_FORMS = "write 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path"


class Reasons(ValueError):
    """Several things are wrong with one written form; `reasons` tells each as a message of its own."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class WrittenForm(Protocol):
    """What the configuration loader asks of a class whose values are written as one scalar."""

    schema: ClassVar[dict[str, Any]]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the written form; `ValueError` says what is wrong and what to write instead."""
        ...


class Duration(float):
    """Seconds, written `500ms`, `5s`, `5m`, `2h` or `30d`."""

    __slots__ = ()
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h|d)$",
        "description": "a duration: 500ms, 5s, 5m, 2h, 30d",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a duration."""
        found = _DURATION.fullmatch(text)
        if found is None:
            raise ValueError(f"'{text}' is not a duration; write 500ms, 5s, 5m, 2h or 30d")
        return cls(float(found[1]) * _SECONDS[found[2]])


class Wait(Duration):
    """A duration after which something is due: what it ends at is a time that can be shown."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a duration that is not too long to wait for."""
        made = super().parse(text)
        if made > _LONGEST_WAIT:
            raise ValueError(f"'{text}' is too long to wait; write at most {_LONGEST_WAIT // 86_400}d")
        return made


class Size(int):
    """Bytes, written `512B`, `64KiB`, `1MiB` or `1GiB`."""

    __slots__ = ()
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^[0-9]{1,12}(B|KiB|MiB|GiB)$",
        "description": "a size: 64KiB, 1MiB",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a size."""
        found = _SIZE.fullmatch(text)
        if found is None:
            raise ValueError(f"'{text}' is not a size; write 64KiB or 1MiB")
        return cls(int(found[1]) * _BYTES[found[2]])


class Rate(msgspec.Struct, frozen=True):
    """A token bucket of `count` per `period` seconds, written `1/s` or `60/m`."""

    count: int
    period: float
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^0*[1-9][0-9]{0,8}/(s|m|h|d)$",
        "description": "a rate: 1/s, 60/m",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a rate."""
        found = _RATE.fullmatch(text)
        if found is None or int(found[1]) == 0:
            raise ValueError(f"'{text}' is not a rate; write 1/s or 60/m")
        return cls(int(found[1]), _SECONDS[found[2]])


class Network(msgspec.Struct, frozen=True):
    """A block of IP addresses, written `10.0.0.0/8`, `fd00::/8` or as one address."""

    block: ipaddress.IPv4Network | ipaddress.IPv6Network
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "description": "an address or a network: 10.0.0.0/8, fd00::/8, 192.0.2.7",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a network; host bits set are an error because they hide a slip."""
        try:
            return cls(ipaddress.ip_network(text))
        except ValueError:
            pass
        try:
            meant = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"'{text}' is not a network; write 10.0.0.0/8 or 192.0.2.7") from None
        raise ValueError(f"'{text}' has host bits set; did you mean '{meant}'?")

    def __contains__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Whether the address lies in the block."""
        return address in self.block


class Listen(msgspec.Struct, frozen=True):
    """Where a listener binds, written `host:port`, `[v6]:port`, `:port` (every address) or `unix:/path`.

    Either `path` is set, or `port` is; `host` is None for every address. Port 0 lets the system choose.
    """

    host: str | None = None
    port: int | None = None
    path: str | None = None
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^(unix:[^\0]{1,107}|(?!unix:).*:[0-9]{1,5})$",
        "description": "where to listen: 127.0.0.1:8080, [::1]:8080, :8080 for every address, unix:/path",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address to listen on."""
        if text.startswith("unix:"):
            return cls(path=_socket_path(text))
        host, colon, port = text.rpartition(":")
        if not colon or _PORT.fullmatch(port) is None:
            raise ValueError(f"'{text}' is not an address to listen on; {_LISTEN_FORMS}")
        if int(port) > 65535:
            raise ValueError(f"'{port}' is not a port; the largest is 65535")
        return cls(host=_listen_host(host, text), port=int(port))

    @property
    def loopback(self) -> bool:
        """Whether only this host can reach it: 127.0.0.0/8, ::1, localhost or a unix socket."""
        if self.path is not None:
            return True
        if self.host is None:
            return False
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def __str__(self) -> str:
        """The written form."""
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if self.host is not None and ":" in self.host else self.host or ""
        return f"{host}:{self.port}"


def _socket_path(text: str) -> str:
    """The path in `unix:/path`, as the kernel takes it (unix(7): 108 bytes with its end)."""
    path = text.removeprefix("unix:")
    if not path or "\0" in path:
        raise ValueError("'unix:' names no path; write unix:/path")
    length = len(path.encode())
    if length > LONGEST_SOCKET_PATH:
        raise ValueError(
            f"a socket's path of {length} bytes; {LONGEST_SOCKET_PATH} are the most, write a shorter one"
        )
    return path


def _listen_host(host: str, text: str) -> str | None:
    """The host of an address to listen on, without brackets; None for every address."""
    if not host:
        return None
    bare = host[1:-1] if host[0] == "[" and host[-1] == "]" else None
    try:
        address = ipaddress.ip_address(host if bare is None else bare)
    except ValueError:
        # 127.1 and 0x7f000001 would reach an address that nobody can read in them.
        if bare is None and _HOST.fullmatch(host) and not _NUMERIC.fullmatch(host.rpartition(".")[2]):
            return host
        if bare is None and _is_v6(text):
            raise ValueError(f"'{text}' has no port; write [{text}]:8080") from None
        raise ValueError(f"'{host}' is not a host; {_LISTEN_FORMS}") from None
    if address.version == 6 and bare is None:
        raise ValueError(f"'{text}' is ambiguous; put an IPv6 address in brackets, as in [::1]:8080")
    if address.version == 4 and bare is not None:
        raise ValueError(f"'{host}' is not a host; only IPv6 addresses stand in brackets")
    return str(address)


def _is_v6(text: str) -> bool:
    """Whether the text is a bare IPv6 address."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
