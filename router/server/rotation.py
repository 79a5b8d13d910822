"""Rotation: who reads on in this turn of the event loop, where many have much to send.

Owns the order in which they take turns. Must not know what is read.
"""

import asyncio
import heapq
from collections import deque
from itertools import count
from typing import Protocol

# Large reads in one turn of the loop, of either kind. A request needs several turns until its answer, so
# everybody waits several times for what one turn does.
_A_TURN = 4


class Reader(Protocol):
    """Who reads."""

    def hold(self) -> None:
        """Read nothing until `release`."""
        ...

    def release(self) -> None:
        """Read on."""
        ...


class Rotation:
    """Lets a few readers go on in each turn of the loop.

    Of those whose bytes are kept, the ones that began first: so that some come to their end, instead of all
    being half there. Of those whose bytes are dropped, the ones that have waited longest.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._keeping: list[tuple[int, Reader]] = []
        self._dropping: deque[Reader] = deque()
        self._read = 0
        self._scheduled = False

    def number(self) -> int:
        """The next place in the order in which they begin."""
        return next(self._numbers)

    def has_read(self, reader: Reader, place: int | None) -> None:
        """Somebody read much: if enough others did in this turn, it is held until its next.

        `place` is its number, which nobody else has; None if what it reads is dropped.
        """
        self._read += 1
        if self._read > _A_TURN:
            reader.hold()
            if place is None:
                self._dropping.append(reader)
            else:
                heapq.heappush(self._keeping, (place, reader))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._read = 0
        for _ in range(min(_A_TURN, len(self._keeping))):
            heapq.heappop(self._keeping)[-1].release()
        for _ in range(min(_A_TURN, len(self._dropping))):
            self._dropping.popleft().release()
        self._scheduled = bool(self._keeping or self._dropping)
        if self._scheduled:
            self._loop.call_soon(self._turn)
