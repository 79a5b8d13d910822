"""Clock: time that a stepping wall clock cannot move, and ids that never go back.

Owns both because an id is a time. Must not know what the ids are for.
"""

import time
from collections.abc import Callable

# Crockford's base 32 in lower case: no letter that reads like a digit, and text order is number order.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 13
# Ids are written and read for every event: two letters at a time, and in the digits that `int` knows.
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_NO_DIGIT = "!"
_DIGITS = {
    code: "0123456789abcdefghijklmnopqrstuv"[_ALPHABET.index(letter)] if letter in _ALPHABET else _NO_DIGIT
    for code, letter in ((code, chr(code)) for code in range(128))
}
_EPOCH_MS = 1_704_067_200_000  # 2024-01-01; 42 bits of milliseconds last until 2163
_NODE_BITS = 8
_SEQUENCE_BITS = 13
# Seconds by which two clocks must be apart to be worth a word.
FAR = 60.0


class Clock:
    """`now()` is the wall time at start plus the monotonic time since; `wall()` is what the host says.

    `own`: no other clock decides (see `agree`).
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()
        self.own = True

    def now(self) -> float:
        """Seconds since 1970, unmoved by steps of the wall clock since this process started."""
        return self._offset + self._monotonic()

    def agree(self, now: float) -> None:
        """Be at `now` from here on: the time of a database that several hosts share."""
        self._offset = now - self._monotonic()
        self.own = False

    def apart(self) -> float:
        """Seconds by which the host's time is ahead of `now()`: its clock was set, or it slept."""
        return self.wall() - self.now()


class Ids:
    """Time-ordered 63-bit ids: 42 bits of milliseconds, 8 of router, 13 of sequence.

    `floor` is the newest id known to the journal: a clock set back over a restart brings no old ids again.
    """

    def __init__(self, clock: Clock, floor: int = 0, node: int = 0) -> None:
        self._clock = clock
        self._node = node << _SEQUENCE_BITS
        self._tick, self._sequence = 0, 0
        self.follow(floor)

    def follow(self, floor: int) -> None:
        """Give only ids greater than `floor` from now on."""
        all_of_its_tick = floor >> (_NODE_BITS + _SEQUENCE_BITS), (1 << _SEQUENCE_BITS) - 1
        self._tick, self._sequence = max((self._tick, self._sequence), all_of_its_tick)

    def move(self, node: int) -> None:
        """Give ids of another node from now on: 0 to 255, no other router's that shares the journal."""
        self._node = node << _SEQUENCE_BITS
        # A smaller number would make smaller ids within the millisecond.
        self._sequence = (1 << _SEQUENCE_BITS) - 1

    def next(self) -> int:
        """A new id, greater than every one before."""
        tick = int(self._clock.now() * 1000) - _EPOCH_MS
        if tick > self._tick:
            self._tick, self._sequence = tick, 0
        elif self._sequence < (1 << _SEQUENCE_BITS) - 1:
            self._sequence += 1
        else:
            self._tick, self._sequence = self._tick + 1, 0
        return self._tick << (_NODE_BITS + _SEQUENCE_BITS) | self._node | self._sequence


def first_id_at(seconds: float) -> int:
    """The smallest id a router may have given at that time: the border that retention deletes up to."""
    return max(0, int(seconds * 1000) - _EPOCH_MS) << (_NODE_BITS + _SEQUENCE_BITS)


def id_text(prefix: str, number: int) -> str:
    """`evt_0f3k…`: the prefix and thirteen characters whose order is the order of time."""
    return (
        f"{prefix}_{_ALPHABET[number >> 60 & 31]}"
        f"{_PAIRS[number >> 50 & 1023]}{_PAIRS[number >> 40 & 1023]}{_PAIRS[number >> 30 & 1023]}"
        f"{_PAIRS[number >> 20 & 1023]}{_PAIRS[number >> 10 & 1023]}{_PAIRS[number & 1023]}"
    )


def id_number(prefix: str, text: str) -> int | None:
    """The number behind `evt_…`, or None for a text that is no such id."""
    head, _, letters = text.partition("_")
    if head != prefix or len(letters) != _LENGTH or not letters.isascii():
        return None
    try:
        number = int(letters.translate(_DIGITS), 32)
    except ValueError:
        return None
    return number if number < 1 << 63 else None
