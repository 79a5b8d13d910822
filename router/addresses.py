"""Addresses: where a sink may connect, by an own table of networks and by who named the address.

Owns the table, the three grades (public, special, never) and what counts as a host in a URL. Pure: must not
resolve, connect, or know what an address is wanted for. `ipaddress.is_global` is no substitute: it lets
multicast, NAT64, 6to4 and the address of Azure's metadata through.
"""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import msgspec

from router.units import Network

Address = IPv4Address | IPv6Address


class HostKind(StrEnum):
    """Who answers for an address: a resolver (`name`), the URL itself (`literal`), the word `localhost`."""

    NAME = "name"
    LITERAL = "literal"
    LOCALHOST = "localhost"


class _Block(msgspec.Struct, frozen=True):
    """One row: a network, what an address in it is called, and whether even a literal needs to be listed."""

    network: IPv4Network | IPv6Network
    title: str
    never: bool = False


def _blocks(title: str, *networks: str, never: bool = False) -> list[_Block]:
    return [_Block(ip_network(network), title, never) for network in networks]


# The first row that holds an address decides, so the narrow ones come first. From the IANA registries of
# special-purpose addresses (RFC 6890 and its updates) and, for metadata, the clouds' own documentation.
_TABLE = [
    *_blocks(
        "a cloud's metadata address",
        "169.254.169.254",  # Amazon, Google, Azure, Oracle, DigitalOcean and others
        "169.254.170.2",  # Amazon ECS: credentials of a task
        "168.63.129.16",  # Azure: the host's wire server, in a range that looks public
        "100.100.100.200",  # Alibaba, in the shared range
        "192.0.0.192",  # Oracle, the older form
        "fd00:ec2::254",  # Amazon
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
        never=True,
    ),
    *_blocks("an unspecified address", "0.0.0.0/8", "::", never=True),
    *_blocks("a link-local address", "169.254.0.0/16", "fe80::/10", never=True),
    *_blocks("a multicast address", "224.0.0.0/4", "ff00::/8", never=True),
    *_blocks("a broadcast address", "255.255.255.255", never=True),
    *_blocks("a loopback address", "127.0.0.0/8", "::1"),
    *_blocks("a private address", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
    *_blocks("a shared address", "100.64.0.0/10"),
    *_blocks("a documentation address", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    *_blocks("a documentation address", "2001:db8::/32", "3fff::/20"),
    *_blocks("a benchmarking address", "198.18.0.0/15", "2001:2::/48"),
    *_blocks("a 6to4 relay", "192.88.99.0/24"),
    # These carry an IPv4 address that a translator or tunnel would connect to: nobody means one by accident.
    *_blocks("an IPv4-mapped address", "::ffff:0:0/96", never=True),
    *_blocks("an IPv4-compatible address", "::/96", never=True),
    *_blocks("an IPv4-translated address", "::ffff:0:0:0/96", never=True),
    *_blocks("a NAT64 address", "64:ff9b::/96", "64:ff9b:1::/48", never=True),
    *_blocks("a 6to4 address", "2002::/16", never=True),
    *_blocks("a Teredo address", "2001::/32", never=True),
    *_blocks("a reserved address", "192.0.0.0/24", "240.0.0.0/4", "2001::/23", "5f00::/16"),
]
# All that was ever given out to the public; the rest of IPv6 is not in use (RFC 4291, 2.4).
_PUBLIC_V6 = ip_network("2000::/3")
_UNASSIGNED_V6 = _Block(IPv6Network("::/0"), "a reserved address")

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))

# Where an IPv4 address is carried inside: the network, and how far it is from the right end, in bits.
_CARRIERS = [
    (ip_network("::ffff:0:0/96"), 0),
    (ip_network("::/96"), 0),
    (ip_network("::ffff:0:0:0/96"), 0),
    (ip_network("64:ff9b::/96"), 0),
    (ip_network("64:ff9b:1::/48"), 0),
    (ip_network("2002::/16"), 80),
    (ip_network("2001::/32"), 64),  # Teredo's server; its client, below, is written inverted
]
_TEREDO = ip_network("2001::/32")
_ALL_ONES = 0xFFFF_FFFF


