"""Retention: forgets what is settled and older than `keep`, in bites so small that nobody waits for one.

Owns the rhythm; what belongs to an event is the journal's business.
"""

from collections.abc import Awaitable, Callable, Collection

import anyio
import structlog

from router.clock import Clock
from router.errors import JournalUnavailable
from router.journal.journal import Upkeep

log = structlog.get_logger(__name__)

_BITE = 200
_PAUSE = 0.05


class Retention:
    """Prunes one journal. `sinks` names the sinks of the configuration in force."""

    def __init__(
        self,
        journal: Upkeep,
        clock: Clock,
        keep: float,
        sinks: Callable[[], Collection[str]],
        every: float = 60.0,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._keep = keep
        self._sinks = sinks
        self._every = every

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
        expired = await self._bites(lambda: self._journal.expire(self._sinks(), before, _BITE))
        pruned = await self._bites(lambda: self._journal.prune(before, _BITE))
        refused = await self._bites(lambda: self._journal.prune_quarantine(before, _BITE))
        return pruned, expired, refused

    async def _bites(self, bite: Callable[[], Awaitable[int]]) -> int:
        total = 0
        while count := await bite():
            total += count
            await anyio.sleep(_PAUSE)
        return total
