"""Sizing: from what was measured to what one more event, delivery or rule costs, and to what a host needs."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.costs import FIGURES, FULL, RULES, SINKS, SLOW, mix_of
from tests.bench.plans import Row
from tests.bench.report import Table, figures, spread, written

_CPU, _SYNCS, _KEPT, _WRITTEN = FIGURES
_DAY = 86_400
_KEEP_DAYS = 30


@dataclass(frozen=True)
class Line:
    """A cost: of the event itself, and of one more delivery (or rule)."""

    base: float
    more: float

    def at(self, many: float) -> float:
        """The cost with so many."""
        return self.base + self.more * many


@dataclass(frozen=True)
class Host:
    """What somebody needs a host for."""

    events: int  # a day
    sinks: float  # deliveries per event
    rules: int


# A team, a company, and what no customer of the providers has been heard of.
_HOSTS = (Host(1000, 1, 20), Host(50_000, 2, 200), Host(1_000_000, 2, 1000))


def tables(rows: Sequence[Row]) -> list[tuple[str, Table]]:
    """What was measured, what one more of a thing costs, and what some hosts would need."""
    found = []
    for phase in dict.fromkeys(row.phase for row in rows):
        here = [row for row in rows if row.phase == phase]
        table = [["", *FIGURES]]
        for mix in dict.fromkeys(row.mix for row in here):
            of_mix = [row for row in here if row.mix == mix]
            cells = (spread(list(figures(of_mix, "router", phase, name).values())) for name in FIGURES)
            table.append([mix, *cells])
        found.append((phase, table))
    return [*found, ("One more costs", _model(rows)), ("Hosts", _hosts(rows))]


def over_sinks(rows: Sequence[Row], phase: str, figure: str) -> Line:
    """A straight line over the number of deliveries per event."""
    return _line(rows, phase, figure, [(sinks, mix_of(sinks, RULES[0])) for sinks in SINKS])


def over_rules(rows: Sequence[Row]) -> Line:
    """CPU over the number of rules."""
    return _line(rows, FULL, _CPU, [(rules, mix_of(1, rules)) for rules in RULES])


def _model(rows: Sequence[Row]) -> Table:
    table = [["", *FIGURES]]
    for phase in dict.fromkeys(row.phase for row in rows):
        lines = [over_sinks(rows, phase, name) for name in FIGURES]
        table.append([f"event, {phase}", *(written(line.base) for line in lines)])
        table.append([f"delivery, {phase}", *(written(line.more) for line in lines)])
    return [*table, ["1,000 rules", written(1000 * over_rules(rows).more), "-", "-", "-"]]


def _hosts(rows: Sequence[Row]) -> Table:
    table = [["events a day", "deliveries each", "rules", "one core is busy", "at most", "syncs", "journal"]]
    for host in _HOSTS:
        rules = over_rules(rows).more * host.rules
        slow = over_sinks(rows, SLOW, _CPU).at(host.sinks) + rules
        full = over_sinks(rows, FULL, _CPU).at(host.sinks) + rules
        kept = over_sinks(rows, FULL, _KEPT).at(host.sinks) * host.events * _KEEP_DAYS
        rate = host.events / _DAY
        table.append([
            f"{host.events:,}",
            written(host.sinks),
            f"{host.rules:,}",
            f"{written(slow * rate / 10)} %",
            f"{written(1000 / full if full else 0.0)} events/s",
            f"{written(over_sinks(rows, SLOW, _SYNCS).at(host.sinks) * rate)}/s",
            f"{written(kept / 2**20)} GB",
        ])  # fmt: skip
    return table


def _line(rows: Sequence[Row], phase: str, figure: str, points: Sequence[tuple[int, str]]) -> Line:
    """Through the medians; flat where there are not two of them."""
    there = []
    for x, mix in points:
        values = figures([row for row in rows if row.mix == mix], "router", phase, figure)
        if values:
            there.append((x, statistics.median(values.values())))
    if len(there) < 2:
        return Line(there[0][1] if there else 0.0, 0.0)
    slope, base = statistics.linear_regression(*zip(*there, strict=True))
    return Line(base, slope)
