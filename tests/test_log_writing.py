"""What is logged becomes lines: soon, in order, whole, and none is lost."""

import asyncio
import io
import json
import logging
import math
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from anyio.lowlevel import checkpoint
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from router import logs
from router.record import plain
from router.secret import Secret
from tests.test_logs import ANYTHING, HOSTILE

URL = "ab://s3cret/s3cret"
# What the short way must tell from plain words, most of it on either side of a border.
TEXTS = ["~", "\x7f", "\x9b", "ü", "\ud800", "\\u007f", ":/", "://", URL, "x" * 4096, "x" * 4097, b"ab", ""]
NUMBERS = [2**63 - 1, 2**63, 1 - 2**63, -(2**63), 2**64, -0.0, math.nan, math.inf, True, None]
LISTS = [[""] * 50, [""] * 51, [URL], ["ü"], [2**63], [[]], ["x" * 4097], ["a", {"token": "s3cret"}], ("ab",)]
HARDLY_PLAIN = [*TEXTS, *NUMBERS, *LISTS]
PLAIN = st.text('ab:/\\"\n\x1b ') | st.booleans() | st.none() | st.integers() | st.floats()
VALUES = st.sampled_from([PLAIN, st.lists(PLAIN), st.sampled_from(HARDLY_PLAIN), ANYTHING]).flatmap(
    lambda kind: kind
)
NAMES = st.sampled_from(["id", "time", "level", "exception"])
ODD_NAMES = st.sampled_from(["exc_info", "token", "cookie", "ü", "\x7f", URL])
FIELDS = st.dictionaries(NAMES, VALUES, max_size=2) | st.dictionaries(NAMES | ODD_NAMES, VALUES)


class Counted(io.StringIO):
    """A stream that counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        """Count and keep."""
        self.writes += 1
        return super().write(text)


class Slow(io.StringIO):
    """A stream whose reader takes the first line only once it is told to; `told` is False if nobody did."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.told = True

    def write(self, text: str) -> int:
        """Wait, and keep."""
        self.begun.set()
        self.told = self.go_on.wait(10) and self.told
        return super().write(text)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging is one for the whole process: leave it as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


async def test_the_lines_of_one_round_of_the_loop_are_one_write() -> None:
    """In their order; they are there before anything else runs in the next round."""
    stream = Counted()
    logs.configure(json=True, stream=stream)
    log = structlog.get_logger()
    for _ in range(2):
        stream.writes = 0
        for number in range(3):
            log.info("event_accepted", number=number)

        assert stream.writes == 0
        await checkpoint()
        assert stream.writes == 1

    numbers = [json.loads(line)["number"] for line in stream.getvalue().splitlines()]
    assert numbers == [0, 1, 2] * 2


@pytest.mark.parametrize("level", ["error", "critical"])
async def test_an_error_is_written_at_once(level: str) -> None:
    """Behind what came before it: the process may not live to see the next round."""
    stream = Counted()
    logs.configure(json=True, stream=stream)
    structlog.get_logger().info("first")
    getattr(structlog.get_logger(), level)("second")

    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]

    assert events == ["first", "second"]


def test_what_a_loop_left_behind_is_written_with_the_next_line() -> None:
    """A loop that ends, or one after it, loses no line."""
    stream = Counted()
    logs.configure(json=True, stream=stream)

    async def last_words() -> None:
        structlog.get_logger().info("ended")

    loop = asyncio.new_event_loop()
    task = loop.create_task(last_words())
    task.add_done_callback(lambda _: loop.stop())
    loop.run_until_complete(task)
    loop.close()
    structlog.get_logger().info("afterwards")

    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]

    assert events == ["ended", "afterwards"]


