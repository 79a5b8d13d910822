"""The written forms of values: what each one reads, and what it says to everything else."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.units import Duration, Listen, Network, Rate, Size, Wait, WrittenForm

FORMS: list[type[WrittenForm]] = [Duration, Wait, Size, Rate, Network, Listen]
LISTEN = "write 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path"


def refusal(form: type[WrittenForm], text: str) -> str:
    """What the form says to a text that it does not read."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        form.parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("5s", 5), ("1.5s", 1.5), ("5m", 300), ("2h", 7200), ("30d", 2_592_000), ("0s", 0)],
)
def test_a_duration_is_a_number_of_seconds(text: str, seconds: float) -> None:
    """With its unit written out."""
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize(
    "text", ["5", "5 s", "s", "", "-5s", "5S", "5min", "1e3s", "5s5m", "٥s", "9" * 400 + "d"]
)
def test_a_duration_without_its_unit_is_refused(text: str) -> None:
    """Seconds or minutes: nobody should have to guess."""
    assert refusal(Duration, text) == f"'{text}' is not a duration; write 500ms, 5s, 5m, 2h or 30d"


def test_a_wait_ends_while_there_are_dates() -> None:
    """What lasts longer could never be shown as a time; how long anything else lasts has no such bound."""
    assert Wait.parse("2400000d") == 2_400_000 * 86_400
    assert refusal(Wait, "2400001d") == "'2400001d' is too long to wait; write at most 2400000d"
    assert refusal(Wait, "999999999d") == "'999999999d' is too long to wait; write at most 2400000d"
    assert refusal(Wait, "5") == "'5' is not a duration; write 500ms, 5s, 5m, 2h or 30d"
    assert Duration.parse("999999999d") == 999_999_999 * 86_400


@pytest.mark.parametrize(
    ("text", "count"), [("512B", 512), ("64KiB", 65_536), ("1MiB", 1_048_576), ("2GiB", 2_147_483_648)]
)
def test_a_size_is_a_number_of_bytes(text: str, count: int) -> None:
    """By powers of 1,024, as the unit says."""
    assert Size.parse(text) == count


@pytest.mark.parametrize("text", ["64", "64KB", "64kib", "1.5MiB", "", "٦B", "9" * 5_000 + "B"])
def test_a_size_without_its_unit_is_refused(text: str) -> None:
    """KB is 1,000 to some and 1,024 to others."""
    assert refusal(Size, text) == f"'{text}' is not a size; write 64KiB or 1MiB"


@pytest.mark.parametrize(
    ("text", "count", "period"), [("1/s", 1, 1), ("60/m", 60, 60), ("5/h", 5, 3600), ("100/d", 100, 86_400)]
)
def test_a_rate_is_a_bucket_per_period(text: str, count: int, period: float) -> None:
    """So many at once, and so many per period."""
    assert Rate.parse(text) == Rate(count, period)


@pytest.mark.parametrize("text", ["0/s", "1", "1/2s", "/s", "1/ms", "1 / s", "-1/s", "", "1.5/s"])
def test_a_rate_that_lets_nothing_through_is_refused(text: str) -> None:
    """Or one that is none."""
    assert refusal(Rate, text) == f"'{text}' is not a rate; write 1/s or 60/m"


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("fd00::/8", "fd12::1", "fe80::1"),
        ("0.0.0.0/0", "8.8.8.8", "::1"),
    ],
)
def test_a_network_holds_its_addresses(text: str, inside: str, outside: str) -> None:
    """One address is a network of one."""
    network = Network.parse(text)

    assert ip_address(inside) in network
    assert ip_address(outside) not in network


def test_a_network_with_host_bits_is_refused_with_the_one_that_was_meant() -> None:
    """10.0.0.1/8 is either a slip of the address or of the mask."""
    assert refusal(Network, "10.0.0.1/8") == "'10.0.0.1/8' has host bits set; did you mean '10.0.0.0/8'?"


