"""Plans: which subjects and phases are measured under which mixes, in which order.

Subjects take turns, and every other round runs backwards: what else the machine does hits all of them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tests.bench.bodies import write_load
from tests.bench.phases import MEASURED, Figures, Ground, measure, reach
from tests.bench.subjects import SUBJECTS, Mix
from tests.bench.tools import Tools

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """What was measured of a subject in one phase of one round."""

    mix: str
    round: int
    subject: str
    phase: str
    figures: Figures

    def document(self) -> dict[str, object]:
        """For a file."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """How much: rounds, seconds per phase, requests in store, and seconds in which it must be over.

    `stored` is how many events a grown journal holds.
    """

    rounds: int = 5
    seconds: float = 3.0
    events: int = 120_000
    limit: float = 280.0
    phases: Sequence[str] = MEASURED["router"]
    subjects: Sequence[str] = SUBJECTS
    mix: Mix = field(default_factory=Mix)
    stored: int = 1_000_000
    warm: int = 300


MIXES = {
    "1 connection": Mix(connections=1),
    "8 connections": Mix(connections=8),
    "32 connections": Mix(),
    "128 connections": Mix(connections=128),
    "10 sinks, one hangs": Mix(sinks=10, hanging=1),
    "1,000 rules": Mix(rules=1000),
    "10,000 rules": Mix(rules=10_000),
}


def prepared(tools: Tools, folder: Path, plan: Plan) -> Ground:
    """Write the loads."""
    matching = write_load(folder / "matching", plan.events)
    other = write_load(folder / "other", plan.events, match=False)
    return Ground(tools, folder, matching, other, plan.events, plan.seconds, plan.mix, plan.warm)


def rounds(plan: Plan, tell: Tell) -> Iterator[int]:
    """The numbers of the rounds, as long as another one fits into the limit."""
    began = time.monotonic()
    longest = 0.0
    for number in range(plan.rounds):
        since = time.monotonic()
        if since - began + longest > plan.limit:
            tell(f"no time for round {number + 1}\n")
            return
        yield number
        longest = max(longest, time.monotonic() - since)


def standard(ground: Ground, plan: Plan, tell: Tell) -> Iterator[Row]:
    """All subjects under one mix, and what the generator itself can do."""
    yield Row(named(plan.mix), 0, "generator", "throughput", reach(ground))
    for number in rounds(plan, tell):
        for subject in plan.subjects[:: 1 if number % 2 == 0 else -1]:
            for phase in plan.phases:
                if phase in MEASURED[subject]:
                    tell(f"round {number + 1}: {subject} {phase}")
                    yield Row(named(plan.mix), number, subject, phase, measure(ground, subject, phase))


def mixes(ground: Ground, plan: Plan, tell: Tell) -> Iterator[Row]:
    """The yardstick and the router under every mix."""
    for number in rounds(plan, tell):
        for name, mix in MIXES.items():
            for subject in ("bare", "router")[:: 1 if number % 2 == 0 else -1]:
                for phase in ("throughput", "filter"):
                    if phase in MEASURED[subject]:
                        tell(f"round {number + 1}: {name}: {subject} {phase}")
                        yield Row(
                            name, number, subject, phase, measure(replace(ground, mix=mix), subject, phase)
                        )


def named(mix: Mix) -> str:
    """A mix in words."""
    return next((name for name, known in MIXES.items() if known == mix), str(mix))
