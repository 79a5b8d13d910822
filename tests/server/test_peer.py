"""Whose request it is: the socket's word, or that of proxies that are trusted."""

from ipaddress import ip_address

import pytest

from router.server.peer import allowed, origin
from router.units import Network

PROXIES = (Network.parse("10.0.0.0/8"), Network.parse("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (("192.0.2.1", 5), [], "192.0.2.1"),
        (("192.0.2.1", 5), ["198.51.100.7"], "192.0.2.1"),
        (("10.0.0.1", 5), [], "10.0.0.1"),
        (("10.0.0.1", 5), ["198.51.100.7"], "198.51.100.7"),
        (("10.0.0.1", 5), ["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        (("10.0.0.1", 5), ["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        (("10.0.0.1", 5), ["198.51.100.7", "10.0.0.2, 10.0.0.3"], "198.51.100.7"),
        (("10.0.0.1", 5), ["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        (("10.0.0.1", 5), ["198.51.100.7,,"], "198.51.100.7"),
        (("10.0.0.1", 5), ["198.51.100.7, unknown"], None),
        (("10.0.0.1", 5), ["198.51.100.7, unknown, 10.0.0.2"], None),
        (("10.0.0.1", 5), ["198.51.100.7:4711"], "198.51.100.7"),
        (("10.0.0.1", 5), ["[2001:db8::7]:4711"], "2001:db8::7"),
        (("10.0.0.1", 5), ["2001:db8::7"], "2001:db8::7"),
        (("fd00::1", 5, 0, 0), ["2001:db8::7"], "2001:db8::7"),
        (("fe80::1%eth0", 5, 0, 2), [], "fe80::1"),
        (("::ffff:10.0.0.1", 5, 0, 0), ["198.51.100.7"], "198.51.100.7"),
        (("::ffff:192.0.2.1", 5, 0, 0), ["198.51.100.7"], "192.0.2.1"),
        ("", ["198.51.100.7"], "198.51.100.7"),
        ("", ["198.51.100.7, 10.0.0.1"], "198.51.100.7"),
        ("", [], None),
        (None, [], None),
    ],
)
def test_the_origin_is_the_first_address_that_no_trusted_proxy_has(
    peer: object, forwarded: list[str], address: str | None
) -> None:
    """Read from the right: what a stranger wrote, and what stands to the left of it, counts for nothing."""
    assert origin(peer, forwarded, PROXIES) == (None if address is None else ip_address(address))


def test_without_trusted_proxies_headers_mean_nothing() -> None:
    """The default believes sockets alone."""
    assert origin(("127.0.0.1", 5), ["198.51.100.7"], ()) == ip_address("127.0.0.1")


def test_whoever_has_no_address_is_in_no_network() -> None:
    """A list of networks is a list of who may; no list lets everyone."""
    assert allowed(None, ())
    assert allowed(ip_address("192.0.2.1"), ())
    assert allowed(ip_address("10.1.2.3"), PROXIES)
    assert allowed(ip_address("fd12::1"), PROXIES)
    assert not allowed(ip_address("192.0.2.1"), PROXIES)
    assert not allowed(None, PROXIES)
