"""The written forms of configuration values: durations, sizes, rates, networks.

A written form is a class with `parse(text)`, which raises `ValueError` with a message fit for the operator, and
`schema`, its JSON Schema. The configuration loader knows no form by name: it asks the class.
"""

import ipaddress
import re
from typing import Any, ClassVar, Protocol, Self

import msgspec

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+)(B|KiB|MiB|GiB)")
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_RATE = re.compile(r"(\d+)/(s|m|h|d)")


class Written(Protocol):
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
        "pattern": r"^\d+(\.\d+)?(ms|s|m|h|d)$",
        "description": "a duration: 500ms, 5s, 5m, 2h, 30d",
    }

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a duration."""
        found = _DURATION.fullmatch(text)
        if found is None:
            raise ValueError(f"'{text}' is not a duration; write 500ms, 5s, 5m, 2h or 30d")
        return cls(float(found[1]) * _SECONDS[found[2]])


class Size(int):
    """Bytes, written `512B`, `64KiB`, `1MiB` or `1GiB`."""

    __slots__ = ()
    schema: ClassVar[dict[str, Any]] = {
        "type": "string",
        "pattern": r"^\d+(B|KiB|MiB|GiB)$",
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
        "pattern": r"^[1-9]\d*/(s|m|h|d)$",
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