def permit(address: Address, kind: HostKind, allowed: Sequence[Network] = ()) -> str | None:
    """None if a connection to the address is allowed, else the reason, naming the address and the setting.

    Public addresses are. Special ones (private, loopback, ...) are if the URL itself says them, or `allowed`
    holds them. The others (metadata, link-local, multicast, unspecified, IPv4 in disguise) only if `allowed`
    has a network of that very range: `0.0.0.0/0` does not open the metadata address. An IPv4 address carried
    inside an IPv6 one is judged too. `localhost` leads to loopback only, whatever is allowed.
    """
    if kind is HostKind.LOCALHOST:
        if any(address in network for network in _LOOPBACK):
            return None
        return f"'localhost' leads to '{address}', which is not a loopback address; write the address meant"
    for judged in (address, *_carried(address)):
        block = _block(judged)
        if block is None or (kind is HostKind.LITERAL and not block.never) or _listed(judged, block, allowed):
            continue
        carried = "" if judged is address else f" inside '{address}'"
        return f"'{judged}'{carried} is {block.title}; list it in allow_networks"
    return None


def canonical_host(host: str) -> HostKind:
    """What the host of a URL is, given as `urlsplit(url).hostname` has it (no brackets).

    Raises:
        ValueError: it is neither a name nor an address in its usual form. `0x7f000001`, `2130706433`,
            `0177.0.0.1` and `127.1` are addresses to some programs, names to others: they hide a destination.
    """
    if ":" in host:
        return _canonical_v6(host)
    if not _NAME.fullmatch(host) or len(host) > 253:
        raise ValueError(
            f"'{host}' is not a host name; use letters, digits, hyphens and dots, and xn--… for other letters"
        )
    if _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        try:
            IPv4Address(host)
        except ValueError:
            raise ValueError(f"'{host}' is not an address in its usual form; write it as 192.0.2.7") from None
        return HostKind.LITERAL
    return HostKind.LOCALHOST if host.removesuffix(".").lower() == "localhost" else HostKind.NAME


_NAME = re.compile(r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?")
# A name never ends in a number (RFC 1123, 2.1), so what does is meant as an address.
_NUMBER = re.compile(r"\d+|0[xX][0-9A-Fa-f]*", re.ASCII)


def _canonical_v6(host: str) -> HostKind:
    if "%" in host:
        raise ValueError(f"'{host}' names a zone, which is not supported; write the address alone")
    try:
        IPv6Address(host)
    except ValueError:
        raise ValueError(f"'{host}' is not an IPv6 address; write it as 2001:db8::7, in brackets") from None
    return HostKind.LITERAL


def _block(address: Address) -> _Block | None:
    """The row that decides about an address; None: it is public."""
    for block in _TABLE:
        if address in block.network:
            return block
    return _UNASSIGNED_V6 if address.version == 6 and address not in _PUBLIC_V6 else None


def _listed(address: Address, block: _Block, allowed: Sequence[Network]) -> bool:
    holding = (network.block for network in allowed if address in network)
    return any(not block.never or _within(network, block.network) for network in holding)


def _within(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    return inner.prefixlen >= outer.prefixlen and inner.network_address in outer


def _carried(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that a translator or tunnel would take out of an IPv6 one."""
    if address.version == 4 or address in _ALONE:
        return
    for network, shift in _CARRIERS:
        if address in network:
            yield IPv4Address(int(address) >> shift & _ALL_ONES)
    if address in _TEREDO:
        yield IPv4Address(int(address) & _ALL_ONES ^ _ALL_ONES)


# They lie in the range of IPv4-compatible addresses, yet carry nothing.
_ALONE = (IPv6Address("::"), IPv6Address("::1"))
