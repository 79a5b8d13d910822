"""Growth: the same load on a young journal and on one with a million events and as many deliveries owed.

And what accepting feels of retention while that forgets a day's events.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import apsw

from tests.bench.filling import fill
from tests.bench.phases import Figures, Ground, Trial, latency, throughput, warm
from tests.bench.plans import Plan, Row, Tell, prepared, rounds
from tests.bench.subjects import Mix, Subject, running
from tests.bench.traffic import Sinks, receiving

# Old enough to be forgotten under `keep: 1d` at once, young enough for the default.
_DAYS = 2.0
_PACE = 200.0
# What a young journal is owed when its draining is measured: more than goes out in that time.
_SHORT = 60_000
_OUTAGE = Mix(sinks=2, hanging=1)
_DRAIN = Mix(sinks=2)


def measured(ground: Ground, plan: Plan, tell: Tell) -> Iterator[Row]:
    """Young and grown in turns, then still and pruning in turns; `plan.stored` events each."""
    with TemporaryDirectory(dir=ground.folder) as name:
        grown = Path(name)
        began = time.monotonic()
        asyncio.run(fill(grown / "journal.db", plan.stored, pending=True, days=_DAYS))
        # A journal that lives on must not be sent the same events again: it would know them.
        each = plan.events // 3
        several = replace(
            prepared(ground.tools, grown, replace(plan, events=2 * plan.rounds * each)), events=each
        )
        size = (grown / "journal.db").stat().st_size
        tell(f"filled {size / 2**20:,.0f} MB in {time.monotonic() - began:.0f} s\n")
        title = f"{plan.stored:,} events stored, {plan.stored:,} deliveries pending"
        for number in rounds(replace(plan, limit=plan.limit * 0.7), tell):
            for state in ("grown", "young")[:: 1 if number % 2 == 0 else -1]:
                here = grown if state == "grown" else None
                for phase, figures in _of_journal(replace(several, first=2 * number * each), here, tell):
                    yield Row(title, number, state, phase, figures)
    day = max(1, plan.stored // 10)
    for number in rounds(replace(plan, limit=plan.limit * 0.3), tell):
        for state, keep in (("still", "30d"), ("pruning", "1d"))[:: 1 if number % 2 == 0 else -1]:
            tell(f"round {number + 1}: {state}")
            yield Row(f"retention of {day:,} events", number, state, "accept", retention(ground, day, keep))


def _of_journal(ground: Ground, grown: Path | None, tell: Tell) -> Iterator[tuple[str, Figures]]:
    state = "young" if grown is None else "grown"
    outage, again = replace(ground, mix=_OUTAGE), replace(ground, mix=_OUTAGE, first=ground.end)
    tell(f"{state}: accept")
    with _folder(ground, grown, 1) as folder, _trial(outage, folder) as trial:
        yield "start", {"ready ms": 1000 * trial.subject.ready, "resident MB": trial.subject.resident()}
        warm(trial)
        yield "accept", latency(_PACE)(trial)
    tell(f"{state}: throughput")
    with _folder(ground, grown, 1) as folder, _trial(again, folder) as trial:
        warm(trial)
        yield "throughput", throughput(trial)
    tell(f"{state}: drain")
    with _folder(ground, grown, _SHORT) as folder, _trial(replace(ground, mix=_DRAIN), folder) as trial:
        yield "drain", _drained(trial.subject, trial.sinks, ground.seconds)


@contextmanager
def _folder(ground: Ground, grown: Path | None, owed: int) -> Iterator[Path]:
    """The grown journal's folder, or a fresh one with a journal that is owed so much."""
    if grown is not None:
        yield grown
        return
    with TemporaryDirectory(dir=ground.folder) as name:
        asyncio.run(fill(Path(name) / "journal.db", owed, pending=True, days=_DAYS))
        yield Path(name)


@contextmanager
def _trial(ground: Ground, folder: Path) -> Iterator[Trial]:
    with (
        receiving(ground.tools, folder, ground.end, ground.mix.sinks) as sinks,
        running("router", folder, sinks.url, ground.mix) as subject,
    ):
        yield Trial(ground, subject, sinks, forwards=True)


def _drained(subject: Subject, sinks: Sinks, seconds: float) -> Figures:
    """What goes out without anything coming in, once it is under way."""
    time.sleep(min(1.0, seconds))
    before, cpu, since = sinks.requests, subject.cpu(), time.monotonic()
    time.sleep(seconds)
    gone, used = sinks.requests - before, subject.cpu() - cpu
    return {
        "drained/s": gone / (time.monotonic() - since),
        "CPU ms/event": 1000 * used / max(1, gone),
    }


def retention(ground: Ground, events: int, keep: str) -> Figures:
    """Latency of accepting while all events in the journal are, or are not, due to be forgotten."""
    with TemporaryDirectory(dir=ground.folder) as name:
        folder = Path(name)
        asyncio.run(fill(folder / "journal.db", events, pending=False, days=_DAYS))
        with _trial(replace(ground, mix=Mix(keep=keep)), folder) as trial:
            warm(trial)
            since = _stored(folder)
            began = time.monotonic()
            found = latency(_PACE)(trial)
            posted = _PACE * ground.seconds
            found["pruned/s"] = max(0.0, since + posted - _stored(folder)) / (time.monotonic() - began)
    return found


def _stored(folder: Path) -> int:
    """How many events the journal holds now."""
    connection = apsw.Connection(str(folder / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return cast(int, connection.execute("SELECT count(*) FROM events").get)
    finally:
        connection.close()
