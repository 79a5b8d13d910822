"""Guesses: how many wrong tokens an address may try; then it waits, right or wrong.

Must not know what a token is, nor how a refusal is worded.
"""

import math
from collections.abc import Callable

from router.bucket import Bucket
from router.units import Rate

_RATE = Rate(10, 60.0)
_MOST = 1024


class Guesses:
    """Ten wrong tokens a minute per address; `now` gives seconds.

    Beyond 1,024 addresses the quietest is forgotten.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[str, Bucket] = {}

    def wait(self, address: str) -> int:
        """Whole seconds until a token from this address is looked at again; 0: it is now."""
        bucket = self._buckets.get(address)
        return 0 if bucket is None else math.ceil(bucket.wait(self._now()))

    def wrong(self, address: str) -> None:
        """A token was wrong."""
        now = self._now()
        bucket = self._buckets.pop(address, None) or Bucket(_RATE, now)
        bucket.take(now)
        # The latest is the last, so that a flood of addresses forgets those that were quiet longest.
        self._buckets[address] = bucket
        if len(self._buckets) > _MOST:
            del self._buckets[next(iter(self._buckets))]
