"""Agenda: when the next pending delivery of each sink may be due, in memory. For the loop's thread only.

Owns the answer to "need anybody look?": a time may be too early, never too late. Must not know what is
pending.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import inf

from router.delivery import State

LOOK = 0.0


class Agenda:
    """The earliest due time by sink, as far as it is known; `LOOK`: nobody knows."""

    def __init__(self, unknown: Iterable[str] = ()) -> None:
        self._next = dict.fromkeys(unknown, LOOK)

    def next(self, sink: str) -> float:
        """Nothing pending of this sink is due before that time; infinite: nothing is pending."""
        return self._next.get(sink, inf)

    @contextmanager
    def emptied(self, sinks: Collection[str]) -> Iterator[None]:
        """While all that is pending of these is being claimed nothing is; nobody knows if that fails."""
        self._next.update(dict.fromkeys(sinks, inf))
        claimed = False
        try:
            yield
            claimed = True
        finally:
            if not claimed:
                self._next.update(dict.fromkeys(sinks, LOOK))

    def apply(
        self, moves: Mapping[tuple[str, State], int], due: Mapping[str, float], left: Mapping[str, float]
    ) -> None:
        """Follow a commit: what became pending is due at `due`, else at once.

        `left`: before that time a claim left nothing due. Whatever else is no longer pending may have been
        what was due first.
        """
        for (sink, state), change in moves.items():
            if state is State.PENDING and change and sink not in left:
                self._expect(sink, due.get(sink, LOOK) if change > 0 else LOOK)
        for sink, at in due.items():
            self._expect(sink, at)
        self._next.update(left)

    def _expect(self, sink: str, at: float) -> None:
        self._next[sink] = min(at, self._next.get(sink, inf))
