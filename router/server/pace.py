"""Pace: how much work on large bodies one turn of the event loop does, and how many turns lie between.

Owns the queue of those who wait for it. Must not know what is done with a body.
"""

import asyncio
from collections import deque

# Verifying, decoding and digesting so many bytes holds the loop up for milliseconds, and so everybody.
_AT_ONCE = 1 << 20
# A request needs five turns from its connection to its answer: it is to meet such work once at most.
_TURNS = 8


class Pace:
    """Lets work of so many bytes begin, then lets turns of the loop pass; first come, first served."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._begun = 0
        self._left = 0

    async def turn(self, count: int) -> None:
        """Wait until work on so many bytes may begin."""
        if self._begun < _AT_ONCE:
            self._begin(count)
            return
        begins: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((count, begins))
        await begins

    def _begin(self, count: int) -> None:
        if not self._left:
            self._loop.call_soon(self._pass)
        self._left = _TURNS
        self._begun += count

    def _pass(self) -> None:
        """One more turn has passed; after the last, those who waited longest begin."""
        self._left -= 1
        if self._left:
            self._loop.call_soon(self._pass)
            return
        self._begun = 0
        while self._waiting and self._begun < _AT_ONCE:
            count, begins = self._waiting.popleft()
            if not begins.done():  # whose request ended meanwhile
                self._begin(count)
                begins.set_result(None)
