"""Phases: what is measured of a subject, each on a process and a journal of its own."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.bench.subjects import Mix, Subject, running
from tests.bench.tools import Tools
from tests.bench.traffic import Load, Posted, Sinks, post, receiving

Figures = dict[str, float]
# Without an arrival for so long, what is missing is lost: long, for a busy machine has long pauses.
_PATIENCE = 20.0
# Connections where requests are due by the clock: a stall must not keep the next one from being sent.
_OPEN = 64


@dataclass(frozen=True)
class Ground:
    """What all phases of a run share: two loads, of requests that match and of others.

    A phase may post `events` of them from `first` on; the first `warm` ones are for warming.
    """

    tools: Tools
    folder: Path
    matching: Path
    other: Path
    events: int
    seconds: float
    mix: Mix
    warm: int
    first: int = 0

    @property
    def end(self) -> int:
        """The first event that a phase may not post."""
        return self.first + self.events


@dataclass(frozen=True)
class Trial:
    """A subject that runs and is warm, and where its deliveries go."""

    ground: Ground
    subject: Subject
    sinks: Sinks
    forwards: bool

    def load(self, *, match: bool = True, rate: float = 0.0) -> Load:
        """What is posted in a phase."""
        ground = self.ground
        file = ground.matching if match else ground.other
        many = ground.mix.connections if not rate else max(ground.mix.connections, _OPEN)
        first = ground.first + ground.warm
        return Load(file, ground.end - first, ground.seconds, first, rate, many)

    def post(self, load: Load) -> Posted:
        """Post it."""
        return post(self.ground.tools, self.subject.port, load)

    def due(self, events: int) -> int:
        """How many arrivals so many events make."""
        return events * (self.ground.mix.sinks - self.ground.mix.hanging) if self.forwards else 0


class Noise:
    """What else the machine did meanwhile."""

    def __init__(self, trial: Trial) -> None:
        self._subject, self._sinks = trial.subject, psutil.Process(trial.sinks.pid)
        self._before, self._busy, self._since = self._used(), self._machine(), time.monotonic()

    def share(self) -> float:
        """The part of the machine's time that was used by neither the subject nor the benchmark."""
        room = (time.monotonic() - self._since) * (psutil.cpu_count() or 1)
        return max(0.0, (self._machine() - self._busy - (self._used() - self._before)) / room)

    def _used(self) -> float:
        # The generator's time is that of a child of this process which has ended.
        return self._subject.cpu() + sum(self._sinks.cpu_times()[:4]) + sum(os.times()[:4])

    @staticmethod
    def _machine() -> float:
        # Without softirq: what loopback costs there is no process's, and would look like others' work.
        times = psutil.cpu_times()
        return float(times.user + times.nice + times.system + times.steal)


def throughput(trial: Trial, *, match: bool = True) -> Figures:
    """As fast as it answers; until everything has arrived."""
    cpu, came, noise = trial.subject.cpu(), trial.sinks.arrived, Noise(trial)
    posted = trial.post(trial.load(match=match))
    accepted = len(posted.accepted)
    owed = trial.due(accepted) if match else 0
    behind = owed - (trial.sinks.arrived - came)
    trial.sinks.until(came + owed, _PATIENCE)
    arrived = trial.sinks.arrived - came
    figures = {
        "accepted/s": accepted / posted.seconds,
        "refused": float(len(posted.status) - accepted),
        "CPU ms/event": 1000 * (trial.subject.cpu() - cpu) / max(1, accepted),
        "peak MB": trial.subject.peak(),
        "noise": noise.share(),
        "events": float(accepted),
    }
    if trial.forwards and match:
        figures["delivered/s"] = arrived / max(1e-9, (trial.sinks.last - posted.began) / 1e9)
        figures |= {"behind": float(behind), "lost": float(owed - arrived)}
        figures["repeated"] = float(trial.sinks.repeated)
    elif trial.forwards:
        figures["leaked"] = float(arrived)
    return figures


def filtered(trial: Trial) -> Figures:
    """As fast as it answers; nothing matches."""
    return throughput(trial, match=False)


def latency(rate: float) -> Callable[[Trial], Figures]:
    """So many a second, from the moment each was due."""

    def measured(trial: Trial) -> Figures:
        noise, before = Noise(trial), trial.sinks.arrived
        posted = trial.post(trial.load(rate=rate))
        accepted = posted.accepted
        trial.sinks.until(before + trial.due(len(accepted)), _PATIENCE)
        came = trial.sinks.first()
        ends = [(came[event] - posted.due[event - posted.first]) / 1e6 for event in accepted if came[event]]
        return {
            **spread("answer", posted.waits()),
            **spread("arrival", ends),
            "refused": float(len(posted.status) - len(accepted)),
            "lost": float(len(accepted) - len(ends)),
            "noise": noise.share(),
        }

    return measured


def start(trial: Trial) -> Figures:
    """Until it listens, and what it holds when it has done little."""
    return {"ready ms": 1000 * trial.subject.ready, "resident MB": trial.subject.resident()}


def spread(name: str, values: list[float]) -> Figures:
    """Median and 99th percentile, in ms."""
    ordered = sorted(values)
    if not ordered:
        return {}
    return {
        f"{name} p50 ms": ordered[len(ordered) // 2],
        f"{name} p99 ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
    }


PHASES: Mapping[str, Callable[[Trial], Figures]] = {
    "throughput": throughput,
    "filter": filtered,
    "latency50": latency(50),
    "latency500": latency(500),
    "start": start,
}
# Who has no rules has nothing to filter by, and who forwards nothing has no latency end to end.
MEASURED = {
    "bare": ("throughput", "start"),
    "naive": ("throughput", "latency50", "latency500", "start"),
    "router": tuple(PHASES),
}


def measure(ground: Ground, subject: str, phase: str) -> Figures:
    """Start a subject afresh, warm it, measure one phase of it, end it."""
    with TemporaryDirectory(dir=ground.folder) as name:
        folder = Path(name)
        with (
            receiving(ground.tools, folder, ground.end, ground.mix.sinks) as sinks,
            running(subject, folder, sinks.url, ground.mix) as process,
        ):
            trial = Trial(ground, process, sinks, forwards=subject != "bare")
            warm(trial)
            return PHASES[phase](trial)


def warm(trial: Trial) -> None:
    """Let it do everything some times before anybody looks."""
    ground, before = trial.ground, trial.sinks.arrived
    load = Load(ground.matching, ground.warm, ground.seconds + 10.0, ground.first, connections=8)
    trial.sinks.until(before + trial.due(len(trial.post(load).accepted)), _PATIENCE)


def reach(ground: Ground) -> Figures:
    """What the generator can do against the sinks, with nothing between them."""
    with (
        TemporaryDirectory(dir=ground.folder) as name,
        receiving(ground.tools, Path(name), ground.events) as sinks,
    ):
        posted = post(ground.tools, sinks.port, Load(ground.matching, ground.events, ground.seconds))
        return {"accepted/s": len(posted.accepted) / posted.seconds}
