"""The scenarios: crashes, restarts, faults on the way to the sinks. The same code for short and long runs.

Each starts the companions, lets the router run through what the scenario is about, drains, stops, and asks
the oracle. Everything random comes from one seed.
"""

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from tests.torture import counters
from tests.torture.asking import drained, resume
from tests.torture.oracle import (
    CONCURRENCY,
    Arrived,
    Bounds,
    Posted,
    Verdict,
    judge,
    read_arrived,
    read_posted,
)
from tests.torture.supervisor import Companion, Ended, Router

Progress = Callable[[str], None]
Comparison = Callable[[Mapping[str, float], Sequence[Posted], Sequence[Arrived]], list[str]]

TROUBLED = {"shaky": "failing", "slow": "slow", "torn": "torn", "busy": "busy"}
HONEST = {"shaky": "failing", "slow": "slow"}
# Where rounds are what counts: a slow machine takes longer for them, and that is all.
ENOUGH = 350.0


@dataclass(frozen=True)
class Plan:
    """How much: rounds or seconds, whichever ends first; the seed; another package than the one here.

    `patience`: seconds without progress after which what is still open counts as lost sight of.
    `deadly`: the number of an event whose delivery kills.
    """

    rounds: int
    seconds: float
    seed: int = 1
    pace: float = 150.0
    connections: int = 16
    package: Path | None = None
    patience: float = 120.0
    deadly: int | None = None


@dataclass
class Report:
    """What a scenario came to."""

    scenario: str
    seed: int
    rounds: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)


class Stage:
    """A router with sender and sinks around it."""

    def __init__(
        self, plan: Plan, script: dict[str, str], stack: ExitStack, *, proxied: bool = False
    ) -> None:
        self.plan = plan
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        self._posted = self.folder / "posted.jsonl"
        self._arrived = self.folder / "arrived.jsonl"
        orders = {"seed": plan.seed, "journal": str(self._arrived), "script": script, "deadly": plan.deadly}
        self.sinks = Companion("sinks", orders, talks=True)
        stack.callback(self.sinks.kill)
        port = self.sinks.port
        self.proxy = Companion("proxy", {"upstream": port}, talks=True) if proxied else None
        if self.proxy is not None:
            stack.callback(self.proxy.kill)
            port = self.proxy.port
        self.router = Router(self.folder, port, plan.package)
        stack.callback(self.router.close)
        orders = {"ports": [self.router.port], "seed": plan.seed, "journal": str(self._posted), "first": 1}
        # It begins now and must be answered, however long the first start takes.
        self.sender = Companion("sender", orders | {"pace": plan.pace, "connections": plan.connections})
        stack.callback(self.sender.kill)
        self.began = time.monotonic()

    def goes_on(self, done: int) -> bool:
        """Whether another round is due."""
        return done < self.plan.rounds and time.monotonic() < self.began + self.plan.seconds

    def judge(self, report: Report, bounds: Bounds, compare: Comparison | None = None) -> None:
        """Stop sending, drain, stop, and have the oracle decide; fills the report.

        `compare` holds the counters of the last run against what was seen.
        """
        self.sender.end()
        self.sinks.order("calm")
        state = drained([self.router], self.plan.patience)
        metrics = self.router.metrics()
        self.router.stop()
        self.sinks.end()
        posted, arrived = read_posted(self._posted), read_arrived(self._arrived)
        verdict = judge(self.plan.seed, posted, arrived, state, bounds)
        for difference in compare(metrics, posted, arrived) if compare else ():
            verdict.found("miscounted", difference)
        for line in self.router.stray:
            verdict.found("stray log lines", line)
        for finding in _integrity(self.folder / "journal.db"):
            verdict.found("integrity", finding)
        _fill(report, verdict, time.monotonic() - self.began)
        report.starts = sorted(self.router.starts)
        report.answers = sorted(one.ended - one.began for one in posted if one.outcome == "ack")


