"""Crashes under load, the short level: `make torture ARGS="--crashes 10000"` is the long one."""

import pytest

from tests.torture.oracle import CONCURRENCY
from tests.torture.report import table
from tests.torture.rules import SINKS
from tests.torture.scenarios import ENOUGH, Plan, crashes


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_acknowledged_survives_every_kill(seed: int) -> None:
    """Nothing lost, undelivered or condemned; a sound file; repeats are few, under one id, and numbered."""
    report = crashes(Plan(rounds=50, seconds=ENOUGH, seed=seed), lambda _: None)

    assert not report.violations, table(report)
    assert report.rounds >= 50
    assert report.counts["acknowledged"]
    assert report.counts["duplicated"] <= report.rounds * CONCURRENCY * len(SINKS)
