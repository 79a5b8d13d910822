"""Report: tables for people. A figure is the median of its rounds, with the lowest and the highest.

A ratio is taken within a round, for there the machine was the same.
"""

import statistics
from collections.abc import Iterable, Sequence

from tests.bench.plans import Row

Table = list[list[str]]
# What a phase's figures are compared with: (subject, phase). A bare handler neither filters nor forwards.
_YARDSTICKS = {"latency50": "naive", "latency500": "naive"}
_COLUMNS = (
    ("bare", "throughput", "accepted/s"),
    ("router", "throughput", "accepted/s"),
    ("router", "throughput", "delivered/s"),
    ("router", "throughput", "CPU ms/event"),
    ("router", "throughput", "peak MB"),
    ("router", "throughput", "lost"),
    ("router", "throughput", "noise"),
    ("router", "filter", "accepted/s"),
    ("router", "filter", "CPU ms/event"),
)
_BASES = ("bare", "young", "still")
_COMPARED = ("accepted/s", "delivered/s", "p50 ms", "p99 ms", "CPU ms/event", "ready ms", "drained/s")


def tables(rows: Sequence[Row]) -> list[tuple[str, Table]]:
    """One table per mix: a line per phase and figure, a column per subject."""
    return [
        (mix, _table([row for row in rows if row.mix == mix])) for mix in _unique(row.mix for row in rows)
    ]


def by_mix(rows: Sequence[Row]) -> list[tuple[str, Table]]:
    """One table: a line per mix, a column per figure that tells mixes apart."""
    table = [["", *(" ".join(column) for column in _COLUMNS)]]
    for mix in _unique(row.mix for row in rows):
        here = [row for row in rows if row.mix == mix]
        cells = (_cell(here, phase, figure, subject) for subject, phase, figure in _COLUMNS)
        table.append([mix, *cells])
    return [("Mixes", table)]


def _table(rows: Sequence[Row]) -> Table:
    subjects = sorted(_unique(row.subject for row in rows), key=lambda name: name not in _BASES)
    table = [["", *subjects]]
    for phase in _unique(row.phase for row in rows):
        here = [row for row in rows if row.phase == phase]
        for figure in _unique(name for row in here for name in row.figures):
            cells = [_cell(rows, phase, figure, subject) for subject in subjects]
            table.append([f"{phase} {figure}", *cells])
    return table


def _cell(rows: Sequence[Row], phase: str, figure: str, subject: str) -> str:
    values = figures(rows, subject, phase, figure)
    if not values:
        return "-"
    text = spread(list(values.values()))
    compared = [value / other for value, other in _pairs(rows, phase, figure, subject) if other]
    return f"{text}; x {spread(compared)}" if compared else text


def _pairs(rows: Sequence[Row], phase: str, figure: str, subject: str) -> Iterable[tuple[float, float]]:
    """The figure and what it is compared with, per round."""
    if not figure.endswith(_COMPARED):
        return
    yardstick = _YARDSTICKS.get(phase) or next((row.subject for row in rows if row.subject in _BASES), "")
    if yardstick == subject:
        return
    name = "accepted/s" if figure == "delivered/s" else figure
    others = figures(rows, yardstick, phase, name) or figures(rows, yardstick, "throughput", name)
    for number, value in figures(rows, subject, phase, figure).items():
        if number in others:
            yield value, others[number]


def figures(rows: Sequence[Row], subject: str, phase: str, figure: str) -> dict[int, float]:
    """A figure by round."""
    return {
        row.round: row.figures[figure]
        for row in rows
        if (row.subject, row.phase) == (subject, phase) and figure in row.figures
    }


def spread(values: Sequence[float]) -> str:
    """`median [lowest-highest]`; a dash where there is nothing."""
    if not values:
        return "-"
    middle, low, high = (written(one) for one in (statistics.median(values), min(values), max(values)))
    return middle if low == high else f"{middle} [{low}-{high}]"


def written(value: float) -> str:
    """With three digits that count; what is next to nothing is called so."""
    if 0 < abs(value) < 0.001:
        return "<0.001"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def plain(table: Table) -> str:
    """For a terminal."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table)
    return "\n".join(line.rstrip() for line in lines)


def markdown(table: Table) -> str:
    """For a page."""
    head, *lines = ["| " + " | ".join(line) + " |" for line in table]
    return "\n".join([head, "|" + " --- |" * len(table[0]), *lines])


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
