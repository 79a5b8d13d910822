"""Retention: forgets what is settled and older than `keep`, and ends what is older than its sink's `max_age`.

In bites so small that nobody waits for one. Owns the rhythm; what belongs to an event is the journal's
business.
"""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from math import inf
from typing import Protocol

import anyio
import structlog

from router.clock import Clock
from router.errors import JournalUnavailable
from router.journal import journal
from router.rules.matcher import Matcher
from router.sinks.sink import Sink
from router.units import Duration

log = structlog.get_logger(__name__)

# Events in a bite, and seconds between two. A bite holds up the commits beside it, and so the slowest
# hundredth of all events, for as long as it takes: 10 ms for 100 events. At this pace 450 a second can go.
_BITE = 10
_PAUSE = 0.02
# Bites in one sweep after which they are larger: as much comes in as goes, and slow is better than full.
_GENTLE = 20_000
_LARGE_BITE = 100
# Rules that no router has remembered for `keep` and this margin are in force nowhere: every router remembers
# its own again every so many seconds, which also brings them back where another release had forgotten them.
_RULES_MARGIN = 86_400.0
_RULES_EVERY = 21_600.0


class Upkeep(journal.Upkeep, Protocol):
    """The part of a journal that this needs."""

    async def remember(self, digest: str, rules: str) -> None:
        """See `Inbox.remember`."""
        ...


class Retention:
    """Prunes one journal. `sinks`, by name, and `rules` are those of the configuration in force.

    It takes its `rest`, in seconds, between two bites.
    """

    def __init__(
        self,
        journal: Upkeep,
        clock: Clock,
        keep: float,
        sinks: Callable[[], Mapping[str, Sink]],
        rules: Callable[[], Matcher],
        every: float = 60.0,
        rest: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._keep = keep
        self._sinks = sinks
        self._rules = rules
        self._rules_at = -inf
        self._every = every
        self._rest = rest

    async def run(self) -> None:
        """Sweep every so many seconds, for ever; a journal that cannot write waits for the next sweep."""
        while True:
            try:
                pruned, expired, refused = await self.sweep()
            except JournalUnavailable as error:
                log.warning("retention_postponed", reason=str(error))
            else:
                if pruned or expired or refused:
                    log.info(
                        "retention_swept",
                        events=pruned,
                        expired_deliveries=expired,
                        refused_requests=refused,
                    )
            await anyio.sleep(self._every)

    async def sweep(self) -> tuple[int, int, int]:
        """Forget all that is due to be forgotten now.

        Returns events deleted, deliveries expired, and refused requests deleted.
        """
        before = self._clock.now() - self._keep
        await self._prune_rulesets(before)
        expired = await self._bites(lambda most: self._journal.expire(self._sinks(), before, most))
        for name, sink in self._sinks().items():
            if sink.max_age is not None:
                expired += await self._bites(partial(self._outdate, name, sink.max_age))
        pruned = await self._bites(lambda most: self._journal.prune(before, most))
        refused = await self._bites(lambda most: self._journal.prune_quarantine(before, most))
        return pruned, expired, refused

    async def _prune_rulesets(self, before: float) -> None:
        """Now and then; those of any event that is kept stay, and those in force."""
        if self._clock.now() < self._rules_at:
            return
        matcher = self._rules()
        await self._journal.remember(matcher.digest, matcher.text)
        await self._journal.prune_rulesets(before - _RULES_MARGIN)
        self._rules_at = self._clock.now() + _RULES_EVERY

    async def _outdate(self, sink: str, max_age: Duration, most: int) -> int:
        """End what is too old, even if its sink takes nothing now: a pause does not stop the time."""
        reason = f"older than max_age ({max_age:g} s)"
        return await self._journal.outdate(sink, self._clock.now() - max_age, most, reason)

    async def _bites(self, bite: Callable[[int], Awaitable[int]]) -> int:
        total = 0
        for number in itertools.count(1):
            gentle = number <= _GENTLE
            count = await bite(_BITE if gentle else _LARGE_BITE)
            total += count
            if not count:
                break
            await self._rest(_PAUSE if gentle else 0)
        return total
