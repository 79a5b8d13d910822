"""Bucket: how many more may pass now, and when the next one may.

One token bucket for what comes in (sources) and what goes out (sinks). Pure: the time is an argument.
"""

from router.units import Rate

# Seconds. A time that is earlier by no more may be an old one, or a step that the next one undoes: if the
# bucket followed it, time would count twice.
TO_AND_FRO = 30.0


class Bucket:
    """`rate.count` tokens, refilled evenly over `rate.period` seconds; full at the start.

    Divided by `of`, it is one of so many that together are refilled as fast; each holds at least one token.
    A clock that is set back neither gives nor takes: the bucket is refilled from there on. If it goes back by
    at most 30 seconds, the bucket waits until the clock is where it was.
    """

    def __init__(self, rate: Rate, now: float, of: int = 1) -> None:
        self._rate = rate
        self._at = now
        self._set(of)
        self._tokens = self._capacity

    def divide(self, of: int, now: float) -> None:
        """Be one of so many from now on; what was saved up is kept as far as it fits."""
        self._refill(now)
        self._set(of)
        self._tokens = min(self._tokens, self._capacity)

    def available(self, now: float) -> int:
        """How many may pass now."""
        self._refill(now)
        return max(0, int(self._tokens + 1e-9))

    def take(self, now: float, count: int = 1) -> None:
        """Let `count` pass; more than available is a debt that later time pays."""
        self._refill(now)
        self._tokens -= count

    def put_back(self) -> None:
        """One that was taken did not pass."""
        self._tokens += 1

    def wait(self, now: float) -> float:
        """Seconds until one may pass; 0 if it may now."""
        self._refill(now)
        missing = 1 - self._tokens
        return 0.0 if missing <= 0 else self._at - now + missing / self._per_second

    def _set(self, of: int) -> None:
        self._capacity = max(1.0, self._rate.count / of)
        self._per_second = self._rate.count / self._rate.period / of

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._per_second)
            self._at = now
        elif now < self._at - TO_AND_FRO:
            self._at = now
