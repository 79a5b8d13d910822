"""`make torture`: the scenarios at the length one asks for; exit code 1 if anything was violated."""

import argparse
import json
import random
import sys
import time
from pathlib import Path

from tests.torture.report import document, table
from tests.torture.scenarios import SCENARIOS, Plan, Progress

_ENDLESS = 10**9


def main() -> int:
    """Run what was asked for; returns the exit code."""
    options = _options()
    wanted = {name: getattr(options, name) for name in SCENARIOS}
    chosen = {name: rounds for name, rounds in wanted.items() if rounds} or dict.fromkeys(wanted, _ENDLESS)
    reports = []
    for name, rounds in chosen.items():
        plan = Plan(
            rounds, options.duration, options.seed, options.pace, options.connections, options.package
        )
        reports.append(SCENARIOS[name](plan, _progress()))
        print(f"\r{table(reports[-1])}")
    if options.json:
        options.json.write_text(
            json.dumps([document(report) for report in reports], indent=1) + "\n", "utf-8"
        )
    return 1 if any(report.violations for report in reports) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    for name in SCENARIOS:
        parser.add_argument(
            f"--{name}", type=int, metavar="N", help=f"so many {name}; without any: all three"
        )
    parser.add_argument("--duration", type=float, default=600.0, help="seconds per scenario at most (600)")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="to repeat a run"
    )
    parser.add_argument("--pace", type=float, default=150.0, help="events per second at most (150)")
    parser.add_argument("--connections", type=int, default=16, help="of the sender (16)")
    parser.add_argument("--package", type=Path, help="a folder with another `router` package to test")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    return parser.parse_args()


def _progress() -> Progress:
    """Tell on standard error how far it is, at most once a second."""
    began, told = time.monotonic(), 0.0

    def tell(done: str) -> None:
        nonlocal told
        now = time.monotonic()
        if now >= told + 1:
            told = now
            print(f"\r{done} in {now - began:.0f} s ", end="", file=sys.stderr, flush=True)

    return tell


if __name__ == "__main__":
    sys.exit(main())
