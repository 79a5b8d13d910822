"""Stage: several routers on one database, with sender and sinks around them, and a faulty link to each."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from tests.fleet.database import books, present, watch
from tests.torture import scenarios
from tests.torture.asking import drained
from tests.torture.oracle import CONCURRENCY, Bounds, State, judge, read_arrived, read_posted
from tests.torture.report import table
from tests.torture.supervisor import START_LIMIT, Companion, Router

SCRIPT = {"shaky": "failing", "slow": "slow", "busy": "busy"}
ROUTERS = 3
_SOCKET = ".s.PGSQL.5432"


@dataclass(frozen=True)
class Plan:
    """How much: rounds or seconds, whichever ends first; the seed; another package than the one here.

    `lease` in seconds; None: the product's own. `patience`: seconds without progress after which what is
    still open counts as lost sight of; more than a lease and its next beat.
    """

    rounds: int
    seconds: float
    seed: int = 1
    pace: float = 60.0
    connections: int = 12
    lease: float | None = None
    package: Path | None = None
    patience: float = 120.0

    @property
    def length(self) -> float:
        """Of a lease."""
        return self.lease or 30.0


@dataclass
class Report(scenarios.Report):
    """What a scenario came to; `faults` counts them by kind, `leases` those that ended without a leave."""

    faults: dict[str, int] = field(default_factory=dict)
    leases: int = 0

    def fault(self, kind: str) -> None:
        """One more of a kind."""
        self.faults[kind] = self.faults.get(kind, 0) + 1


class Member:
    """A router of the fleet, and its link to the database if it has one of its own."""

    def __init__(self, router: Router, link: Companion | None) -> None:
        self.router = router
        self.link = link
        self.runs: dict[int, int] = {}

    def start(self) -> None:
        """Start it and wait until it says that it is up."""
        self.router.start()
        self.runs[self.router.pid] = self.router.generation

    def launch(self) -> None:
        """Start it without waiting."""
        self.router.launch()
        self.runs[self.router.pid] = self.router.generation


class Stage:
    """The fleet on the database that `url` names, `linked` by a proxy for each router or directly."""

    def __init__(self, plan: Plan, url: str, stack: ExitStack, *, linked: bool = False) -> None:
        self.plan = plan
        self.url = url
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-")))
        self._posted, self._arrived = self.folder / "posted.jsonl", self.folder / "arrived.jsonl"
        self._stack = stack
        self._findings: list[str] = []
        orders = {"seed": plan.seed, "journal": str(self._arrived), "script": SCRIPT}
        self.sinks = self._companion("sinks", orders, talks=True)
        generations = count(1)
        self.members = [self._member(place, generations, linked=linked) for place in range(ROUTERS)]
        self.sender: Companion | None = None
        self.began = time.monotonic()

    def _companion(self, module: str, orders: dict[str, object], *, talks: bool = False) -> Companion:
        companion = Companion(module, orders, talks=talks)
        self._stack.callback(companion.kill)
        return companion

    def _member(self, place: int, generations: "count[int]", *, linked: bool) -> Member:
        plan, folder, link, url = self.plan, self.folder / str(place), None, self.url
        folder.mkdir()
        if linked:
            link = self._companion(
                "proxy", {"upstream": f"{conninfo_to_dict(url)['host']}/{_SOCKET}"}, talks=True
            )
            url = f"postgresql://vr@127.0.0.1:{link.port}/postgres"
        program = ("-m", "router") if plan.lease is None else ("-m", "tests.fleet.program", str(plan.lease))
        router = Router(
            folder, self.sinks.port, plan.package, journal=url, program=program, generations=generations
        )
        self._stack.callback(router.close)
        return Member(router, link)

    def start(self) -> None:
        """Start all routers, the books, and then the load."""
        for member in self.members:
            member.start()
        self.settled()
        watch(self.url)
        orders = {"seed": self.plan.seed, "journal": str(self._posted), "first": 1, "pace": self.plan.pace}
        ports = [member.router.port for member in self.members]
        self.sender = self._companion(
            "sender", orders | {"ports": ports, "connections": self.plan.connections}
        )
        self.began = time.monotonic()

    def goes_on(self, done: int) -> bool:
        """Whether another round is due."""
        return done < self.plan.rounds and time.monotonic() < self.began + self.plan.seconds

    def run_for(self, seconds: float) -> None:
        """Let them run."""
        until = time.monotonic() + seconds
        for member in self.members:
            member.router.run_for(max(0.0, until - time.monotonic()))

    def settled(self) -> None:
        """Wait until every router is ready."""
        self.until(lambda: all(member.router.is_ready() for member in self.members))

    def until(self, condition: Callable[[], bool]) -> None:
        """Look again and again while the routers run.

        Raises:
            TimeoutError: it did not come true.
        """
        limit = time.monotonic() + 2 * START_LIMIT
        while not condition():
            if time.monotonic() > limit:
                raise TimeoutError("the fleet did not come to rest")
            self.run_for(0.1)

    def stop(self, member: Member) -> None:
        """Stop one in order: its lease must have ended with it, whether or not others have its work yet."""
        member.router.stop()
        if member.router.pid in present(self.url, leased=True):
            self._findings.append(f"router {member.router.pid} stopped in order, but its lease goes on")

    def drain(self) -> State:
        """Stop sending, and wait until nothing is open anywhere; what the first router then says."""
        if self.sender is not None:
            self.sender.end()
            self.sender = None
            self.sinks.order("calm")
        self.settled()
        return drained([member.router for member in self.members], self.plan.patience)

    def _taken_over(self) -> None:
        """Wait for the leases of those that were killed; whoever is there after that should not be.

        One that had nothing in flight is not missed by anybody who waits for deliveries.
        """
        living = {member.router.pid for member in self.members}
        with suppress(TimeoutError):
            self.until(lambda: present(self.url) <= living)

    def judge(self, report: Report, bounds: Bounds) -> None:
        """Drain, stop, and have the oracle decide; fills the report."""
        state = self.drain()
        routers = [member.router for member in self.members]
        self._taken_over()
        for member in self.members:
            self.stop(member)
        self.sinks.end()
        posted, arrived = read_posted(self._posted), read_arrived(self._arrived)
        closed = books(self.url)
        runs = {pid: run for member in self.members for pid, run in member.runs.items()}
        leases = {runs[pid]: times for pid, times in closed.leases.items()}
        bounds = replace(bounds, leases=leases, duplicates_per_end=CONCURRENCY)
        verdict = judge(self.plan.seed, posted, arrived, state, bounds)
        for finding in self._findings + closed.findings:
            verdict.found("integrity", finding)
        for router in routers:
            for line in router.stray:
                verdict.found("stray log lines", line)
        report.leases = sum(leases.values())
        report.seconds = time.monotonic() - self.began
        report.counts = dict(verdict.counts)
        report.violations |= verdict.violations
        report.starts = sorted(second for router in routers for second in router.starts)
        report.answers = sorted(one.ended - one.began for one in posted if one.outcome == "ack")


def told(report: Report) -> str:
    """The table of a run; that a journal is away may be said."""
    away = ("not 202",) if report.scenario in ("crashes", "failovers") else ()
    return table(
        report, {**dict(sorted(report.faults.items())), "leases that ended": report.leases}, allowed=away
    )
