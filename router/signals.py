"""Signals: what an operator says by SIGHUP, SIGTERM and SIGINT, as a stream that no signal outruns.

Owns how each is caught from the first moment and what it does once the program stops. Must not know what
reloading or stopping means.
"""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

_ENDS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """An asynchronous iterator over the signals as they come, open inside its `with`.

    The first one that ends is the last: `ending` is told of it at once, whatever goes on meanwhile. Outside,
    and from then on, SIGHUP is ignored, and the signals that end do so at once. SIGHUP is never left to its
    default meanwhile, not for an instant: that would kill the process.
    """

    def __init__(self, ending: Callable[[], object]) -> None:
        self._ending = ending
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[signal.Signals] = asyncio.Queue()
        self._listening = False

    def __enter__(self) -> Self:
        # The loop wakes up for every signal it handles. SIGHUP gets a handler of its own: while the loop lets
        # go of a signal, its default action is back for a moment.
        for number in _ENDS:
            self._loop.add_signal_handler(number, self._end, number)
        signal.signal(signal.SIGHUP, self._hangup())
        self._listening = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deafen()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> signal.Signals:
        return await self._heard.get()

    def _end(self, number: signal.Signals) -> None:
        self._deafen()
        self._heard.put_nowait(number)
        self._ending()

    def _deafen(self) -> None:
        """Listen no more."""
        if self._listening:
            self._listening = False
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            for number in _ENDS:
                self._loop.remove_signal_handler(number)
                # Not Python's own for SIGINT: an exception anywhere in the loop may leave a callback undone,
                # for which the end would then wait.
                signal.signal(number, signal.SIG_DFL)

    def _hangup(self) -> Callable[[int, FrameType | None], None]:
        def hear(number: int, _frame: FrameType | None) -> None:
            self._loop.call_soon_threadsafe(self._heard.put_nowait, signal.Signals(number))

        return hear
