"""The report of a run: a table for people, a document for machines."""

from collections.abc import Collection, Mapping
from dataclasses import asdict

from tests.torture.oracle import CLASSES
from tests.torture.scenarios import Report

_FORBIDDEN = {
    "lost", "undelivered", "corrupt", "unexpected", "double-stored", "dead", "limbo", "refused", "timeout",
    "not 202", "crashes over the bound",
}  # fmt: skip


def table(report: Report, more: Mapping[str, int] | None = None, *, allowed: Collection[str] = ()) -> str:
    """One line per class, what `more` there is to be told, then what was wrong."""
    rounds = f"{report.rounds} rounds, {report.seconds:.0f} s, seed {report.seed}"
    lines = [f"{report.scenario}: {rounds}"]
    for name in CLASSES:
        must = "  (must be 0)" if name in _FORBIDDEN - set(allowed) else ""
        lines.append(f"  {name:<24}{report.counts.get(name, 0):>10,}{must}")
    lines += [f"  {name:<36}{times:>6,}" for name, times in (more or {}).items()]
    lines += [
        f"  {name:<24}{_spread(values)}"
        for name, values in (("seconds to start", report.starts), ("seconds to answer", report.answers))
    ]
    for kind, examples in report.violations.items():
        lines += [f"  VIOLATION {kind}: {example}" for example in examples]
    lines.append(f"  {'FAILED' if report.violations else 'passed'}")
    return "\n".join(lines)


def document(report: Report) -> dict[str, object]:
    """The same for a file: times as median, 99th percentile and worst."""
    return asdict(report) | {"starts": _points(report.starts), "answers": _points(report.answers)}


def _points(values: list[float]) -> list[float]:
    if not values:
        return []
    return [round(values[min(int(len(values) * share), len(values) - 1)], 3) for share in (0.5, 0.99, 1)]


def _spread(values: list[float]) -> str:
    points = _points(values)
    return "median {:.3f}, 99 % {:.3f}, worst {:.3f}".format(*points) if points else "-"
