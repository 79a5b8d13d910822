"""Ending: a loop that fails is named, and no thread keeps the process."""

import asyncio
import threading

import pytest
from structlog.testing import capture_logs

from router.ending import Departure, named

LIMIT = 20.0


class Loop:
    """A loop that fails, or ends."""

    async def fail(self) -> None:
        """A bug."""
        raise KeyError("why")

    async def end(self) -> None:
        """As told."""


async def test_a_loop_that_fails_is_named_and_goes_on_failing() -> None:
    """Who reads the log knows which one it was."""
    with capture_logs() as lines, pytest.raises(KeyError):
        await named(Loop().fail)

    assert [(line["event"], line["loop"]) for line in lines] == [("loop_failed", "Loop.fail")]


async def test_a_loop_that_ends_or_is_cancelled_says_nothing() -> None:
    """Stopping is no failure."""
    with capture_logs() as lines:
        await named(Loop().end)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await named(asyncio.Event().wait)

    assert lines == []


class Exit:
    """Stands for the end of the process: the codes that it was left with, and whether it was."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.came = threading.Event()

    def __call__(self, code: int) -> None:
        """Note it instead of ending."""
        self.codes.append(code)
        self.came.set()


@pytest.mark.parametrize(("error", "code"), [(None, 0), (OSError("why"), 1)])
def test_the_process_ends_whatever_its_threads_do(error: Exception | None, code: int) -> None:
    """The last resort gets the code that the end deserves."""
    exit_ = Exit()
    try:
        with Departure(0.0, exit_):
            if error is not None:
                raise error
    except OSError:
        pass

    assert exit_.came.wait(LIMIT)
    assert exit_.codes == [code]


def test_a_block_that_does_not_end_is_left_with_1_and_a_word() -> None:
    """Once it was told to: until then it may last."""
    exit_ = Exit()
    with capture_logs() as lines, Departure(LIMIT, exit_) as departure:
        departure.begin(0.0)
        assert exit_.came.wait(LIMIT)

    assert exit_.codes == [1]
    assert [(line["event"], line["error"]) for line in lines] == [
        ("stopped_in_doubt", "what runs, or the journal, did not end within 0 s")
    ]


def test_a_block_that_ends_in_time_is_not_left_for_its_bound() -> None:
    """However far that is."""
    exit_ = Exit()
    with capture_logs() as lines, Departure(0.0, exit_) as departure:
        departure.begin(9e13)

    assert exit_.came.wait(LIMIT)
    assert (exit_.codes, lines) == ([0], [])
