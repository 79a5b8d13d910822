"""Peer: whose request it is.

Owns the reading of `X-Forwarded-For`. Pure. Must not know what an answer depends on.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from router.units import Network

Address = IPv4Address | IPv6Address


def origin(peer: object, forwarded: Iterable[str], trusted: Sequence[Network]) -> Address | None:
    """The address a request comes from, or None where nobody trustworthy names one.

    `peer` is the socket's peer name: a tuple that begins with an address, or, on a unix socket, a text; a
    unix socket counts as a trusted proxy. `forwarded` are the `X-Forwarded-For` headers in order. They are
    read from the right, as far as trusted proxies wrote them: the first address that is no trusted proxy is
    the one.
    """
    address = _address(str(peer[0])) if isinstance(peer, tuple) and peer else None
    if address is not None and not _within(address, trusted):
        return address
    for hop in reversed(",".join(forwarded).split(",")):
        if not hop.strip():
            continue
        address = _address(hop.strip())
        if address is None or not _within(address, trusted):
            return address
    return address


def allowed(address: Address | None, networks: Sequence[Network]) -> bool:
    """Whether the address lies in one of the networks; without networks everyone may."""
    return not networks or (address is not None and _within(address, networks))


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _address(text: str) -> Address | None:
    """An address as the kernel and proxies write it: with a port, in brackets, with a zone, mapped."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
