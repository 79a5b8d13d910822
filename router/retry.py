"""RetryPolicy: when a failed delivery is tried again, and when no more.

Pure: the time and the random number are arguments.
"""

import msgspec

from router.delivery import Outcome, Retry
from router.units import Wait

_JITTER = 0.2

# Standard Webhooks 1.0.0, "retry schedule": ten attempts in 75 h 35 m 5 s.
_SCHEDULE = tuple(Wait(seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400))


class RetryPolicy(msgspec.Struct, frozen=True):
    """The waits between attempts: n waits make n + 1 attempts."""

    schedule: tuple[Wait, ...] = _SCHEDULE

    @property
    def span(self) -> float:
        """Seconds from the first attempt to the last, without jitter."""
        return sum(self.schedule)

    def next(self, failures: int, outcome: Outcome, now: float, random: float) -> float | None:
        """When to try again after the `failures`-th counted failure (from 1), or None: the schedule ended.

        `random` lies in [0, 1); jitter is only ever added, at most 20 %.
        """
        if not isinstance(outcome, Retry) or failures > len(self.schedule):
            return None
        return now + self.schedule[failures - 1] * (1 + _JITTER * random)
