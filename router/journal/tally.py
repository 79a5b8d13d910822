"""Tally: deliveries by sink and state, in memory after one count at start. For the loop's thread only."""

from collections.abc import Iterable, Mapping

from router.delivery import State

Moves = dict[tuple[str, State], int]


class Tally:
    """Counts that follow what was committed."""

    def __init__(self, counted: Iterable[tuple[str, State, int]]) -> None:
        self._counts: Moves = {}
        for sink, state, count in counted:
            self._counts[sink, state] = self._counts.get((sink, state), 0) + count

    def apply(self, moves: Mapping[tuple[str, State], int]) -> None:
        """Add what a commit changed."""
        for key, change in moves.items():
            self._counts[key] = self._counts.get(key, 0) + change

    def pending(self, sink: str) -> int:
        """How many deliveries of a sink are pending."""
        return self._counts.get((sink, State.PENDING), 0)

    @property
    def in_flight(self) -> int:
        """How many deliveries are in flight, of all sinks."""
        return sum(count for (_, state), count in self._counts.items() if state is State.IN_FLIGHT)

    def waiting(self) -> list[str]:
        """The sinks for which something is pending."""
        return [sink for (sink, state), count in self._counts.items() if state is State.PENDING and count]

    def snapshot(self) -> Moves:
        """All counts that are not zero."""
        return {key: count for key, count in self._counts.items() if count}


def shift(moves: Moves, sink: str, before: State | None, after: State | None, count: int = 1) -> None:
    """Note that so many deliveries of a sink went from one state to another; None is "not there"."""
    if before is not None:
        moves[sink, before] = moves.get((sink, before), 0) - count
    if after is not None:
        moves[sink, after] = moves.get((sink, after), 0) + count
