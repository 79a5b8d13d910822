"""Where a sink may connect: the table of addresses, who may open it, and what counts as a host."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.addresses import HostKind, canonical_host, permit
from router.units import Network
from tests.address_vectors import LOOPBACK, METADATA, NEVER, PRIVATE, PUBLIC, SPECIAL


def networks(*written: str) -> list[Network]:
    """`allow_networks` as the configuration has it."""
    return [Network.parse(text) for text in written]


@pytest.mark.parametrize(("text", "title"), (SPECIAL | NEVER).items())
def test_a_name_leads_to_no_address_but_a_public_one(text: str, title: str) -> None:
    """Every special range is refused by its name, with the address and the setting."""
    address = ip_address(text)

    assert permit(address, HostKind.NAME) == f"'{address}' is {title}; list it in allow_networks"


@pytest.mark.parametrize("text", PUBLIC)
@pytest.mark.parametrize("kind", [HostKind.NAME, HostKind.LITERAL])
def test_a_public_address_is_reached_by_name_and_literally(text: str, kind: HostKind) -> None:
    """The borders of the ranges are where they should be."""
    assert permit(ip_address(text), kind) is None


@pytest.mark.parametrize("text", SPECIAL)
def test_a_literal_in_the_url_is_the_operators_word(text: str) -> None:
    """Who writes a private address means it."""
    assert permit(ip_address(text), HostKind.LITERAL) is None


@pytest.mark.parametrize(("text", "title"), NEVER.items())
def test_no_literal_opens_metadata_or_a_disguised_address(text: str, title: str) -> None:
    """These are refused even literally, unless listed."""
    address = ip_address(text)

    assert permit(address, HostKind.LITERAL) == f"'{address}' is {title}; list it in allow_networks"


@pytest.mark.parametrize("text", SPECIAL)
def test_allow_networks_opens_a_special_address_to_names(text: str) -> None:
    """Many sinks are internal: the operator lists where they live."""
    assert permit(ip_address(text), HostKind.NAME, networks(text)) is None
    assert permit(ip_address(text), HostKind.NAME, networks("0.0.0.0/0", "::/0")) is None


@pytest.mark.parametrize("text", NEVER)
def test_only_a_network_of_the_very_range_opens_what_is_never_meant(text: str) -> None:
    """`0.0.0.0/0` does not open the metadata address by accident."""
    everything = networks("0.0.0.0/0", "::/0", "fc00::/7", "168.0.0.0/6", "100.64.0.0/10")
    address = ip_address(text)

    assert permit(address, HostKind.NAME, everything) == permit(address, HostKind.NAME)


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("169.254.169.254", ["169.254.169.254"]),
        ("169.254.7.7", ["169.254.0.0/16"]),
        ("fe80::1", ["fe80::/64"]),
        ("224.0.0.251", ["224.0.0.0/24"]),
        ("0.0.0.0", ["0.0.0.0"]),
        ("::", ["::"]),
        ("64:ff9b::8.8.8.8", ["64:ff9b::/96"]),
        ("64:ff9b::10.0.0.1", ["64:ff9b::/96", "10.0.0.0/8"]),
        ("64:ff9b:1::10.0.0.1", ["64:ff9b:1::/48", "10.0.0.0/8"]),
        ("2002:a00:1::1", ["2002::/16", "10.0.0.0/8"]),
        ("::ffff:10.0.0.1", ["::ffff:0:0/96", "10.0.0.0/8"]),
        ("::ffff:0:10.0.0.1", ["::ffff:0:0:0/96", "10.0.0.0/8"]),
    ],
)
def test_what_is_listed_is_open(text: str, listed: list[str]) -> None:
    """The refusal names a setting, and the setting helps."""
    assert permit(ip_address(text), HostKind.NAME, networks(*listed)) is None


@pytest.mark.parametrize(
    ("text", "opened", "inside", "title"),
    [
        ("64:ff9b::127.0.0.1", "64:ff9b::/96", "127.0.0.1", LOOPBACK),
        ("64:ff9b::169.254.169.254", "64:ff9b::/96", "169.254.169.254", METADATA),
        ("64:ff9b:1::10.0.0.1", "64:ff9b:1::/48", "10.0.0.1", PRIVATE),
        ("2002:7f00:1::5", "2002::/16", "127.0.0.1", LOOPBACK),
        ("2001:0:7f00:1::f7f7:f7f7", "2001::/32", "127.0.0.1", LOOPBACK),
        ("2001:0:808:808::80ff:fffe", "2001::/32", "127.0.0.1", LOOPBACK),
        ("::ffff:192.168.1.1", "::ffff:0:0/96", "192.168.1.1", PRIVATE),
        ("::10.0.0.1", "::/96", "10.0.0.1", PRIVATE),
    ],
)
def test_an_address_carried_inside_another_is_judged_too(
    text: str, opened: str, inside: str, title: str
) -> None:
    """A translator that is allowed is still no way to loopback."""
    address = ip_address(text)
    reason = f"'{inside}' inside '{address}' is {title}; list it in allow_networks"

    assert permit(address, HostKind.NAME, networks(opened)) == reason


def test_localhost_leads_to_loopback_alone() -> None:
    """The word means this host; a resolver that says otherwise is not believed."""
    for good in ("127.0.0.1", "127.9.9.9", "::1"):
        assert permit(ip_address(good), HostKind.LOCALHOST) is None
    for bad in ("10.0.0.1", "8.8.8.8", "::ffff:127.0.0.1", "0.0.0.0"):
        address = ip_address(bad)
        reason = f"'localhost' leads to '{address}', which is not a loopback address; write the address meant"
        assert permit(address, HostKind.LOCALHOST, networks("0.0.0.0/0")) == reason


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1), st.sampled_from(list(HostKind)))
def test_no_disguise_gets_an_address_further_than_itself(number: int, kind: HostKind) -> None:
    """What is refused as IPv4 is refused mapped, translated and tunnelled, even if the tunnel is listed."""
    plain = IPv4Address(number)
    disguises = [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x64_FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80),
        IPv6Address(0x2001_0000 << 96 | number << 64),
    ]
    listed = networks("::ffff:0:0/96", "64:ff9b::/96", "2002::/16", "2001::/32")

    for disguise in disguises:
        assert permit(disguise, kind) is not None
        if permit(plain, kind) is not None:
            assert permit(disguise, kind, listed) is not None


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        ("hooks.slack.com", HostKind.NAME),
        ("hooks.slack.com.", HostKind.NAME),
        ("Hooks.Slack.Com", HostKind.NAME),
        ("db_1", HostKind.NAME),
        ("xn--bcher-kva.example", HostKind.NAME),
        ("1password.com", HostKind.NAME),
        ("10.0.0.1.example.com", HostKind.NAME),
        ("0xcafe.example", HostKind.NAME),
        ("localhost.example", HostKind.NAME),
        ("app.localhost", HostKind.NAME),
        ("deadbeef", HostKind.NAME),
        ("localhost", HostKind.LOCALHOST),
        ("LocalHost", HostKind.LOCALHOST),
        ("localhost.", HostKind.LOCALHOST),
        ("127.0.0.1", HostKind.LITERAL),
        ("0.0.0.0", HostKind.LITERAL),
        ("255.255.255.255", HostKind.LITERAL),
        ("::1", HostKind.LITERAL),
        ("2001:db8::7", HostKind.LITERAL),
        ("::ffff:127.0.0.1", HostKind.LITERAL),
    ],
)
def test_a_host_is_a_name_a_literal_or_localhost(host: str, kind: HostKind) -> None:
    """Nothing else is connected to."""
    assert canonical_host(host) is kind


@pytest.mark.parametrize(
    "host",
    [
        "0x7f000001",
        "0x7f.1",
        "0x7f.0x0.0x0.0x1",
        "0x",
        "0177.0.0.1",
        "127.0.0.01",
        "017700000001",
        "2130706433",
        "127.1",
        "127.0.1",
        "0",
        "256.0.0.1",
        "1.2.3.4.5",
        "127.0.0.1.",
        "example.1",
        "example.0x7F",
    ],
)
def test_a_number_that_hides_an_address_is_no_host(host: str) -> None:
    """Hex, octal, decimal and short forms reach an address that nobody reads in them."""
    with pytest.raises(ValueError, match="usual form") as error:
        canonical_host(host)

    assert str(error.value) == f"'{host}' is not an address in its usual form; write it as 192.0.2.7"


@pytest.mark.parametrize(
    "host",
    ["", ".", "a..b", "%31%32%37.0.0.1", "a b", "bücher.example", "１２７.0.0.1", "a" * 64, "a." * 127 + "a"],
)
def test_what_is_no_name_is_no_host(host: str) -> None:
    """Escapes, other digits and over-long labels are read differently by every program."""
    with pytest.raises(ValueError, match="not a host name") as error:
        canonical_host(host)

    assert str(error.value) == (
        f"'{host}' is not a host name; use letters, digits, hyphens and dots, and xn--… for other letters"
    )


def test_a_v6_literal_is_plain() -> None:
    """No zone, no junk."""
    with pytest.raises(ValueError, match="zone") as zone:
        canonical_host(urlsplit("http://[fe80::1%25eth0]/").hostname or "")
    with pytest.raises(ValueError, match="not an IPv6") as junk:
        canonical_host("1:2:3")

    assert str(zone.value) == (
        "'fe80::1%25eth0' names a zone, which is not supported; write the address alone"
    )
    assert str(junk.value) == "'1:2:3' is not an IPv6 address; write it as 2001:db8::7, in brackets"
