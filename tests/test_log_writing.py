"""When lines are written: soon, in order, whole, and none is lost."""

import asyncio
import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog
from anyio.lowlevel import checkpoint

from router import logs


class Counted(io.StringIO):
    """A stream that counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        """Count and keep."""
        self.writes += 1
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
