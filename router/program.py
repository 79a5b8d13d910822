"""Program: the running program as its operators know it: what is in force, and whether it is ready.

Owns what "begin", "reload" and "stop" mean; fulfils what `admin` asks of a program. Must not know how its
parts are made and run, or who listens.
"""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
import structlog

from router import garbage, systemd
from router.admin.answers import moment
from router.admin.reloads import RefusedReload, Reload
from router.clock import Clock
from router.config.changes import changes, digest, needing_restart, read_at_start
from router.config.load import load
from router.config.schema import Config
from router.dispatch.dispatcher import Dispatcher
from router.errors import ConfigError, JournalUnavailable
from router.heartbeat import Heartbeat
from router.intake import Intake
from router.journal.journal import Journal, Receipt, RefusedRequest
from router.metrics import Metrics

log = structlog.get_logger(__name__)

# Seconds between two tries to open a journal that had no room.
_AGAIN = 1.0
_STOPPING = "stopping"


class Program:
    """The configuration in force, the parts that a reload changes, and the phase they are in."""

    def __init__(
        self,
        config: Config,
        journal: Journal,
        dispatcher: Dispatcher,
        intake: Intake,
        heartbeat: Heartbeat,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self.config = config
        self.started_at = clock.now()
        self.refused: RefusedReload | None = None
        self._started_with = config
        self._journal = journal
        self._dispatcher = dispatcher
        self._intake = intake
        self._heartbeat = heartbeat
        self._metrics = metrics
        self._clock = clock
        self._phase: str | None = "starting"
        self._reloading = anyio.Lock()
        intake.expect(config.sources)

    async def begin(self) -> bool:
        """Open the journal, put the configuration into force; False: impossible now, `unready` says why."""
        async with self._reloading:
            try:
                await self._journal.open()
                await self._apply(self.config)
            except JournalUnavailable as error:
                trouble = f"starting: {error}"
                # From now on requests are put off for this reason.
                self._intake.expect(self.config.sources, trouble)
                if trouble != self._phase:
                    log.error("start_postponed", reason=str(error))
                self._enter(trouble)
                return False
        return True

    async def keep_beginning(self) -> None:
        """Begin as soon as there is room; until then every known hook answers 503."""
        while True:
            await anyio.sleep(_AGAIN)
            if await self.begin():
                return self.ready()

    def ready(self) -> None:
        """The journal can be written and the configuration is in force."""
        self._enter(None)
        garbage.settle()
        log.info("ready")

    async def until_stopped(self, signals: AsyncIterator[signal.Signals]) -> None:
        """Reload on SIGHUP; return on the first SIGTERM or SIGINT."""
        async for number in signals:
            if number is not signal.SIGHUP:
                self._enter(_STOPPING)
                log.info("stopping", signal=number.name)
                systemd.notify("STOPPING=1")
                return
            try:
                await self.reload()
            except JournalUnavailable as error:
                log.error("reload_failed", reason=str(error))

    async def reload(self) -> Reload:
        """Validate, then swap; a file with problems, or a journal that cannot write, changes nothing."""
        async with self._reloading:
            systemd.notify("RELOADING=1")
            try:
                config = await anyio.to_thread.run_sync(lambda: load(self.config.path, resolve=os.environ))
                return await self._swap(config)
            except ConfigError as error:
                for problem in error.problems:
                    log.error("config_problem", problem=str(problem))
                errors = [str(problem) for problem in error.problems if not problem.warning]
                self._changed_nothing(len(errors), errors[0])
                stays = "the configuration before it stays in force"
                log.error("reload_refused", path=self.config.path, problems=len(errors), effect=stays)
                return Reload(ok=False, problems=error.problems, changed=[], restart=[])
            finally:
                systemd.notify("READY=1")

    async def _swap(self, config: Config) -> Reload:
        old = self.config
        try:
            await self._apply(config)
        except JournalUnavailable as error:
            self._changed_nothing(0, str(error))
            raise
        garbage.settle()
        changed, restart = changes(old, config), self.pending_restart
        self.refused = None
        self._metrics.reload(ok=True)
        for warning in config.warnings:
            log.warning("config_warning", problem=str(warning))
        log.info("config_reloaded", path=config.path, changed=changed, needs_restart=restart)
        return Reload(
            ok=True,
            problems=config.warnings,
            changed=changed,
            restart=restart,
            from_start=read_at_start(config),
            no_sink={
                gone.name: gone.pending + gone.in_flight
                for gone in self._dispatcher.sinks()
                if gone.state == "no sink"
            },
        )

    async def _apply(self, config: Config) -> None:
        """Put sinks, then sources and rules, into force: a route never names a sink that is not there yet."""
        # Only these two may fail, and then none of it is in force: there is never half a configuration.
        await self._journal.remember(config.matcher.digest, config.matcher.text)
        await self._dispatcher.use(config.sinks, config.matcher.message)
        self._intake.use(config.sources, config.matcher)
        self.config = config
        self._dispatcher.hasten()
        # Where it cannot be written now, the next heartbeat says it.
        with suppress(JournalUnavailable):
            await self._journal.introduce(digest(config))

    def _changed_nothing(self, problems: int, first: str) -> None:
        """Note a refused reload where operators look who did not ask for it."""
        self._metrics.reload(ok=False)
        self.refused = RefusedReload(moment(self._clock.now()), problems, first)

    @property
    def pending_restart(self) -> list[str]:
        """What of the configuration in force takes effect only at the next start."""
        return needing_restart(self._started_with, self.config)

    async def release(self, refused: RefusedRequest, *, named: bool) -> Receipt:
        """Take a refused request in; see `Intake.release`."""
        return await self._intake.release(refused, named=named)

    def unready(self) -> list[str]:
        """Why the program is not ready; empty: it is."""
        reasons = (self._phase, self._heartbeat.trouble, self._intake.trouble)
        # What both the heartbeat and a request ran into is said once.
        return list(dict.fromkeys(reason for reason in reasons if reason is not None))

    def _enter(self, phase: str | None) -> None:
        """Enter a phase; the last one is never left, even if the journal can be opened only now."""
        if self._phase != _STOPPING:
            self._phase = phase
