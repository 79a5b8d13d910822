"""Deadline: one time limit for many short waits, with one timer for all of them.

Owns the timer. Must not know what is waited for. `asyncio.timeout` sets a timer for each wait: too much where
thousands a second end long before it.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType


class Deadline:
    """Raises `TimeoutError` in a task whose `with` block lasts longer than `seconds`.

    For the tasks of one loop, each in one block at a time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # When each must be out of its block, and how often it was being cancelled before. The first is due
        # first, as all may last equally long.
        self._inside: dict[asyncio.Task[object], tuple[float, int]] = {}
        self._late: dict[asyncio.Task[object], int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __enter__(self) -> None:
        # Known once: to ask which loop runs is a system call each time.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("a deadline needs a task that it can interrupt")
        end = loop.time() + self._seconds
        self._inside[task] = end, task.cancelling()
        if self._timer is None:
            self._timer = loop.call_at(end, self._interrupt, loop.time)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = asyncio.current_task(self._loop)
        if task is None or self._inside.pop(task, None) is not None:
            return
        # Somebody else may have cancelled it too: that goes on.
        if task.uncancel() <= self._late.pop(task) and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def _interrupt(self, now: Callable[[], float]) -> None:
        """Interrupt whoever is late, then wait for the next who may become so."""
        self._timer = None
        for task, (end, cancelling) in list(self._inside.items()):
            if end > now():
                self._timer = task.get_loop().call_at(end, self._interrupt, now)
                return
            del self._inside[task]
            self._late[task] = cancelling
            task.cancel()
