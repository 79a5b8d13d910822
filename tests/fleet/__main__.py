"""`make fleet`: three routers on one PostgreSQL, as long as one asks; exit code 1: something was violated."""

import argparse
import json
import random
import signal
import sys
import time
from pathlib import Path

from tests.fleet.scenarios import SCENARIOS, Progress
from tests.fleet.stage import Plan, told
from tests.torture.report import document

_ROUNDS = {"crashes": 100, "restarts": 30, "failovers": 5, "pooled": 20}


def main() -> int:
    """Run what was asked for; returns the exit code."""
    options = _options()
    wanted = {name: getattr(options, name) for name in SCENARIOS}
    chosen = {name: rounds for name, rounds in wanted.items() if rounds} or _ROUNDS
    reports = []
    for name, rounds in chosen.items():
        plan = Plan(
            rounds, options.duration, options.seed, options.pace, lease=options.lease, package=options.package
        )
        reports.append(SCENARIOS[name](plan, _progress()))
        print(f"\r{told(reports[-1])}", flush=True)
    if options.json:
        text = json.dumps([document(report) for report in reports], indent=1)
        options.json.write_text(text + "\n", "utf-8")
    return 1 if any(report.violations for report in reports) else 0


def _options() -> argparse.Namespace:
    form = argparse.ArgumentParser(prog="make fleet", description=__doc__)
    for name in SCENARIOS:
        form.add_argument(
            f"--{name}", type=int, metavar="N", help=f"so many {name}; without any: all of them"
        )
    form.add_argument("--duration", type=float, default=3600.0, help="seconds per scenario at most (3600)")
    form.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="to repeat a run"
    )
    form.add_argument("--pace", type=float, default=60.0, help="events per second at most (60)")
    form.add_argument("--lease", type=float, help="seconds; without: the product's own")
    form.add_argument("--package", type=Path, help="a folder with another `router` package to test")
    form.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    return form.parse_args()


def _progress() -> Progress:
    """Tell on standard error how far it is."""
    began = time.monotonic()
    return lambda done: print(
        f"\r{done} in {time.monotonic() - began:.0f} s ", end="", file=sys.stderr, flush=True
    )


if __name__ == "__main__":
    # Whoever ends this process ends what it started: as an exception it passes every `finally`.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
