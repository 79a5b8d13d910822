"""The bounds on coverage: every branch of layers 0 and 1, 95 % of the whole.

Of the journal on PostgreSQL 95 % of each file: some of its branches are taken when another router or the
server does something at a certain moment, which no test can order.

Run by `make test` after the suite, as `python -m tests.coverage_bounds`.
"""

import json
import sys
import tempfile
from pathlib import Path

from coverage import Coverage

LAYERS_0_AND_1 = (
    "errors", "units", "secret", "text", "transport/trust", "spelling", "disk", "calling", "addresses",
    "clock", "metrics", "series", "record", "logs", "ending", "systemd", "columns", "event", "template/",
    "delivery", "bucket", "retry", "dispatch/gate", "rules/", "sources/", "sinks/", "journal/",
)  # fmt: skip
ON_A_SERVER = "journal/postgres/"
WHOLE = 95.0


def _least(name: str) -> float:
    return WHOLE if name.startswith(ON_A_SERVER) else 100.0


def main() -> int:
    """Print what falls short; 1 if anything does."""
    coverage = Coverage()
    coverage.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        whole = coverage.json_report(outfile=str(report))
        files = json.loads(report.read_text("utf-8"))["files"]
    short = [
        f"{name}: {figures['summary']['percent_covered']:.1f} %, missing lines {figures['missing_lines']}, "
        f"branches {figures.get('missing_branches', [])}"
        for name, figures in sorted(files.items())
        if name.removeprefix("router/").startswith(LAYERS_0_AND_1)
        and figures["summary"]["percent_covered"] < _least(name.removeprefix("router/"))
    ]
    if short:
        print("layers 0 and 1 are covered to the last branch, but for", *short, sep="\n  ")
    print(f"coverage {whole:.1f} % (at least {WHOLE:.0f} %)")
    return 1 if short or whole < WHOLE else 0


if __name__ == "__main__":
    sys.exit(main())
