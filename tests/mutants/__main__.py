"""Break the package on purpose, fault by fault, and see the suite go red: `make mutants`.

A fault that survives is a missing test. The work tree is not touched: the faults go into copies of it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from tests.mutants.bed import Bed
from tests.mutants.fault import Fault
from tests.mutants.faults import FAULTS

ROOT = Path(__file__).parents[2]


class Verdict(NamedTuple):
    """What became of a fault: the test that caught it, None if it survived; `wrong`: it could not be told."""

    fault: Fault
    test: str | None
    seconds: float
    wrong: str | None = None

    @property
    def text(self) -> str:
        """For people."""
        return self.wrong or self.test or "SURVIVED"

    @property
    def caught(self) -> bool:
        """Whether a test went red, and by the fault."""
        return self.wrong is None and self.test is not None


def judge(fault: Fault, beds: "SimpleQueue[Bed]") -> Verdict:
    """Try one fault in the next bed that is free."""
    bed = beds.get()
    began = time.monotonic()
    try:
        test = bed.caught_by(fault)
        verdict = Verdict(fault, test, time.monotonic() - began)
    except RuntimeError as error:
        verdict = Verdict(fault, None, time.monotonic() - began, str(error))
    finally:
        beds.put(bed)
    return verdict


def judge_all(faults: Sequence[Fault], jobs: int) -> list[Verdict]:
    """Try all, some at a time, telling of each as it comes to its end."""
    beds: SimpleQueue[Bed] = SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="mutants") as folder:
        for number in range(jobs):
            beds.put(Bed(ROOT, Path(folder, str(number))))
        ended: list[Verdict] = []

        def tell(fault: Fault) -> Verdict:
            verdict = judge(fault, beds)
            ended.append(verdict)
            print(f"{len(ended):3}/{len(faults)}  {fault.name}: {verdict.text}", flush=True)
            return verdict

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(tell, faults))


def table(verdicts: Sequence[Verdict]) -> str:
    """All verdicts, in the order of the list."""
    rows = [("FAULT", "PROMISE", "CAUGHT BY", "SECONDS")]
    rows += [(each.fault.name, each.fault.promise, each.text, f"{each.seconds:.0f}") for each in verdicts]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def main(arguments: Sequence[str]) -> int:
    """Run all faults, or those whose names hold one of the words; 1 if one survives."""
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("words", nargs="*", help="faults whose names hold one of these; none: all")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (%(default)s)")
    given = parser.parse_args(arguments)
    faults = [each for each in FAULTS if not given.words or any(word in each.name for word in given.words)]
    began = time.monotonic()
    verdicts = judge_all(faults, given.jobs)
    caught = sum(verdict.caught for verdict in verdicts)
    print(f"\n{table(verdicts)}\n")
    print(f"{caught} of {len(faults)} faults were caught, in {time.monotonic() - began:.0f} s")
    return 0 if caught == len(faults) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
