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

    async def prune(
        self,
        before: float,
        border: int,
        look: Callable[[int], Awaitable[tuple[list[int], int]]],
        drop: Callable[[list[int]], Awaitable[int]],
    ) -> int:
        """Go on until some events are gone; how many, 0: the round is over. `before`: what may go is older.

        `look` says what may go after an id, and how far it looked; all ids are below `border`.
        """
        after = self._after if self._before == before else 0
        while after < border:
            numbers, after = await look(after)
            self._before, self._after = before, after
            pruned = await drop(numbers) if numbers else 0
            if pruned:
                return pruned
        self._before, self._after = 0.0, 0
        return 0


def stretch(rows: Sequence[tuple[int, object]], limit: int, border: int) -> tuple[list[int], int]:
    """Of the next `STEP` events (number, whether it may go) at most `limit`; and how far that looked."""
    numbers = []
    for number, prunable in rows:
        if prunable:
            numbers.append(number)
        if len(numbers) == limit:
            return numbers, number
    return numbers, rows[-1][0] if len(rows) == STEP else border
