"""App: the composition root. Opens the parts in order, runs them, reloads them, takes them down in reverse.

Reads like a table of contents: journal, transports, dispatcher, retention, heartbeat, listeners. Must hold no
logic of its own beyond what "start", "reload" and "stop" mean.
"""

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

import anyio
import structlog

from router import __version__, garbage, logs, loop, systemd
from router.admin.admin import Admin, Reload
from router.admin.answers import moment
from router.admin.reloads import RefusedReload
from router.calling import called
from router.clock import Clock
from router.config.changes import changes, digest, needing_restart, read_at_start
from router.config.load import load
from router.config.schema import Config
from router.dispatch.dispatcher import Dispatcher
from router.ending import Departure, named
from router.errors import ConfigError, JournalUnavailable, RouterError
from router.heartbeat import Heartbeat
from router.intake import Intake
from router.journal import open_journal
from router.journal.journal import Journal, Receipt, RefusedRequest
from router.metrics import Metrics
from router.quarantine import Quarantine
from router.retention import Retention
from router.server.server import Server
from router.server.settings import ServerSettings
from router.server.sockets import shown
from router.signals import Signals
from router.transport.transport import Lanes
from router.welcome import first_steps, welcome

log = structlog.get_logger(__name__)

# Seconds between two tries to open a journal that had no room.
_AGAIN = 1.0
# Seconds that a stop may take beyond `grace`: to give back what was not tried, and to close the journal.
_STOP_MARGIN = 8.0
_STOPPING = "stopping"


class App:
    """The running program: the configuration in force, and the parts that a reload changes."""

    def __init__(self, config: Config, journal: Journal, transports: Lanes, clock: Clock) -> None:
        self.config = config
        self._started_with = config
        self._clock = clock
        self.started_at = clock.now()
        self.refused: RefusedReload | None = None
        self.metrics = Metrics()
        self.journal = journal
        self.dispatcher = Dispatcher(journal, transports, clock, self.metrics)
        self.quarantine = Quarantine(journal, clock, journal.ids, self.metrics)
        self.intake = Intake(journal, clock, journal.ids, self.metrics, quarantine=self.quarantine)
        self.intake.expect(config.sources)
        keep = config.journal.keep
        self.retention = Retention(
            journal, clock, keep, lambda: self.config.sinks, lambda: self.config.matcher
        )
        self.heartbeat = Heartbeat(journal, self.metrics)
        self._phase: str | None = "starting"
        self._reloading = anyio.Lock()
        self.metrics.watch(
            journal.counts,
            self.dispatcher.states,
            lambda: {source: stock.count for source, stock in journal.stock().items()},
            lambda: sum(one.live for one in journal.routers()),
        )

    async def apply(self, config: Config) -> None:
        """Put sinks, then sources and rules, into force: a route never names a sink that is not there yet."""
        # Only these two may fail, and then none of it is in force: there is never half a configuration.
        await self.journal.remember(config.matcher.digest, config.matcher.text)
        await self.dispatcher.use(config.sinks, config.matcher.message)
        self.intake.use(config.sources, config.matcher)
        self.config = config
        # Where it cannot be written now, the next heartbeat says it, and what waits is due in its time.
        with suppress(JournalUnavailable):
            await self.journal.introduce(digest(config))
            await self.dispatcher.hasten()

    async def begin(self) -> bool:
        """Open the journal, put the configuration into force; False: impossible now, `unready` says why."""
        async with self._reloading:
            try:
                await self.journal.open()
                await self.apply(self.config)
            except JournalUnavailable as error:
                trouble = f"starting: {error}"
                # From now on requests are put off for this reason.
                self.intake.expect(self.config.sources, trouble)
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
            await self.apply(config)
        except JournalUnavailable as error:
            self._changed_nothing(0, str(error))
            raise
        garbage.settle()
        changed, restart = changes(old, config), self.pending_restart
        self.refused = None
        self.metrics.reload(ok=True)
        log.info("config_reloaded", path=config.path, changed=changed, needs_restart=restart)
        return Reload(
            ok=True,
            problems=config.warnings,
            changed=changed,
            restart=restart,
            from_start=read_at_start(config),
            no_sink={
                gone.name: gone.pending + gone.in_flight
                for gone in self.dispatcher.sinks()
                if gone.state == "no sink"
            },
        )

    def _changed_nothing(self, problems: int, first: str) -> None:
        """Note a refused reload where operators look who did not ask for it."""
        self.metrics.reload(ok=False)
        self.refused = RefusedReload(moment(self._clock.now()), problems, first)

    @property
    def pending_restart(self) -> list[str]:
        """What of the configuration in force takes effect only at the next start."""
        return needing_restart(self._started_with, self.config)

    async def release(self, refused: RefusedRequest, *, named: bool) -> Receipt:
        """Take a refused request in; see `Intake.release`."""
        return await self.intake.release(refused, named=named)

    def unready(self) -> list[str]:
        """Why the program is not ready; empty: it is."""
        reasons = (self._phase, self.heartbeat.trouble, self.intake.trouble)
        # What both the heartbeat and a request ran into is said once.
        return list(dict.fromkeys(reason for reason in reasons if reason is not None))

    def _enter(self, phase: str | None) -> None:
        """Enter a phase; the last one is never left, even if the journal can be opened only now."""
        if self._phase != _STOPPING:
            self._phase = phase

    def up(self, public: str, admin: str) -> None:
        """The listeners are up: tell the log, the supervisor, and a person what to try."""
        person = logs.read_by_a_person()
        told = {} if person or systemd.supervised() else first_steps(self.config, called())
        log.info("listening", version=__version__, loop=loop.running(), public=public, admin=admin, **told)
        if person:
            # Standard output belongs to the `log` sink.
            print(welcome(self.config, public, admin, called()), file=sys.stderr)  # noqa: T201  # for a person
        # Also without room for the journal: a restart would not make any, and 503 is better than silence.
        systemd.notify("READY=1")

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


