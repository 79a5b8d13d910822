"""Database: the router on PostgreSQL, alone and with a second one, beside SQLite; what an event costs there.

Statements as pg_stat_statements counts them, without BEGIN, COMMIT and SET. The server's commits reach its
disk as they would anywhere; each trial has a database of its own.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg

from tests.bench.phases import Figures, Ground
from tests.bench.plans import Plan, Row, Tell, rounds
from tests.bench.report import Table, figures, spread
from tests.bench.subjects import Mix, Subject, running
from tests.bench.traffic import Load, Posted, Sinks, post, receiving
from tests.journal.postgres.server import Server

SQLITE, ONE, TWO = "SQLite", "PostgreSQL", "PostgreSQL, 2 routers"
CONNECTIONS = (1, 8, 32, 128)
ACCEPT, DELIVER = "accept", "accept and deliver once"
# With how many connections two routers are measured beside one.
_PAIRED = (32, 128)
_PATIENCE = 20.0
_SETTINGS = {
    "fsync": "on", "full_page_writes": "on", "autovacuum": "on", "shared_buffers": "128MB",
    "max_wal_size": "4GB",
    "shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_utility": "off",
}  # fmt: skip
_COUNTED = """
SELECT (SELECT coalesce(sum(calls), 0)::float8 FROM pg_stat_statements WHERE dbid = pg_database.oid),
  (SELECT xact_commit::float8 FROM pg_stat_database WHERE datid = pg_database.oid),
  (pg_current_wal_lsn() - '0/0')::float8,
  (SELECT wal_fpi::float8 FROM pg_stat_wal), (SELECT {syncs} FROM {book}),
  pg_database_size(pg_database.oid)::float8
