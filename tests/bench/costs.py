"""Costs: the router under mixes that differ in sinks or in rules: CPU, syncs and bytes per event."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.phases import Figures, Ground, Trial, warm
from tests.bench.plans import Plan, Row, Tell, rounds
from tests.bench.subjects import Mix, running
from tests.bench.traffic import receiving

SINKS = (0, 1, 2, 5)
RULES = (10, 100, 1000, 10_000)
FULL = "full speed"
SLOW = "50/s"
_PACE = 50.0
_PATIENCE = 20.0
FIGURES = ("CPU ms/event", "syncs/event", "kept KB/event", "written KB/event")


def measured(ground: Ground, plan: Plan, tell: Tell) -> Iterator[Row]:
    """The router under mixes that differ in one thing."""
    steps = [(sinks, RULES[0]) for sinks in SINKS] + [(1, rules) for rules in RULES[1:]]
    for number in rounds(plan, tell):
        for sinks, rules in steps[:: 1 if number % 2 == 0 else -1]:
            mix = Mix(sinks=max(1, sinks), rules=rules)
            here = replace(ground, mix=mix)
            for phase, rate in ((FULL, 0.0), (SLOW, _PACE)):
                # Whatever the rate, a rule costs the same: once is enough.
                if not rate or rules == RULES[0]:
                    name = mix_of(sinks, rules)
                    tell(f"round {number + 1}: {name}, {phase}")
                    yield Row(name, number, "router", phase, _cost(here, match=sinks > 0, rate=rate))


def mix_of(sinks: int, rules: int) -> str:
    """What a mix is called."""
    return f"{sinks} sinks, {rules} rules"


def _cost(ground: Ground, *, match: bool, rate: float) -> Figures:
    with TemporaryDirectory(dir=ground.folder) as name:
        folder = Path(name)
        syncs = folder / "syncs"
        syncs.write_bytes(bytes(8))
        env = {"LD_PRELOAD": str(ground.tools.syncs), "BENCH_SYNCS": str(syncs)}
        with (
            receiving(ground.tools, folder, ground.end, ground.mix.sinks) as sinks,
            running("router", folder, sinks.url, ground.mix, env) as subject,
        ):
            trial = Trial(ground, subject, sinks, forwards=True)
            warm(trial)
            before = subject.cpu(), _count(syncs), subject.written()
            load = replace(trial.load(match=match, rate=rate), connections=ground.mix.connections)
            events = len(trial.post(load).accepted)
            sinks.until(trial.due(ground.warm + events * match), _PATIENCE)
            after = subject.cpu(), _count(syncs), subject.written()
        cpu, synced, wrote = (end - begin for begin, end in zip(before, after, strict=True))
        return {
            "CPU ms/event": 1000 * cpu / events,
            "syncs/event": synced / events,
            # Without the warming events, as if they were of the same mix.
            "kept KB/event": (folder / "journal.db").stat().st_size / (events + ground.warm) / 1024,
            "written KB/event": wrote / events / 1024,
            "events/s": events / ground.seconds,
        }


def _count(syncs: Path) -> int:
    return int.from_bytes(syncs.read_bytes(), "little")