async def serve(config: Config) -> None:
    """Open everything, run until SIGTERM or SIGINT, take everything down in reverse."""
    clock = Clock()
    sockets = {name: [one] for name, one in systemd.listen_sockets().items()}
    _check_sockets(sockets, config.server)
    bound = config.server.grace + _STOP_MARGIN
    # Opened first: whoever is told READY may send SIGHUP at once.
    with Departure() as departure, Signals(lambda: departure.begin(bound)) as signals:
        async with (
            open_journal(config.journal, clock) as journal,
            Lanes() as transports,
            anyio.create_task_group() as loops,
        ):
            app = App(config, journal, transports, clock)
            begun = await app.begin()
            for each in (app.dispatcher.run, app.retention.run, app.heartbeat.run, app.quarantine.run):
                loops.start_soon(named, each)
            server = Server(app.intake, config.server, app.metrics)
            admin = Admin(journal, app.dispatcher, app.metrics, app, clock)
            async with (
                admin.listening(config.server, sockets.get("admin")) as admin_address,
                server.listening(sockets.get("public")) as public_address,
            ):
                app.up(public_address, admin_address)
                if begun:
                    app.ready()
                else:
                    loops.start_soon(app.keep_beginning)
                await app.until_stopped(signals)
                # One deadline for all three: attempts go on while requests are waited for.
                end = anyio.current_time() + config.server.grace
                await server.drain()
                await app.quarantine.drain()
                await app.dispatcher.stop(max(0.0, end - anyio.current_time()))
            loops.cancel_scope.cancel()
    log.info("stopped")


def _check_sockets(sockets: Mapping[str, Sequence[socket.socket]], settings: ServerSettings) -> None:
    """Warn of a socket that the service manager opened elsewhere than the configuration says."""
    for name, setting, listen in (("public", "listen", settings.listen), ("admin", "admin", settings.admin)):
        for handed in sockets.get(name, ()):
            if systemd.elsewhere(handed, listen):
                log.warning(
                    "socket_differs",
                    setting=f"server.{setting}",
                    configured=str(listen),
                    handed_over=shown(handed),
                    fix="ListenStream= of the socket unit decides; write the same address in both",
                )


def run(config_path: str) -> int:
    """Run the daemon until a signal ends it; returns the exit code: 0 stopped, 1 failed, 2 configuration."""
    logs.configure()
    try:
        config = load(config_path, resolve=os.environ)
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)  # noqa: T201  # the form that editors jump to
        return 2
    for warning in config.warnings:
        log.warning("config_warning", problem=str(warning))
    garbage.give_back()
    try:
        anyio.run(serve, config, backend_options={"loop_factory": loop.chosen()})
    except KeyboardInterrupt:
        return 130
    except (RouterError, OSError, ExceptionGroup) as error:
        failure = first_of(error)
        expected = isinstance(failure, RouterError | OSError)
        # A bug is shown with its traceback; what an operator can mend is one line.
        log.critical(
            "stopped_by_failure",
            error=str(failure),
            kind=type(failure).__name__,
            exc_info=None if expected else failure,
        )
        return 1
    return 0


def first_of(error: Exception) -> Exception:
    """The first failure in a group of groups: the one that took the others down."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
