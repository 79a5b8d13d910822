"""What all sinks share: reading an answer, and naming what is wrong."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.delivery import Delivered
from router.secret import Secret, Url
from router.sinks.sink import Flaw, Reply, Sink, excerpt, fingerprint, judge_status, retry_after
from router.sinks.slack import Slack
from router.sinks.webhook import Webhook
from router.template.template import Template
from tests.sinks.samples import NOW, Answers, delivery, one_of, reply, sample


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_success_is_a_delivery(status: int) -> None:
    """By default the body says nothing."""
    assert judge_status(reply(status, b"whatever"), NOW) == Delivered()


SIGNED = "s1g%2Bn%2Fature-decoded%3D%3D"


@pytest.mark.parametrize(
    "echoed",
    [
        "Basic bWU6aC91dHM=",  # what the user and the password became
        "me:h/uts",
        "me:h%2Futs@ci.example.com",
        "c4n4ry/rest+of/the-path",
        "c4n4ry%2Frest%2Bof%2Fthe-path",
        "c4n4ry%2frest%2bof%2fthe-path",  # RFC 3986, 2.1: the case of the digits does not matter
        r"c4n4ry\/rest+of\/the-path",
        "by-name",
        "s1g+n/ature-decoded==",  # what a query held, as a service reads it
        "s1g%2Bn%2Fature-decoded%3D%3D",
        "s1g%2bn%2fature-decoded%3d%3d",
        "me:h%2futs@ci.example.com",
        r"s1g+n\/ature-decoded==",
        "umläut\udcff-in-latin",
    ],
)
async def test_no_encoding_brings_a_secret_back(echoed: str) -> None:
    """A service may quote a header, a path or a password as it is, or in the manner of URLs or JSON."""
    url = Url("env:URL", f"https://me:h%2Futs@ci.example.com/long-enough-to-be-a-token?k={SIGNED}")
    headers: dict[str, str | Secret] = {
        "X-A": Secret("env:A", "c4n4ry/rest+of/the-path"),
        "X-B": Secret("env:B", "by-name"),
        "X-C": Secret("env:C", "umläut\udcff-in-latin"),
    }
    body = f"you sent '{echoed}'".encode("utf-8", "surrogateescape")

    result = await Webhook(url=url, headers=headers).send(
        sample(), delivery(), Answers(reply(400, body)), NOW
    )

    assert result.excerpt in ("you sent '…'", "you sent 'Basic …'", "you sent '…@ci.example.com'")


async def test_escapes_that_the_operator_wrote_in_lower_case_do_not_come_back_in_upper_case() -> None:
    """A proxy may have normalised the URL that it quotes."""
    url = Url("env:URL", "https://me:h%2futs@ci.example.com/hook")

    result = await Webhook(url=url).send(
        sample(), delivery(), Answers(reply(400, b"no me:h%2Futs@here")), NOW
    )

    assert result.excerpt == "no …@here"


async def test_a_secret_is_taken_out_of_every_answer() -> None:
    """Not only of the first; and an answer without a body has nothing to take it out of."""
    sink = Webhook(url=Url("env:URL", "https://ci.example.com/"), headers={"X-A": Secret("env:A", "c4n4ry")})

    results = [
        await sink.send(sample(), delivery(), Answers(reply(200, body)), NOW)
        for body in (b"c4n4ry", b"", b"a c4n4ry, c4n4ry")
    ]

    assert [result.excerpt for result in results] == ["…", None, "a …, …"]


async def test_what_a_secret_decodes_to_is_not_taken_out_if_it_is_an_everyday_word() -> None:
    """Few characters may need many in a URL, and stand in any answer."""
    url = Url("env:URL", "https://ci.example.com/%D1%82%D0%B5%D1%81%D1%82")

    result = await Webhook(url=url).send(sample(), delivery(), Answers(reply(400, "это тест".encode())), NOW)

    assert result.excerpt == "это тест"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 12 ", 12.0),
        ("0", 1.0),
        ("86401", 86_400.0),
        ("9" * 99, 86_400.0),
        ("Mon, 04 May 2026 03:04:20 GMT", 59.1),
        ("Monday, 04-May-26 03:04:20 GMT", 59.1),
        ("Mon May  4 03:04:20 2026", 59.1),
        ("Mon, 04 May 2026 03:03:00 GMT", 1.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("", None),
        ("-3", None),
        ("1.5", None),
        ("soon", None),
        ("²", None),
        ("7, 8", None),
        ("9" * 100, None),
        ("99 Nov 99999 99:99:99", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_a_day(text: str, seconds: float | None) -> None:
    """RFC 9110, 10.2.3; what cannot be read is as if it were not there."""
    found = retry_after({"RETRY-after": text}, NOW)

    assert (None if found is None else round(found, 3)) == seconds
    assert retry_after({}, NOW) is None


@given(st.text())
@settings(max_examples=200)
def test_any_retry_after_is_a_sensible_wait_or_none(text: str) -> None:
    """A service cannot crash an attempt, nor silence a sink for longer than a day."""
    found = retry_after({"Retry-After": text}, NOW)

    assert found is None or 1.0 <= found <= 86_400.0


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", None),
        (b" \r\n\t ", None),
        (b"ok\n", "ok"),
        (b"<html>\n  <b>Bad\tgateway</b>\r\n</html>", "<html> <b>Bad gateway</b> </html>"),
        (b"\x1b[31mred\x00", "\\x1b[31mred\\x00"),
        ("\u202egnol".encode(), "\\u202egnol"),
        (b"\xff\xfe", "��"),
        (b"x" * 500, "x" * 500),
        (b"x" * 501, "x" * 499 + "…"),
        (b"\x00" * 200, ("\\x00" * 125)[:499] + "…"),
    ],
)
def test_an_excerpt_is_one_short_printable_line(body: bytes, line: str | None) -> None:
    """It is stored, listed and shown on terminals."""
    assert excerpt(body) == line


@given(st.binary(max_size=3000), st.integers(1, 600))
@settings(max_examples=200)
def test_any_answer_has_an_excerpt_within_its_limit(body: bytes, limit: int) -> None:
    """Whatever bytes a service sends."""
    line = excerpt(body, limit)

    assert line is None or (0 < len(line) <= limit and line.isprintable())


def test_a_flaw_is_a_message_that_knows_its_key() -> None:
    """The loader finds the line by it."""
    flaw = Flaw("secret", "it is wrong")

    assert (flaw, flaw.key) == ("it is wrong", "secret")


def test_a_url_that_turns_out_not_to_be_one_is_a_flaw() -> None:
    """A reference is only known to be a URL once it is resolved."""
    (flaw,) = Slack(url=Secret("env:SLACK", "hooks.slack.com/x")).problems()

    assert flaw.key == "url"
    assert flaw.startswith("env:SLACK holds no URL that can be used: not an http:// or https:// URL")
    assert "hooks" not in flaw


def test_a_sink_of_no_kind_does_nothing_by_itself() -> None:
    """What each must say for itself."""
    sink = Sink()

    assert (sink.destination, sink.supersedes, sink.escape("<&>"), sink.problems()) == (
        None,
        False,
        "<&>",
        [],
    )
    with pytest.raises(NotImplementedError):
        sink.request(sample(), delivery(), NOW)
    with pytest.raises(NotImplementedError):
        sink.preview(sample(), delivery(), NOW)
    assert sink.judge(Reply(200, {}, b""), NOW) == Delivered()


def test_a_fingerprint_tells_settings_apart_that_look_alike() -> None:
    """Which type, which key, which value: none runs into the other."""
    url = Secret("env:A", "https://a.example/")
    prints = {
        fingerprint(Sink()),
        fingerprint(Slack(url=url)),
        fingerprint(Slack(url=url, template=Template("a"))),
        fingerprint(Slack(url=url, ca="a")),
        fingerprint(Slack(url=url, name="a")),
        fingerprint(Slack(url=Secret("env:B", "https://a.example/"))),
        fingerprint(Slack(url=url, supersede=False)),
    }

    assert len(prints) == 7


def test_headers_and_rotated_secrets_count_in_a_fingerprint(tmp_path: Path) -> None:
    """A new value behind the same reference is a change."""
    sink = one_of("webhook", tmp_path)
    assert isinstance(sink, Webhook)
    others = [
        Webhook(url=sink.url, headers={"a": "1", "b": "2"}),
        Webhook(url=sink.url, headers={"a": "2", "b": "1"}),
        Webhook(url=sink.url, secret=(Secret("env:A", "1"),)),
        Webhook(url=sink.url, secret=(Secret("env:A", "2"),)),
        Webhook(url=sink.url, secret=(Secret("env:A", "2"), Secret("env:B", "1"))),
    ]

    assert len({fingerprint(other) for other in others}) == len(others)
    assert fingerprint(others[0]) == fingerprint(Webhook(url=sink.url, headers={"b": "2", "a": "1"}))