def crashes(plan: Plan, tell: Progress) -> Report:
    """`kill -9` in a loop under load; sinks fail, hold, reset, and reset after their 200."""
    with _staged("crashes", plan, TROUBLED) as (stage, report):
        dice = random.Random(f"{plan.seed} crashes")
        stage.router.start()
        while stage.goes_on(report.rounds):
            stage.router.run_for(dice.expovariate(4))
            stage.router.kill()
            report.rounds += 1
            if dice.random() < 0.1:
                # Sometimes the next one dies before it is up.
                stage.router.launch()
                stage.router.run_for(dice.uniform(0, 0.5))
                stage.router.kill()
                report.rounds += 1
            stage.router.start()
            tell(f"{report.rounds} crashes")
        stage.judge(report, Bounds(connections_break=True, duplicates_per_end=CONCURRENCY))
    return report


def restarts(plan: Plan, tell: Progress) -> Report:
    """SIGTERM and start in a loop under load, the sockets held: nobody outside may notice."""
    with _staged("restarts", plan, HONEST) as (stage, report):
        dice = random.Random(f"{plan.seed} restarts")
        stage.router.start()
        while stage.goes_on(report.rounds):
            stage.router.run_for(dice.uniform(0.1, 0.5))
            stage.router.stop()
            stage.router.start()
            report.rounds += 1
            tell(f"{report.rounds} restarts")
        # The last run is to have counted something.
        stage.router.run_for(0.5)
        last = stage.router.generation
        stage.judge(
            report,
            Bounds(in_turn=True),
            lambda metrics, _, arrived: counters.of_attempts(metrics, arrived, last),
        )
    return report


def faults(plan: Plan, tell: Progress) -> Report:
    """The way to the sinks breaks in every manner; an operator resumes what opened or was paused."""
    with _staged("faults", plan, HONEST, proxied=True) as (stage, report):
        dice = random.Random(f"{plan.seed} faults")
        stage.router.start()
        assert stage.proxy is not None
        while stage.goes_on(report.rounds):
            stage.proxy.order(json.dumps(_fault(dice)))
            stage.router.run_for(dice.uniform(0.3, 1.0))
            stage.proxy.order('{"verb": "clear"}')
            resume([stage.router])
            stage.router.run_for(dice.uniform(0.1, 0.5))
            report.rounds += 1
            tell(f"{report.rounds} faults")
        stage.judge(
            report,
            Bounds(attempts_break=True),
            lambda metrics, posted, arrived: (
                counters.of_hooks(metrics, posted) + counters.of_deliveries(metrics, arrived)
            ),
        )
    return report


def poison(plan: Plan, tell: Progress) -> Report:
    """One delivery kills whoever makes it: it is set aside, and only it."""
    with _staged("poison", plan, {}) as (stage, report):
        stage.router.start()
        while stage.goes_on(report.rounds):
            if stage.sinks.said(0.5):
                stage.router.kill()
                stage.router.start()
                report.rounds += 1
                tell(f"{report.rounds} kills")
            stage.router.run_for(0)
        stage.judge(
            report, Bounds(connections_break=True, duplicates_per_end=CONCURRENCY, deadly=plan.deadly)
        )
    return report


SCENARIOS = {"crashes": crashes, "restarts": restarts, "faults": faults}


def _fault(dice: random.Random) -> dict[str, object]:
    return dice.choice((
        {"verb": "latency", "ms": dice.randrange(20, 300)},
        {"verb": "down"},
        {"verb": "reset", "ms": dice.randrange(0, 50)},
        {"verb": "cut", "bytes": dice.choice((0, 1, 20, 60, 500, 1000))},
    ))  # fmt: skip


@contextmanager
def _staged(
    scenario: str, plan: Plan, script: dict[str, str], *, proxied: bool = False
) -> Iterator[tuple[Stage, Report]]:
    """Stage and report; a router that ends by itself is a violation, not an error of the harness."""
    report = Report(scenario, plan.seed)
    with ExitStack() as stack:
        try:
            yield Stage(plan, script, stack, proxied=proxied), report
        except Ended as ended:
            report.violations["ended"] = [str(ended)]


def _fill(report: Report, verdict: Verdict, seconds: float) -> None:
    report.seconds = seconds
    report.counts = dict(verdict.counts)
    report.violations |= verdict.violations


def _integrity(journal: Path) -> list[str]:
    """What SQLite finds wrong with the closed file."""
    connection = apsw.Connection(str(journal), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        return [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    finally:
        connection.close()
