"""An event whose delivery kills the process, seen from outside."""

import pytest

from tests.torture.report import table
from tests.torture.rules import expected
from tests.torture.scenarios import ENOUGH, Plan, poison
from tests.torture.sinks import DEADLY
from tests.torture.workload import sent

SEED = 5


@pytest.mark.timeout(500)
def test_what_kills_whoever_delivers_it_is_set_aside_and_nothing_else() -> None:
    """Three kills, one dead letter that says so; everything else arrives."""
    deadly = next(number for number in range(5, 100) if DEADLY in expected(sent(SEED, number)))
    report = poison(Plan(rounds=3, seconds=ENOUGH, seed=SEED, pace=8, deadly=deadly), lambda _: None)

    assert not report.violations, table(report)
    assert (report.rounds, report.counts["dead"]) == (3, 1)
