"""`make bench`: the router against a bare handler and a naive forwarder, in turns, on this machine.

python -m tests.bench [standard|mixes|costs|growth] [--rounds N] [--seconds S] [--json FILE] ...
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw

from tests.bench import costs, database, growth, plans, sizing
from tests.bench.phases import PHASES, Ground
from tests.bench.plans import Plan, Row, Tell
from tests.bench.report import Table, by_mix, markdown, plain, tables, written
from tests.bench.subjects import SUBJECTS, Mix
from tests.bench.tools import NoTools, compiled

PLANS: Mapping[str, Callable[[Ground, Plan, Tell], Iterator[Row]]] = {
    "standard": plans.standard,
    "mixes": plans.mixes,
    "costs": costs.measured,
    "growth": growth.measured,
    "database": database.measured,
}

FORMS: Mapping[str, Callable[[Sequence[Row]], list[tuple[str, Table]]]] = {
    "costs": sizing.tables,
    "database": database.tables,
    "mixes": by_mix,
}


def main(words: Sequence[str] | None = None) -> int:
    """Run a plan, or print one that was run; returns the exit code."""
    options = _options(words)
    try:
        document = json.loads(options.read.read_text("utf-8")) if options.read else _run(options)
    except NoTools as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    print(shown(document, markdown if options.markdown else plain))
    if options.page:
        text = options.page.read_text("utf-8")
        options.page.write_text(placed(text, document["plan"], shown(document, markdown)), "utf-8")
    return 0


def placed(page: str, plan: str, text: str) -> str:
    """A page with the text between the two marks of a plan, `<!-- bench PLAN -->` and `<!-- end -->`."""
    before, mark, behind = page.partition(f"<!-- bench {plan} -->\n")
    _, end, rest = behind.partition("<!-- end -->")
    if not mark or not end:
        raise SystemExit(f"the page has no '<!-- bench {plan} -->' followed by '<!-- end -->'; write both")
    return f"{before}{mark}\n{text}\n\n{end}{rest}"


def shown(document: Mapping[str, Any], form: Callable[[Table], str]) -> str:
    """All tables as text."""
    rows = [Row(**row) for row in document["rows"]]
    found = FORMS.get(document["plan"], tables)(rows)
    return "\n\n".join([document["machine"], *(f"{title}\n\n{form(table)}" for title, table in found)])


def _run(options: argparse.Namespace) -> dict[str, Any]:
    mix = Mix(options.connections, options.sinks, options.hanging, options.rules)
    plan = Plan(
        options.rounds,
        options.seconds,
        options.events,
        options.limit,
        options.phases,
        options.subjects,
        mix,
        options.stored,
        options.warm,
    )
    with TemporaryDirectory(prefix="bench-", dir=options.folder) as name:
        folder = Path(name)
        ground = plans.prepared(compiled(folder), folder, plan)
        about = machine(folder)
        rows = [row.document() for row in PLANS[options.plan](ground, plan, _tell)]
    _tell("")
    return {"machine": about, "plan": options.plan, "rows": rows}


def machine(folder: Path) -> str:
    """What the figures are of; `folder` is on the disk where journals lay."""
    kernel = platform.release().partition("-")[0]
    return (
        f"{os.cpu_count()} cores, Linux {kernel}, Python {platform.python_version()},"
        f" SQLite {apsw.sqlite_lib_version()}, a sync takes {written(1000 * sync_time(folder / 'sync'))} ms"
    )


def sync_time(path: Path, times: int = 51) -> float:
    """Seconds that it takes to append a page to a file and sync it; the median."""
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _tell(what: str) -> None:
    print(f"\r{what:<60}", end="", file=sys.stderr, flush=True)


def _words(known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        unknown = [word for word in text.split(",") if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"'{unknown[0]}' is unknown; known are {', '.join(known)}")
        return text.split(",")

    return read


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    form = argparse.ArgumentParser(prog="make bench", description=__doc__)
    plan = Plan()
    form.add_argument("plan", nargs="?", choices=PLANS, default="standard")
    form.add_argument("--rounds", type=int, default=plan.rounds)
    form.add_argument("--seconds", type=float, default=plan.seconds, help="of load per phase")
    form.add_argument("--limit", type=float, default=plan.limit, help="seconds in which it must be over")
    form.add_argument("--events", type=int, default=plan.events, help="requests in store: a phase's most")
    form.add_argument("--warm", type=int, default=plan.warm, help="requests before a phase")
    form.add_argument("--stored", type=int, default=plan.stored, help="events in a grown journal")
    form.add_argument("--phases", type=_words(tuple(PHASES)), default=plan.phases, help="a,b,c")
    form.add_argument("--subjects", type=_words(SUBJECTS), default=plan.subjects, help="a,b,c")
    for name in ("connections", "sinks", "hanging", "rules"):
        form.add_argument(f"--{name}", type=int, default=getattr(plan.mix, name))
    form.add_argument(
        "--folder", type=Path, help="where journals lie while it runs: on the disk to be judged"
    )
    form.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every round there too")
    form.add_argument("--read", type=Path, metavar="FILE", help="print the tables of such a file")
    form.add_argument("--markdown", action="store_true", help="print tables for a page")
    form.add_argument("--page", type=Path, metavar="FILE", help="put them between the plan's marks there")
    return form.parse_args(words)


if __name__ == "__main__":
    # Whoever ends this process ends what it started: as an exception it passes every `finally`.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
