"""Walk: through the events that are old enough to go, in short stretches, round after round.

Owns how far the round has come. Must not know how events are read or deleted.
"""

from collections.abc import Awaitable, Callable, Sequence

# Events that one stretch looks at.
STEP = 2000


class Walk:
    """How far the round has come; one with another time is another round."""

    def __init__(self) -> None:
        self._before, self._after = 0.0, 0
        self._found: list[int] = []

    async def prune(
        self,
        before: float,
        border: int,
        limit: int,
        look: Callable[[int], Awaitable[tuple[list[int], int]]],
        drop: Callable[[list[int]], Awaitable[int]],
    ) -> int:
        """Go on until some events are gone, `limit` at most; how many, 0: the round is over.

        What may go is older than `before`, its id below `border`. `look` says what may go behind an id, and
        how far it looked; `drop` looks again whether it still may.
        """
        if self._before != before:
            self._before, self._after, self._found = before, 0, []
        while self._found or self._after < border:
            if not self._found:
                self._found, self._after = await look(self._after)
            bite, self._found = self._found[:limit], self._found[limit:]
            if bite and (pruned := await drop(bite)):
                return pruned
        self._before = 0.0
        return 0


def stretch(rows: Sequence[tuple[int, object]], border: int) -> tuple[list[int], int]:
    """Which of the next `STEP` events (number, whether it may go) may go, and how far that looked."""
    return [number for number, prunable in rows if prunable], rows[-1][0] if len(rows) == STEP else border
