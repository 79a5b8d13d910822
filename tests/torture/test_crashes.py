"""Crashes under load, the short level: `make torture ARGS="--crashes 10000"` is the long one."""

import pytest

from tests.torture.oracle import CONCURRENCY
from tests.torture.report import table
from tests.torture.rules import SINKS
from tests.torture.scenarios import Plan, crashes


@pytest.mark.timeout(300)
def test_what_was_acknowledged_survives_every_kill() -> None:
    """Nothing lost, undelivered or condemned; a sound file; repeats are few, under one id, and numbered."""
    report = crashes(Plan(rounds=100, seconds=30), lambda _: None)

    assert not report.violations, table(report)
    assert report.rounds
    assert report.counts["acknowledged"]
    assert report.counts["duplicated"] <= report.rounds * CONCURRENCY * len(SINKS)
