"""Gate: how many deliveries of one sink may be taken up now, and when that may change by time alone.

Owns concurrency, rate, hold, breaker and pause of one sink, as far as they are this router's share. Pure: the
time is an argument; what must outlive the process is the journal's (`SinkMark`).
"""

from math import inf, nextafter

from router.bucket import TO_AND_FRO, Bucket
from router.delivery import Dead, Delivered, Hold, Outcome, Pause, Retry
from router.share import ALONE, Share
from router.units import Rate

FAILURES_TO_OPEN = 5
PROBE_EVERY = 30.0


class Gate:
    """One sink's gate.

    States: `ready`; `held` (the sink asked for silence until a time); `open` (five failures in a row: one
    delivery is tried every 30 s); `paused` (until an operator, or changed settings, end it). A clock that is
    set back makes neither of the two waits longer.
    """

    def __init__(self, concurrency: int, rate: Rate | None, now: float, share: Share = ALONE) -> None:
        self._share = share
        self.in_flight = 0
        self.paused: str | None = None
        self.by_operator = False
        self.held_until = 0.0
        self.held_because: str | None = None
        self._failures = 0
        self._probe_at: float | None = None
        # When the two times above were last known to be right.
        self._at = now
        self.adopt(concurrency, rate, now)

    def adopt(self, concurrency: int, rate: Rate | None, now: float) -> None:
        """Take over changed settings: what was learnt about the old destination is forgotten.

        An operator's pause was not learnt: it stays.
        """
        self._concurrency = concurrency
        self._slots = self._share.slots(concurrency)
        self._bucket = None if rate is None else Bucket(rate, now, self._share.of)
        if not self.by_operator:
            self.paused = None
        self.held_until = 0.0
        self._close()

    def divide(self, share: Share, now: float) -> None:
        """Let through this share of concurrency and rate from now on; what is in flight stays so."""
        self._share = share
        self._slots = share.slots(self._concurrency)
        if self._bucket is not None:
            self._bucket.divide(share.of, now)

    @property
    def is_open(self) -> bool:
        """Whether five failures in a row opened the breaker."""
        return self._probe_at is not None

    def state(self, now: float) -> str:
        """The word that `status` and the metrics show."""
        if self.paused is not None:
            return "paused"
        if self._probe_at is None and now >= self.held_until:
            return "ready"
        self._follow(now)
        if now < self.held_until:
            return "held"
        return "ready" if self._probe_at is None else "open"

    def free(self, now: float) -> int:
        """How many due deliveries may be taken up now."""
        if self.state(now) != "ready":
            return 0
        slots = max(0, self._slots - self.in_flight)
        return slots if self._bucket is None else min(slots, self._bucket.available(now))

    def probing(self, now: float) -> bool:
        """Whether it is time to try one delivery of an open sink."""
        return (
            self._probe_at is not None
            and self.state(now) == "open"
            and self.in_flight == 0
            and now >= self._probe_at
        )

    def changes_at(self, now: float) -> float | None:
        """When time alone may let the next delivery through; None: only an event will."""
        if self.paused is not None or self.in_flight >= self._slots:
            return None
        state = self.state(now)
        if state == "held":
            return self.held_until
        if state == "open":
            return self._probe_at if self.in_flight == 0 else None
        if self._bucket is not None and (wait := self._bucket.wait(now)) > 0:
            # A sum of times is rounded, perhaps to now: nobody would ever look again.
            return max(now + wait, nextafter(now, inf))
        return None

    def take(self, now: float) -> None:
        """One delivery was taken up."""
        self.in_flight += 1
        if self._bucket is not None:
            self._bucket.take(now)

    def put_back(self) -> None:
        """What was taken came to nothing."""
        self.in_flight -= 1
        if self._bucket is not None:
            self._bucket.put_back()

    def leave(self) -> None:
        """One delivery is settled or given back: its slot is free again."""
        self.in_flight -= 1

    def probed(self, now: float) -> None:
        """A probe was asked for: the next one is due later, whether or not there was a delivery to try."""
        if self._probe_at is not None:
            self._probe_at = now + PROBE_EVERY

    def learn(self, outcome: Outcome, now: float) -> bool:
        """What an attempt taught; True if an open sink works again: everything held is due now."""
        match outcome:
            case Delivered() | Dead():
                recovered = self._probe_at is not None
                self._close()
                return recovered
            case Retry():
                self._failures += 1
                if self._failures >= FAILURES_TO_OPEN:
                    self._follow(now)
                    self._probe_at = now + PROBE_EVERY
            case Hold(seconds, reason):
                self._follow(now)
                self.held_until = max(self.held_until, now + seconds)
                self.held_because = reason
            case Pause(reason) if self.paused is None:
                self.paused = reason
        return False

    def pause(self, reason: str, *, by_operator: bool) -> None:
        """Let nothing through until `resume`."""
        self.paused, self.by_operator = reason, by_operator

    def resume(self) -> None:
        """An operator says that it works again."""
        self.paused, self.by_operator = None, False
        self.held_until = 0.0
        self._close()

    def _follow(self, now: float) -> None:
        """Where the clock was set back, what is waited for comes as much earlier."""
        back = self._at - now
        if back > TO_AND_FRO:
            self.held_until -= back
            if self._probe_at is not None:
                self._probe_at -= back
        if not 0 < back <= TO_AND_FRO:
            self._at = now

    def _close(self) -> None:
        self._failures = 0
        self._probe_at = None
