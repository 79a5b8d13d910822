"""Faults between router and sinks, the short level: `make torture ARGS="--faults 500"` is the long one."""

import pytest

from tests.torture.report import table
from tests.torture.scenarios import ENOUGH, Plan, faults


@pytest.mark.timeout(500)
def test_a_way_to_the_sinks_that_breaks_loses_nothing() -> None:
    """Latency, cut connections, half answers: everything arrives whole, under one id, none dies."""
    # On a slow machine every fault may fall between two attempts: then there is more of the same.
    for seed in range(1, 6):
        report = faults(Plan(rounds=15, seconds=ENOUGH, seed=seed), lambda _: None)

        assert not report.violations, table(report)
        assert report.rounds == 15
        if report.counts["repeated by a fault"]:
            return
    pytest.fail(f"no attempt was hit by a fault:\n{table(report)}")
