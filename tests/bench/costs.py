"""Costs: what an event, a delivery and a rule cost in CPU, syncs and bytes, for sizing a host."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.phases import Figures, Ground, Trial, warm
from tests.bench.plans import Plan, Row, Tell, rounds
from tests.bench.report import Table, figures, spread, written
from tests.bench.subjects import Mix, running
from tests.bench.traffic import receiving

_SINKS = (0, 1, 2, 5)
_RULES = (10, 100, 1000, 10_000)
_PACE = 50.0
_PATIENCE = 20.0
_FIGURES = ("CPU ms/event", "syncs/event", "kept KB/event", "written KB/event")


def measured(ground: Ground, plan: Plan, tell: Tell) -> Iterator[Row]:
    """The router under mixes that differ in one thing."""
    steps = [(sinks, _RULES[0]) for sinks in _SINKS] + [(1, rules) for rules in _RULES[1:]]
    for number in rounds(plan, tell):
        for sinks, rules in steps[:: 1 if number % 2 == 0 else -1]:
            mix = Mix(sinks=max(1, sinks), rules=rules)
            here = replace(ground, mix=mix)
            for phase, rate in (("full speed", 0.0), (f"{_PACE:.0f}/s", _PACE)):
                # Whatever the rate, a rule costs the same: once is enough.
                if not rate or rules == _RULES[0]:
                    name = f"{sinks} sinks, {rules} rules"
                    tell(f"round {number + 1}: {name}, {phase}")
                    yield Row(name, number, "router", phase, _cost(here, match=sinks > 0, rate=rate))


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


def tables(rows: Sequence[Row]) -> list[tuple[str, Table]]:
    """What was measured, and what one more of a thing costs."""
    found = []
    for phase in dict.fromkeys(row.phase for row in rows):
        here = [row for row in rows if row.phase == phase]
        table = [["", *_FIGURES]]
        for mix in dict.fromkeys(row.mix for row in here):
            of_mix = [row for row in here if row.mix == mix]
            cells = (spread(list(figures(of_mix, "router", phase, name).values())) for name in _FIGURES)
            table.append([mix, *cells])
        found.append((phase, table))
    return [*found, ("one more costs", _model(rows))]


def _model(rows: Sequence[Row]) -> Table:
    """Straight lines through the medians: over sinks, and over rules."""
    table = [["", *_FIGURES]]
    for phase in dict.fromkeys(row.phase for row in rows):
        lines = [
            _line(rows, phase, name, [(sinks, f"{sinks} sinks, {_RULES[0]} rules") for sinks in _SINKS])
            for name in _FIGURES
        ]
        table.append([f"event, {phase}", *(written(base) for _, base in lines)])
        table.append([f"delivery, {phase}", *(written(slope) for slope, _ in lines)])
    phase = rows[0].phase
    slope, _ = _line(rows, phase, _FIGURES[0], [(rules, f"1 sinks, {rules} rules") for rules in _RULES])
    table.append(["1,000 rules", written(1000 * slope), "-", "-", "-"])
    return table


def _line(
    rows: Sequence[Row], phase: str, figure: str, points: Sequence[tuple[int, str]]
) -> tuple[float, float]:
    """Slope and beginning."""
    there = []
    for x, mix in points:
        values = figures([row for row in rows if row.mix == mix], "router", phase, figure)
        if values:
            there.append((x, statistics.median(values.values())))
    if len(there) < 2:
        return 0.0, there[0][1] if there else 0.0
    slope, base = statistics.linear_regression(*zip(*there, strict=True))
    return slope, base
