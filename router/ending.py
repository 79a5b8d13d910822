"""Ending: how a background loop and how the process end, so that nobody has to guess or to wait.

Owns the last word in the log and the last resort. Must not know what the loops do.
"""

import os
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

import structlog

log = structlog.get_logger(__name__)

_LAST_RESORT = 2.0

T = TypeVar("T")


class _Ending:
    """A `with` block that looks at its own end without catching anything."""

    def __enter__(self) -> Self:
        return self


class _Named(_Ending):
    """Says which loop failed: an exception alone does not."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            log.critical("loop_failed", loop=self._name, error=str(error))


async def named(loop: Callable[[], Awaitable[None]]) -> None:
    """Run a background loop; its failure is logged under its name and goes on to stop the program."""
    with _Named(getattr(loop, "__qualname__", repr(loop))):
        await loop()


class Departure(_Ending):
    """Ends the process soon after the block, even if a thread hangs: all that counts is closed by then.

    Python waits for threads for ever: one that writes to a pipe that nobody reads, or a resolver without an
    answer. `leave` is for tests; the code is 0 after a regular end, else 1.

    Once the end was begun, the block itself has a bound too.
    """

    def __init__(self, within: float = _LAST_RESORT, leave: Callable[[int], object] = os._exit) -> None:
        self._within = within
        self._leave = leave
        self._overdue: threading.Timer | None = None

    def begin(self, bound: float) -> None:
        """The block is to end within `bound` seconds. Else the process does, with code 1.

        What is in doubt then, such as a commit that its server does not answer, the next start finds out.
        """
        self._overdue = _timer(bound, self._abandon, bound)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        _timer(self._within, self._leave, 0 if error is None else 1)

    def _abandon(self, bound: float) -> None:
        # Not even the log may keep it.
        _timer(self._within, self._leave, 1)
        log.critical(
            "stopped_in_doubt",
            error=f"what runs, or the journal, did not end within {bound:g} s",
            fix="look at the journal's disk or server; the next start goes on with what is in doubt",
        )
        self._leave(1)


def _timer(seconds: float, act: Callable[[T], object], argument: T) -> threading.Timer:
    """Do that in so many seconds, unless the process has ended."""
    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), act, (argument,))
    timer.daemon = True
    timer.start()
    return timer
