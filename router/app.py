"""App: the composition root. Opens the parts in order, runs them, takes them down in reverse.

Reads like a table of contents: journal, transports, dispatcher, retention, heartbeat, listeners. Must hold no
logic of its own: what "begin", "reload" and "stop" mean is told in `program.py`.
"""

import os
import socket
import sys
from collections.abc import Mapping, Sequence

import anyio
import structlog

from router import __version__, garbage, logs, loop, systemd
from router.admin.admin import Admin
from router.calling import called
from router.clock import Clock
from router.config.load import load
from router.config.schema import Config
from router.dispatch.dispatcher import Dispatcher
from router.ending import Departure, named
from router.errors import ConfigError, RouterError
from router.heartbeat import Heartbeat
from router.intake import Intake
from router.journal import open_journal
from router.journal.journal import Journal
from router.metrics import Metrics
from router.program import Program
from router.quarantine import Quarantine
from router.retention import Retention
from router.server.server import Server
from router.server.settings import ServerSettings
from router.server.sockets import shown
from router.signals import Signals
from router.transport.transport import Lanes
from router.welcome import first_steps, welcome

log = structlog.get_logger(__name__)

# Seconds that a stop may take beyond `grace`: to give back what was not tried, and to close the journal.
_STOP_MARGIN = 8.0


class App:
    """The parts of the running program, each made of those before it."""

    def __init__(self, config: Config, journal: Journal, transports: Lanes, clock: Clock) -> None:
        self.metrics = Metrics()
        self.dispatcher = Dispatcher(journal, transports, clock, self.metrics)
        self.quarantine = Quarantine(journal, clock, journal.ids, self.metrics)
        self.intake = Intake(journal, clock, journal.ids, self.metrics, quarantine=self.quarantine)
        self.heartbeat = Heartbeat(journal, self.metrics, clock)
        self.program = program = Program(
            config, journal, self.dispatcher, self.intake, self.heartbeat, self.metrics, clock
        )
        self.retention = Retention(
            journal,
            clock,
            config.journal.keep,
            lambda: program.config.sinks,
            lambda: program.config.matcher,
        )
        self.metrics.watch(
            journal.counts,
            self.dispatcher.states,
            lambda: {source: stock.count for source, stock in journal.stock().items()},
            lambda: sum(one.live for one in journal.routers()),
        )


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
            program = app.program
            begun = await program.begin()
            for each in (app.dispatcher.run, app.retention.run, app.heartbeat.run, app.quarantine.run):
                loops.start_soon(named, each)
            server = Server(app.intake, config.server, app.metrics)
            admin = Admin(journal, app.dispatcher, app.metrics, program, clock)
            async with (
                admin.listening(config.server, sockets.get("admin")) as admin_address,
                server.listening(sockets.get("public")) as public_address,
            ):
                _announce(program.config, public_address, admin_address)
                if begun:
                    program.ready()
                else:
                    loops.start_soon(program.keep_beginning)
                await program.until_stopped(signals)
                # One deadline for all three: attempts go on while requests are waited for.
                end = anyio.current_time() + config.server.grace
                await server.drain()
                await app.quarantine.drain()
                await app.dispatcher.stop(max(0.0, end - anyio.current_time()))
            loops.cancel_scope.cancel()
    log.info("stopped")


def _announce(config: Config, public: str, admin: str) -> None:
    """The listeners are up: tell the log, the supervisor, and a person what to try."""
    person = logs.read_by_a_person()
    told = {} if person or systemd.supervised() else first_steps(config, called())
    log.info("listening", version=__version__, loop=loop.running(), public=public, admin=admin, **told)
    if person:
        # Standard output belongs to the `log` sink.
        print(welcome(config, public, admin, called()), file=sys.stderr)  # noqa: T201  # for a person
    # Also without room for the journal: a restart would not make any, and 503 is better than silence.
    systemd.notify("READY=1")


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
