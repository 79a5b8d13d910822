"""A whole fuzz run against a daemon of its own: the short level in the suite, the long one by `make fuzz`."""

import argparse
import asyncio
import math
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.hardening import wanted
from tests.hostile.fuzzer import Fuzzer, stopwatch, table
from tests.hostile.mutations import SECRETS, TOKEN
from tests.hostile.onlooker import HEALTH, onlooker
from tests.hostile.target import RSS_LIMIT, Target

ENV = {**SECRETS, "TOKEN": TOKEN}
CONFIG = r"""
sources:
  chromatic: {type: chromatic, secret: "env:CHROMATIC"}
  percy: {type: percy, secret: "env:PERCY"}
  happo: {type: happo, secret: "env:HAPPO"}
  open: {type: chromatic, unsigned: true, token: "env:TOKEN"}
sinks:
  text: {type: log}
  json: {type: log, format: json}
rules:
  - {name: nowhere, when: {branch: "dependabot/**"}, final: true}
  - name: evil patterns
    when:
      - {branch: ["re:(a+)+", "**/x*y*z/**"], changes: 1..}
      - {title: "re:(.*)*b", author: "*?*?*!"}
      - {payload.build.number: 5.., payload.data.*.attributes: "null"}
      - {payload.included.*.attributes.state: "*[a"}
    message: "{{ project }} {{ branch }} {{ changes }} {{ title }}"
    to: json
  - {name: some, when: {build: 1..9}, to: text, message: "{{ branch }}\n{{ title }} {{ author }}"}
"""
NAMES = {"chromatic", "percy", "happo", "open", "text", "json"}
# Lines of strangers' failures are spared: ten at once, ten a minute, of each event and source.
AT_ONCE = 10
# Seconds by which the event loop may be late; judged at the long level, which has the machine for itself.
LATE = 0.25
REFUSALS = {
    "body_undecodable",
    "sender_refused",
    "hook_unknown",
    "method_refused",
    "body_late",
    "body_too_large",
    "body_encoded",
    "request_malformed",
}


class Outcome(NamedTuple):
    """What a run showed: `broken` are the promises that did not hold.

    `late`: by how many seconds the event loop was late at worst; the bound of the bucket that it fell into.
    """

    broken: list[str]
    report: str
    late: float = math.inf


async def fuzz(
    target: Target, seed: int, count: int, progress: Callable[[int], None] | None = None
) -> Outcome:
    """Attack a daemon that was started, stop it, and judge answers, counters, memory and log."""
    fuzzer, elapsed = Fuzzer(target.port, seed, count), stopwatch()
    async with onlooker(f"{target.folder}/admin.sock", HEALTH) as seen:
        await fuzzer.run(progress)
    seconds = elapsed()
    broken = [*fuzzer.complaints]
    if not target.alive:
        return Outcome([*broken, "the process ended"], table(fuzzer, seconds))
    metrics, peak = await target.metrics(), target.peak
    broken += _counted(metrics, fuzzer)
    if peak > RSS_LIMIT:
        broken.append(f"it took {peak >> 20} MiB")
    if (code := await target.stop()) != 0:
        broken.append(f"it ended with {code}")
    broken += _logged(target, elapsed())
    broken += [f"a secret: {leak}" for leak in target.leaks()]
    if set(seen.statuses()) - {200}:
        broken.append(f"health was answered {dict(seen.statuses())}")
    late = _lag(metrics)
    report = (
        f"{table(fuzzer, seconds)}\npeak memory {peak >> 20} MiB, event loop late by up to {late:g} s"
        f"\n{seen.table('health, each 50 ms')}"
    )
    return Outcome(broken, report, late)


def _counted(metrics: dict[str, float], fuzzer: Fuzzer) -> list[str]:
    """No 500 was counted, what was acknowledged became an event, and no stranger made a series."""
    crashed = sum(
        value for name, value in metrics.items() if "_requests_total" in name and 'status="500"' in name
    )
    acknowledged = sum(n for (_, status), n in fuzzer.statuses.items() if status == 202)
    events = sum(value for name, value in metrics.items() if name.startswith("visual_router_events_total"))
    labels = {value for name in metrics for value in re.findall(r'(?:source|sink)="([^"]*)"', name) if value}
    broken = []
    if strange := sorted(labels - NAMES):
        broken.append(f"labels that nobody configured: {strange[:5]}")
    if crashed:
        broken.append(f"{crashed:g} requests crashed")
    # A sender that left, or gave up, may have left an event behind whose answer nobody read.
    if events < acknowledged:
        broken.append(f"{acknowledged} acknowledged, {events:g} events")
    return broken


def _logged(target: Target, seconds: float) -> list[str]:
    """Every line is one JSON object, none tells of a crash, and strangers filled nothing."""
    broken = []
    lines: Counter[tuple[str, Any]] = Counter()
    for record in target.records():
        lines[record["event"], record.get("source")] += 1
        if "exception" in record or record["level"] in ("error", "critical"):
            broken.append(f"in the log: {str(record)[:600]}")
    allowed = AT_ONCE * (2 + seconds / 60)
    broken += [
        f"{count} lines of {event} ({source}) in {seconds:.0f} s"
        for (event, source), count in lines.items()
        if (event in REFUSALS or event == "library_message") and count > allowed
    ]
    if b"Traceback" in (target.folder / "stdout").read_bytes():
        broken.append("a traceback on standard output")
    return broken


def _lag(metrics: dict[str, float]) -> float:
    """The bound of the histogram's bucket that holds the worst delay of the event loop."""
    name = "visual_router_loop_lag_seconds"
    count = metrics[f"{name}_count"]
    bounds = [
        key.partition('le="')[2].partition('"')[0] for key in metrics if key.startswith(f"{name}_bucket")
    ]
    return next(float(bound) for bound in bounds if metrics[f'{name}_bucket{{le="{bound}"}}'] == count)


async def _long(seed: int, count: int) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        target = Target(Path(folder), CONFIG, ENV, "body_timeout: 1s")
        target.prefix = wanted(Path(folder))
        await target.start()
        try:
            outcome = await fuzz(target, seed, count, _tell)
        finally:
            if target.alive:
                target.kill()
    if outcome.late > LATE:
        outcome.broken.append(f"the event loop was late by up to {outcome.late:g} s, or the machine was busy")
    return outcome


def _tell(number: int) -> None:
    if number % 10_000 == 0:
        print(f"case {number}", file=sys.stderr, flush=True)


def main() -> int:
    """The long level."""
    parser = argparse.ArgumentParser(description="Attack a daemon of its own with hostile requests.")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    outcome = asyncio.run(_long(asked.seed, asked.count))
    print(outcome.report, *outcome.broken[:50], sep="\n")
    print(f"seed {asked.seed}: {len(outcome.broken)} broken promises")
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