FROM pg_database WHERE datname = %s
"""
# Where a server writes down its syncs, since version 18 and before.
_NEWER = {"syncs": "sum(fsyncs)::float8", "book": "pg_stat_io WHERE object = 'wal'"}
_OLDER = {"syncs": "wal_sync::float8", "book": "pg_stat_wal"}
FIGURES = (
    "accepted/s", "delivered/s", "routers' CPU ms/event", "server's CPU ms/event", "statements/event",
    "commits/event", "events/commit", "syncs/event", "WAL KB/event", "full pages/event", "kept KB/event",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """What is measured: on what, with how many connections, whether what is posted matches."""

    subject: str
    connections: int
    phase: str


def steps() -> list[Step]:
    """All of them, in the order of a round."""
    return [
        Step(subject, connections, phase)
        for connections in CONNECTIONS
        for subject in (SQLITE, ONE, *((TWO,) if connections in _PAIRED else ()))
        for phase in (ACCEPT, DELIVER)
    ]


def measured(ground: Ground, plan: Plan, tell: Tell) -> Iterator[Row]:
    """SQLite, PostgreSQL, and PostgreSQL with two routers, in turns."""
    with counting() as books:
        for number in rounds(plan, tell):
            for step in steps()[:: 1 if number % 2 == 0 else -1]:
                name = f"{step.connections} connections"
                tell(f"round {number + 1}: {name}: {step.subject}, {step.phase}")
                yield Row(name, number, step.subject, step.phase, taken(ground, step, books))


def tables(rows: Sequence[Row]) -> list[tuple[str, Table]]:
    """One table per phase: a line per subject and number of connections."""
    found = []
    for phase in dict.fromkeys(row.phase for row in rows):
        here = [row for row in rows if row.phase == phase]
        table = [["", *FIGURES]]
        for mix in dict.fromkeys(row.mix for row in here):
            for subject in dict.fromkeys(row.subject for row in here):
                of_mix = [row for row in here if (row.mix, row.subject) == (mix, subject)]
                cells = [spread(list(figures(of_mix, subject, phase, name).values())) for name in FIGURES]
                if of_mix:
                    table.append([f"{subject}, {mix}", *cells])
        found.append((phase, table))
    return found


@contextmanager
def counting() -> Iterator["Books"]:
    """A server, and what it counts."""
    with ExitStack() as stack:
        server = Server(_SETTINGS)
        stack.callback(server.remove)
        books = Books(server.start())
        stack.callback(books.close)
        yield books


class Books:
    """What the server counted, database by database."""

    def __init__(self, server: Server) -> None:
        self._connection = psycopg.connect(server.url, autocommit=True)
        self._connection.execute("CREATE EXTENSION pg_stat_statements")
        self._folder = server.folder
        self._made = 0
        pid = int((Path(server.data) / "postmaster.pid").read_text("ascii").split()[0])
        self._process = psutil.Process(pid)
        self._name = ""

    def database(self) -> str:
        """The URL of a new database, which is counted from now on."""
        self._made += 1
        self._name = f"bench_{self._made}"
        self._connection.execute(f"CREATE DATABASE {self._name}".encode())
        # What a checkpoint would make dear is written before anybody looks.
        self._connection.execute("CHECKPOINT")
        return f"postgresql://vr@/{self._name}?host={self._folder}"

    def now(self) -> tuple[float, ...]:
        """CPU seconds of the server, statements, commits, WAL bytes, full pages, syncs, bytes kept."""
        self._connection.execute("SELECT pg_stat_clear_snapshot()")
        # A session tells of its transactions at most once a second.
        self._connection.execute("SELECT pg_sleep(1.2)")
        where = _NEWER if self._connection.info.server_version >= 180000 else _OLDER
        query = _COUNTED.format(**where).encode()
        (row,) = self._connection.execute(query, (self._name,)).fetchall()
        return self._cpu(), *row

    def _cpu(self) -> float:
        total = 0.0
        for one in (self._process, *self._process.children(recursive=True)):
            times = one.cpu_times()
            total += times.user + times.system
        ended = self._process.cpu_times()
        return total + ended.children_user + ended.children_system

    def close(self) -> None:
        """Count no more."""
        self._connection.close()


@dataclass(frozen=True)
class Crew:
    """The routers of a trial, and where their deliveries go."""

    ground: Ground
    routers: Sequence[Subject]
    sinks: Sinks

    def post(self, *, first: int, count: int, seconds: float, match: bool) -> list[Posted]:
        """Post so many requests, to each router its share over its share of the connections."""
        ground, many = self.ground, len(self.routers)
        file = ground.matching if match else ground.other
        loads = []
        for place in range(many):
            own = file.with_name(f"{file.name}-{place}")
            if not own.exists():
                os.link(file, own)
            share = max(1, ground.mix.connections // many)
            loads.append(Load(own, count // many, seconds, first + place * (count // many), 0.0, share))
        with ThreadPoolExecutor(many) as threads:
            ports = [router.port for router in self.routers]
            return list(threads.map(lambda port, load: post(ground.tools, port, load), ports, loads))

    def cpu(self) -> float:
        """Seconds of CPU that the routers have used."""
        return sum(router.cpu() for router in self.routers)


def taken(ground: Ground, step: Step, books: Books) -> Figures:
    """Start routers afresh, warm them, measure, end them."""
    url = None if step.subject == SQLITE else books.database()
    ground = replace(ground, mix=Mix(connections=step.connections, journal=url))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=ground.folder)))
        sinks = stack.enter_context(receiving(ground.tools, folder, ground.end))
        crew = Crew(
            ground, [_started(ground, sinks, folder, stack) for _ in range(1 + (step.subject == TWO))], sinks
        )
        crew.post(first=0, count=ground.warm, seconds=10.0, match=True)
        sinks.until(ground.warm, _PATIENCE)
        before, cpu, came = None if url is None else books.now(), crew.cpu(), sinks.arrived
        match = step.phase == DELIVER
        posted = crew.post(
            first=ground.warm, count=ground.end - ground.warm, seconds=ground.seconds, match=match
        )
        accepted = sum(len(each.accepted) for each in posted)
        sinks.until(came + accepted * match, _PATIENCE)
        began, ended = min(each.began for each in posted), max(max(each.answered) for each in posted)
        found = {
            "accepted/s": 1e9 * accepted / (ended - began),
            "refused": float(sum(len(each.status) for each in posted) - accepted),
            "lost": float(accepted * match - (sinks.arrived - came)),
            "repeated": float(sinks.repeated),
            "routers' CPU ms/event": 1000 * (crew.cpu() - cpu) / accepted,
        }
        if match:
            found["delivered/s"] = 1e9 * accepted / (sinks.last - began)
        if before is not None:
            found |= _costs(before, books.now(), accepted)
        return found


def _started(ground: Ground, sinks: Sinks, folder: Path, stack: ExitStack) -> Subject:
    own = Path(stack.enter_context(TemporaryDirectory(dir=folder)))
    return stack.enter_context(running("router", own, sinks.url, ground.mix))


def _costs(before: Sequence[float], after: Sequence[float], events: int) -> Figures:
    cpu, statements, commits, wal, pages, syncs, kept = (
        end - begin for begin, end in zip(before, after, strict=True)
    )
    return {
        "server's CPU ms/event": 1000 * cpu / events,
        "statements/event": statements / events,
        "commits/event": commits / events,
        "events/commit": events / max(1.0, commits),
        "syncs/event": syncs / events,
        "WAL KB/event": wal / events / 1024,
        "full pages/event": pages / events,
        "kept KB/event": kept / events / 1024,
    }