async def test_lines_of_threads_do_not_mix() -> None:
    """A thread has no loop and does not wait; every line arrives, whole and once."""
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)

    def talk(name: str) -> None:
        for number in range(200):
            structlog.get_logger().info("talking", by=name, number=number)

    threads = [threading.Thread(target=talk, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for number in range(200):
        structlog.get_logger().info("talking", by="loop", number=number)
        await checkpoint()
    for thread in threads:
        thread.join()
    await checkpoint()

    said = [json.loads(line) for line in stream.getvalue().splitlines()]
    for name in ("a", "b", "loop"):
        assert [line["number"] for line in said if line["by"] == name] == list(range(200))


async def test_what_is_logged_while_another_thread_writes_comes_after_it() -> None:
    """It does not wait for a slow reader, and is not lost."""
    stream = Slow()
    logs.configure(json=True, stream=stream)
    thread = threading.Thread(target=lambda: structlog.get_logger().info("first"))
    thread.start()
    stream.begun.wait()
    structlog.get_logger().info("second")
    stream.go_on.set()
    thread.join()
    await checkpoint()

    assert stream.told
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["first", "second"]


def test_what_a_log_was_bound_to_stands_in_each_of_its_lines() -> None:
    """Before the fields of the one call, which may say it anew."""
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    log = structlog.get_logger().bind(source="web", tries=1)
    log.info("seen")
    log.warning("seen", tries=2, status=401)

    first, second = (list(json.loads(line).items())[1:] for line in stream.getvalue().splitlines())

    assert first == [("level", "info"), ("event", "seen"), ("source", "web"), ("tries", 1)]
    assert second[2:] == [("source", "web"), ("tries", 2), ("status", 401)]


def test_what_is_captured_is_not_written() -> None:
    """As structlog's own aid for tests has it, of a log that was bound before, too."""
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    log = structlog.get_logger().bind()
    with capture_logs() as captured:
        log.info("seen", number=1)

    assert captured == [{"event": "seen", "number": 1, "log_level": "info"}]
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("number", "level"), [(30, "warning"), (35, "warning"), (40, "error"), (50, "critical"), (99, "critical")]
)
def test_a_library_may_have_levels_of_its_own(number: int, level: str) -> None:
    """They are shown as the one of ours below them."""
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    logging.getLogger("odd").log(number, "said")

    assert json.loads(stream.getvalue())["level"] == level


@pytest.mark.parametrize(("verbose", "levels"), [(True, ["debug", "debug"]), (False, [])])
def test_details_are_details_however_they_are_said(verbose: bool, levels: list[str]) -> None:
    """By their own method or by the number of their level."""
    stream = io.StringIO()
    logs.configure(json=True, verbose=verbose, stream=stream)
    structlog.get_logger().debug("seen")
    structlog.get_logger().log(logging.DEBUG, "seen")

    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == levels


def written(event: str, fields: dict[str, Any]) -> str:
    """The line of a record without its time; beside a field that needs the long way it must be the same."""
    stream = io.StringIO()
    logs.configure(json=True, stream=stream)
    structlog.get_logger().info(event, **fields)
    structlog.get_logger().info(event, **fields, odd=Secret("env:TOKEN"))
    alone, beside = (
        re.sub('^{"time":"[0-9T:.-]+Z"', '{"time":""', line) for line in stream.getvalue().splitlines()
    )
    assert beside == alone.removesuffix("}") + ',"odd":"Secret(env:TOKEN)"}'
    return alone


@pytest.mark.parametrize("name", ["value", "exception", "token"])
@pytest.mark.parametrize("value", HARDLY_PLAIN, ids=range(len(HARDLY_PLAIN)))
def test_what_is_hardly_plain_is_looked_at(name: str, value: Any) -> None:
    """The short way is for plain words only; everything else takes the long one."""
    hidden = name == "token" and value is not None
    shown = "…" if hidden else plain(value, 16_384 if name == "exception" else 4096)

    record = {"time": "", "level": "info", "event": "said", name: shown}
    assert written("said", {name: value}) == json.dumps(record, separators=(",", ":"))


@settings(max_examples=150, deadline=None)
@given(st.just("seen") | st.sampled_from([HOSTILE, URL]) | st.text(), FIELDS)
def test_a_field_is_written_alike_whatever_stands_beside_it(event: str, fields: dict[str, Any]) -> None:
    """Plain words go the short way, beside anything else the long one: the line must not tell."""
    assert json.loads(written(event, fields))["event"] == plain(event)
