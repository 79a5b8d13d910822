"""Heartbeat: proves every few seconds that the event loop and the journal's writer work.

Owns what readiness and systemd's watchdog are told. Both rest on a round trip through the writer: a ping from
a timer alone would prove nothing. Says by the way that the host's clock was set.
"""

import anyio
import structlog

from router import systemd
from router.clock import FAR, Clock
from router.errors import JournalBroken, JournalUnavailable
from router.journal.journal import Upkeep
from router.metrics import Metrics

log = structlog.get_logger(__name__)

_EVERY = 5.0
# A journal may break while nobody writes, in a checkpoint for example; that is looked for more often. So is
# one that is away: until a beat has found it back, nobody is sent here.
_LOOK = 1.0
# Seconds after which a trouble that lasts is told again.
_REMIND = 60.0


class Heartbeat:
    """`trouble` says why the journal is not ready, None while it is."""

    def __init__(
        self,
        journal: Upkeep,
        metrics: Metrics,
        clock: Clock,
        every: float | None = None,
        remind: float = _REMIND,
    ) -> None:
        self.trouble: str | None = None
        self._began = 0.0
        self._told = 0.0
        self._remind = remind
        self._journal = journal
        self._metrics = metrics
        self._clock = clock
        self._apart = 0.0
        watched = systemd.watchdog_interval()
        self._every = min(_EVERY, watched / 3 if watched else _EVERY) if every is None else every

    async def run(self) -> None:
        """Beat for ever; a journal that broke ends it with its error."""
        while True:
            every = self._every if self.trouble is None else min(_LOOK, self._every)
            beat = anyio.current_time() + every
            while (now := anyio.current_time()) < beat:
                await self._pause(min(_LOOK, beat - now))
            await self._beat()
            self._compare()

    async def _pause(self, seconds: float) -> None:
        due = anyio.current_time() + seconds
        await anyio.sleep(seconds)
        self._metrics.loop_lag(anyio.current_time() - due)
        if self._journal.broken is not None:
            raise JournalBroken(self._journal.broken)

    async def _beat(self) -> None:
        try:
            with anyio.fail_after(self._every):
                await self._journal.ping()
        except TimeoutError:
            # No word to the watchdog: a writer that hangs is what it is for.
            self._note(f"the journal does not answer within {self._every:g} s")
            return
        except JournalUnavailable as error:
            # The writer answered: a restart would not make room on the disk.
            self._metrics.commit_error()
            self._note(f"the journal cannot write: {error}")
        else:
            self._note(None)
        systemd.notify("WATCHDOG=1")

    def _compare(self) -> None:
        """Tell when the host's clock was set, which moves nothing here, and when that was undone."""
        apart = self._clock.apart()
        if not self._clock.own or abs(apart - self._apart) <= FAR:
            return
        self._apart = apart
        if abs(apart) > FAR:
            log.warning(
                "clock_set",
                seconds=round(apart),
                effect="this process still goes by the time of its start",
                fix="restart it if the host's clock is right now",
            )
        else:
            log.info("clock_agrees")

    def _note(self, trouble: str | None) -> None:
        """What a beat found; of a trouble the log has the beginning, each minute and the end."""
        now = anyio.current_time()
        if trouble is not None and self.trouble is None:
            self._began = now
        seconds = round(now - self._began, 3)
        if trouble is not None and (trouble != self.trouble or now - self._told >= self._remind):
            self._told = now
            log.error("journal_trouble", reason=trouble, seconds=seconds)
        elif trouble is None and self.trouble is not None:
            log.info("journal_recovered", seconds=seconds)
        self.trouble = trouble
