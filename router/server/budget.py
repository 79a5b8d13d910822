"""Budget: the memory set aside for the bodies of all requests in flight, and each one's portion of it.

Owns who gets room, and who loses it to whom. Must not know how a body is read, or whose it is.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

from router.errors import IntakeError, TooLarge, Unavailable
from router.metrics import Metrics

# Bytes of a body that must have come before room is reserved for its rest: headers cost a stranger nothing.
# Less than one read, so that a sender for whom there is no room hears it after the first.
_RESERVE_AFTER = 8 << 10
# How far a body may lag behind an even pace before its room can go to another, as a part of its time limit.
_LAG = 0.1


def _no_room() -> Unavailable:
    """The refusal of what does not fit into the budget."""
    return Unavailable("too much in flight", retry_after=1)


class Budget:
    """The bytes of all bodies in flight: what was read and is not yet answered.

    As soon as some of a body has come, room is reserved for its rest: else all would begin, few would find
    room to their end, and the others would learn of it late. A body so slow that it would not be complete
    within `seconds` loses its room to whoever asks for it: else a few that only began would keep everybody
    out for that long.
    """

    def __init__(self, limit: int, metrics: Metrics, seconds: float, now: Callable[[], float]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._now = now
        self._used = self._reserved = 0
        # Those whose bodies are not complete, in the order in which they began, and how to cut each off.
        self._arriving: dict[Portion, Callable[[], None]] = {}
        metrics.body_bytes(lambda: self._used)

    def expect(self, count: int) -> None:
        """Refuse a body that has no room now, before anybody sends or reads it; nothing is counted.

        Raises:
            Unavailable: the limit would be passed.
        """
        if not self.make_room(count):
            raise _no_room()

    def portion(self, most: int, announced: int) -> "Portion":
        """One request's portion, empty so far, of so many bytes at most."""
        return Portion(self, most, announced, self._now())

    def make_room(self, count: int, portion: "Portion | None" = None) -> bool:
        """Whether so much fits, if need be in the place of bodies that are too slow.

        For bytes that have come, those of `portion`, also in the place of bodies that began later: else
        bodies that arrive side by side would fill it with their beginnings, and none would be complete.
        """
        while self._used + self._reserved + count > self._limit:
            loser = self._late() or (portion and self._last(portion))
            if loser is None:
                return False
            self._arriving.pop(loser)()
            loser.drop()
        return True

    def _late(self) -> "Portion | None":
        """The first whose body is too slow."""
        now = self._now()
        return next((each for each in self._arriving if each.is_late(now, self._seconds)), None)

    def _last(self, portion: "Portion") -> "Portion | None":
        """The last to begin of those that have no room for their rest, unless that is `portion`."""
        last = next((each for each in reversed(self._arriving) if not each.reserved), None)
        return None if last is portion else last

    def count(self, used: int, reserved: int) -> None:
        """Count so many bytes more, or, below 0, fewer."""
        self._used += used
        self._reserved += reserved

    @contextmanager
    def arriving(self, portion: "Portion", cut: Callable[[], None]) -> Iterator[None]:
        """While a body arrives it may be `cut`, its portion dropped, for one that began earlier."""
        self._arriving[portion] = cut
        try:
            yield
        finally:
            self._arriving.pop(portion, None)


class Portion:
    """What one request takes of the budget; given back at the end of its `with`.

    Bytes count when they arrive, not when a header announces them: else a stranger fills the budget with
    headers. For what is announced there only has to be room at that moment. `reserved` is the room for the
    rest of a body of which some has come.
    """

    def __init__(self, budget: Budget, most: int, announced: int, began: float) -> None:
        self.reserved = 0
        self._budget = budget
        self._most = most
        self._announced = announced
        self._began = began
        self._taken = 0
        self._refusal: Callable[[], IntakeError] | None = None

    def take(self, count: int) -> bool:
        """Take more; False: there is no room for it, or it is too much for one."""
        spent = min(count, self.reserved)
        if self._taken + count > self._most:
            self._refusal = TooLarge
        elif self._budget.make_room(count - spent, self):
            self._count(count, -spent)
            if self._taken - count < _RESERVE_AFTER <= self._taken:
                self._reserve(max(0, self._announced - self._taken))
        else:
            self._refusal = _no_room
        return self._refusal is None

    def _reserve(self, rest: int) -> None:
        """Reserve room for what is still to come, if there is any."""
        if self._budget.make_room(rest):
            self._count(0, rest)
        else:
            self._refusal = _no_room

    def arriving(self, cut: Callable[[], None]) -> AbstractContextManager[None]:
        """See `Budget.arriving`."""
        return self._budget.arriving(self, cut)

    def is_late(self, now: float, seconds: float) -> bool:
        """Whether room is reserved for a rest that, at this pace, will not have come after `seconds`."""
        due = (now - self._began) / seconds - _LAG
        return self.reserved > 0 and self._taken < due * self._announced

    def drop(self) -> None:
        """Give everything back: somebody else gets the room."""
        self._refusal = _no_room
        self._give()

    def _give(self) -> None:
        self._count(-self._taken, -self.reserved)

    def _count(self, taken: int, reserved: int) -> None:
        self._taken += taken
        self.reserved += reserved
        self._budget.count(taken, reserved)

    def check(self) -> None:
        """Raise `TooLarge` or `Unavailable` if something could not be taken."""
        if self._refusal is not None:
            raise self._refusal()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._taken:
            self._give()