@pytest.mark.parametrize("text", ["localhost", "10.0.0", "10.0.0.0/33", "", "010.0.0.1", "a/b"])
def test_a_network_that_is_none_is_refused(text: str) -> None:
    """Names are not addresses."""
    assert refusal(Network, text) == f"'{text}' is not a network; write 10.0.0.0/8 or 192.0.2.7"


@pytest.mark.parametrize(
    ("text", "listen", "loopback"),
    [
        ("127.0.0.1:8080", Listen("127.0.0.1", 8080), True),
        ("127.8.8.8:8080", Listen("127.8.8.8", 8080), True),
        ("[::1]:0", Listen("::1", 0), True),
        ("localhost:80", Listen("localhost", 80), True),
        ("LOCALHOST:80", Listen("LOCALHOST", 80), True),
        ("unix:/run/x.sock", Listen(path="/run/x.sock"), True),
        ("unix:x.sock", Listen(path="x.sock"), True),
        ("unix:/" + "x" * 106, Listen(path="/" + "x" * 106), True),
        (":8080", Listen(None, 8080), False),
        ("0.0.0.0:8080", Listen("0.0.0.0", 8080), False),
        ("[::]:65535", Listen("::", 65_535), False),
        ("[2001:db8::7]:443", Listen("2001:db8::7", 443), False),
        ("router.example.com:443", Listen("router.example.com", 443), False),
        ("localhost.example.com:443", Listen("localhost.example.com", 443), False),
    ],
)
def test_an_address_to_listen_on_knows_who_reaches_it(text: str, listen: Listen, loopback: bool) -> None:
    """Only this host, or others too; and it is written as it was read."""
    assert Listen.parse(text) == listen
    assert listen.loopback is loopback
    assert str(listen) == text


def test_an_address_is_kept_in_its_usual_form() -> None:
    """So that two spellings of one address are equal."""
    assert Listen.parse("[0:0:0:0:0:0:0:1]:80") == Listen.parse("[::1]:80")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("8080", f"'8080' is not an address to listen on; {LISTEN}"),
        ("127.0.0.1", f"'127.0.0.1' is not an address to listen on; {LISTEN}"),
        ("127.0.0.1:", f"'127.0.0.1:' is not an address to listen on; {LISTEN}"),
        ("127.0.0.1:http", f"'127.0.0.1:http' is not an address to listen on; {LISTEN}"),
        ("127.0.0.1:-1", f"'127.0.0.1:-1' is not an address to listen on; {LISTEN}"),
        ("127.0.0.1:65536", "'65536' is not a port; the largest is 65535"),
        ("127.1:80", f"'127.1' is not a host; {LISTEN}"),
        ("0x7f000001:80", f"'0x7f000001' is not a host; {LISTEN}"),
        ("a b:80", f"'a b' is not a host; {LISTEN}"),
        ("*:80", f"'*' is not a host; {LISTEN}"),
        ("[localhost]:80", f"'[localhost]' is not a host; {LISTEN}"),
        ("[127.0.0.1]:80", "'[127.0.0.1]' is not a host; only IPv6 addresses stand in brackets"),
        ("::1", "'::1' has no port; write [::1]:8080"),
        ("::1:80", "'::1:80' is ambiguous; put an IPv6 address in brackets, as in [::1]:8080"),
        ("unix:", "'unix:' names no path; write unix:/path"),
        ("unix:/a\0b", "'unix:' names no path; write unix:/path"),
        ("unix:/" + "é" * 54, "a socket's path of 109 bytes; 107 are the most, write a shorter one"),
    ],
)
def test_an_address_that_cannot_be_listened_on_is_refused(text: str, said: str) -> None:
    """With the forms there are, and what was probably meant."""
    assert refusal(Listen, text) == said


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@given(text=st.text(max_size=20))
def test_any_text_is_read_or_refused_in_words(form: type[WrittenForm], text: str) -> None:
    """No other failure, and no empty message."""
    said = ""
    try:
        form.parse(text)
    except ValueError as error:
        said = str(error)
    else:
        said = "read"

    assert said


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_describes_itself(form: type[WrittenForm]) -> None:
    """For the JSON Schema, and for what is missing."""
    assert form.schema["type"] == "string"
    assert form.schema["description"]
