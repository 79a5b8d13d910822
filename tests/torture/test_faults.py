"""Faults between router and sinks, the short level: `make torture ARGS="--faults 500"` is the long one."""

import pytest

from tests.torture.report import table
from tests.torture.scenarios import ENOUGH, Plan, faults


@pytest.mark.timeout(500)
def test_a_way_to_the_sinks_that_breaks_loses_nothing() -> None:
    """Latency, cut connections, half answers: everything arrives whole, under one id, none dies."""
    report = faults(Plan(rounds=15, seconds=ENOUGH), lambda _: None)

    assert not report.violations, table(report)
    assert report.rounds == 15
    assert report.counts["repeated by a fault"]
