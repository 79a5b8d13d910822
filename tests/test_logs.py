"""Logs: one line per record, valid, harmless, and without a secret."""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.http_exceptions import BadStatusLine
from hypothesis import given, settings
from hypothesis import strategies as st

from router import logs
from router.record import plain
from router.secret import Secret, Url
from tests.server.edge import Time

HOSTILE = 'main\n{"level":"critical"}\r\x1b[31m\u2028\u202e\x00\x7f\x9b\ud800'


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


class Full(io.StringIO):
    """A stream that nobody reads any more."""

    def write(self, text: str) -> int:
        """Fails as a closed pipe does."""
        raise BrokenPipeError


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging is one for the whole process: leave it as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def lines() -> Callable[[], list[dict[str, Any]]]:
    """The records written as JSON so far; every line must be one."""
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)

    def read() -> list[dict[str, Any]]:
        text = stream.getvalue()
        assert text.isascii()
        assert all(letter == "\n" or 0x20 <= ord(letter) < 0x7F for letter in text)
        return [json.loads(line) for line in text.splitlines()]

    return read


def test_a_record_is_one_json_line(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Time, level, event, then the fields as they are."""
    structlog.get_logger("any").info("event_accepted", id="evt_1", count=2, ok=True, none=None, share=0.5)

    (line,) = lines()

    assert list(line) == ["time", "level", "event", "id", "count", "ok", "none", "share"]
    assert line["time"].endswith("Z")
    assert (line["level"], line["event"], line["id"]) == ("info", "event_accepted", "evt_1")
    assert (line["count"], line["ok"], line["none"], line["share"]) == (2, True, None, 0.5)


def test_a_hostile_branch_is_one_valid_line(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """No line break, escape sequence or reversed text of a stranger reaches the file."""
    structlog.get_logger().warning("rule_matched", branch=HOSTILE, branches=[HOSTILE], by={HOSTILE: HOSTILE})

    (line,) = lines()

    assert line["branch"] == HOSTILE.replace("\ud800", "\\ud800")
    assert line["branches"] == [line["branch"]]
    assert line["by"] == {line["branch"]: line["branch"]}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(min_size=1), ANYTHING))
def test_any_value_is_one_valid_line(fields: dict[str, Any]) -> None:
    """Whatever was put into a field, machines can read the line."""
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)

    structlog.get_logger().info("seen", fields=fields)

    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "seen"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Secret("env:TOKEN", "s3cret"), "Secret(env:TOKEN)"),
        (Url("env:SLACK", "https://hooks.slack.com/services/s3cret"), "Url(https://hooks.slack.com/…)"),
        ("https://user:s3cret@example.com/path?key=s3cret", "https://example.com/…"),
        ("posting to https://example.com/s3cret failed", "posting to https://example.com/… failed"),
        ("postgresql://user:s3cret@db/router", "postgresql://db/…"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://[s3cret", "…"),
        (ValueError("cannot reach https://example.com/s3cret"), "cannot reach https://example.com/…"),
        (b"https://user:s3cret@example.com", "https://example.com"),
        (b"\xff\x00ok", "\\xff\x00ok"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (2**63, "0x8000000000000000"),
        (-5, -5),
        (Path("/etc/x"), "/etc/x"),
        (ip_address("192.0.2.7"), "192.0.2.7"),
        ((1, "a"), [1, "a"]),
        (Decimal("1.5"), "<Decimal>"),
        (object(), "<object>"),
        ([[[[[1]]]]], [[[["<list>"]]]]),
        ({1: {"token": "s3cret"}}, {"1": {"token": "…"}}),
        (list(range(60)), list(range(50))),
    ],
)
def test_a_value_is_shown_safely(
    value: object, shown: object, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    """Secrets are masked, URLs cut, odd values named, long ones ended."""
    structlog.get_logger().info("seen", value=value)

    (line,) = lines()

    assert line["value"] == shown
    assert "s3cret" not in str(line)


@pytest.mark.parametrize("name", ["token", "secret", "password", "authorization", "cookie", "signature"])
def test_a_field_named_like_a_secret_is_hidden(name: str, lines: Callable[[], list[dict[str, Any]]]) -> None:
    """A slip in one log call does not publish a token; that there was none may be said."""
    structlog.get_logger().info("seen", **{name: "s3cret"})
    structlog.get_logger().info("seen", **{name: None})

    assert [line[name] for line in lines()] == ["…", None]


def test_a_long_text_is_cut(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """A megabyte of a stranger's text is no megabyte of log."""
    structlog.get_logger().info("seen", title="x" * 1_000_000)

    assert lines()[0]["title"] == "x" * 4096 + "…"


def test_a_cut_never_turns_a_password_into_a_host(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """A URL that the cut ends before its `@` is dropped as a whole."""
    start = "x" * 4075 + " "
    structlog.get_logger().info("seen", text=f"{start}https://user:s3cret@example.com/")

    assert lines()[0]["text"] == f"{start}……"


def test_an_exception_keeps_its_traceback_and_loses_its_urls(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    """A crash can be understood from one line."""
    try:
        raise RuntimeError("https://user:s3cret@example.com/x")  # noqa: TRY301  # to have a traceback
    except RuntimeError:
        structlog.get_logger().exception("request_crashed")

    (line,) = lines()

    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("RuntimeError: https://example.com/…")


def test_records_of_libraries_take_the_same_form() -> None:
    """Their text is a field, never the event's name; what is less than a warning stays out."""
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    logging.getLogger("asyncio").warning("slow: %s", HOSTILE)
    logging.getLogger("asyncio").info("chatter")
    logging.getLogger("odd").error("%d%%", "no number")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old habit", DeprecationWarning, stacklevel=2)
        logging.captureWarnings(capture=False)

    first, second, third = map(json.loads, stream.getvalue().splitlines())

    assert (first["event"], first["library"], first["level"]) == ("library_message", "asyncio", "warning")
    assert first["message"].startswith("slow: main\n")
    assert second["message"] == "%d%%"
    assert third["library"] == "py.warnings"
    assert "old habit" in third["message"]


def test_a_stranger_cannot_fill_the_log_with_tracebacks(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    """Malformed HTTP that a library reports is a name; a bug that it reports keeps its traceback."""
    logger = logging.getLogger("aiohttp.server")
    for error in (BadStatusLine("\x1b[31mevil"), KeyError("bug")):
        try:
            raise error
        except (BadStatusLine, KeyError):
            logger.exception("Error handling request from %s", "192.0.2.1")

    malformed, bug = lines()

    assert malformed["message"] == "BadStatusLine"
    assert "exception" not in malformed
    assert bug["message"] == "Error handling request from 192.0.2.1"
    assert bug["exception"].endswith("KeyError: 'bug'")


@pytest.mark.parametrize("error", [BadStatusLine("junk"), web.RequestPayloadError("no gzip")])
def test_a_stranger_cannot_fill_the_log_through_a_library(
    lines: Callable[[], list[dict[str, Any]]], error: Exception
) -> None:
    """Whoever reaches the admin listener needs no token to send it what is no HTTP, thousands a second."""
    logger = logging.getLogger("aiohttp.server")
    for _ in range(1000):
        logger.error("Unhandled exception", exc_info=error)

    written = lines()

    assert 10 <= len(written) < 100
    assert {(line["level"], line["library"], line["message"]) for line in written} == {
        ("warning", "aiohttp.server", type(error).__name__)
    }
    assert not any("exception" in line for line in written)


def test_details_appear_only_on_request() -> None:
    """`verbose` is for whoever looks for a fault."""
    quiet, loud = io.StringIO(), io.StringIO()
    logs.configure(json=True, stream=quiet)
    structlog.get_logger().debug("detail")
    logs.configure(json=True, verbose=True, stream=loud)
    structlog.get_logger().debug("detail")

    assert quiet.getvalue() == ""
    assert json.loads(loud.getvalue())["event"] == "detail"


def test_a_terminal_gets_readable_lines() -> None:
    """No JSON for people, and no control character of a stranger on their terminal."""
    stream = Terminal()
    logs.configure(stream=stream)
    structlog.get_logger().info("event_accepted", branch=HOSTILE, labels={"team": HOSTILE}, count=3, ok=True)

    text = stream.getvalue()

    assert text.count("\n") == 1
    assert "event_accepted" in text
    assert "\x1b[31m" not in text
    for letter in HOSTILE.replace("main", ""):
        assert letter.isprintable() or letter in "\n\x1b" or letter not in text


@pytest.mark.parametrize(("variable", "coloured"), [("", True), ("1", False)])
def test_who_wants_no_colour_gets_none(
    variable: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every other command has it: https://no-color.org."""
    monkeypatch.setenv("NO_COLOR", variable)
    stream = Terminal()
    logs.configure(stream=stream)

    structlog.get_logger().info("started")

    assert ("\x1b[" in stream.getvalue()) is coloured


def test_a_traceback_on_a_terminal_stands_below_its_line() -> None:
    """Indented, each line escaped by itself."""
    stream = io.StringIO()
    logs.configure(json=False, stream=stream)
    try:
        raise RuntimeError("\x1b[2Jboom")  # noqa: TRY301  # to have a traceback
    except RuntimeError:
        structlog.get_logger().exception("request_crashed")

    first, *rest = stream.getvalue().splitlines()

    assert first.split()[1:] == ["[error", "]", "request_crashed"]
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == "    RuntimeError: \\x1b[2Jboom"


def test_what_is_no_terminal_gets_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a word: JSON on standard error, as under systemd."""
    logs.configure()
    structlog.get_logger().info("started")

    assert json.loads(capsys.readouterr().err)["event"] == "started"


def test_a_log_that_cannot_be_written_costs_no_request() -> None:
    """Whoever logs goes on."""
    logs.configure(json=True, stream=Full())

    structlog.get_logger().info("started")


def test_a_flood_of_strangers_is_a_few_lines(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """100,000 bad requests within a minute: at most 100 lines, and the next one says how many are missing."""
    time = Time()
    sparing = logs.Sparing(lambda: time.monotonic)
    for _ in range(100_000):
        sparing.warning("sender_refused", "web", status=401)
        time.pass_by(60 / 100_000)
    flood = lines()
    time.pass_by(60)
    sparing.warning("sender_refused", "web", status=401)

    last = lines()[-1]

    assert len(flood) <= 100
    assert flood[0] == {key: flood[0][key] for key in ("time", "level", "event", "source", "status")}
    assert len(flood) + sum(line.get("suppressed", 0) for line in [*flood, last]) == 100_000


def test_one_flood_does_not_hide_another_kind(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """Each event of each source has its own lines."""
    sparing = logs.Sparing(lambda: 0.0)
    for _ in range(50):
        sparing.warning("sender_refused", "web")
    sparing.warning("body_too_large", "web")
    sparing.warning("sender_refused", "other")
    sparing.warning("sender_refused", None)

    assert [(line["event"], line["source"]) for line in lines()[10:]] == [
        ("body_too_large", "web"),
        ("sender_refused", "other"),
        ("sender_refused", None),
    ]


@pytest.mark.parametrize(
    "value", ["\x7f", "ü", "\x1b[31m", "a" * 300, "https://x/hooks/secret", ["a\x7f"] * 9]
)
def test_what_is_not_ordinary_is_looked_at(lines: Callable[[], list[dict[str, Any]]], value: Any) -> None:
    """The short way is for plain words only; everything else takes the long one, wherever it stands."""
    structlog.get_logger().info("said", value=value, many=[value], nested={"a": value})

    (line,) = lines()

    assert line["value"] == line["many"][0] == line["nested"]["a"] == plain(value)
