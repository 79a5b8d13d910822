"""A fleet behind a real pooler, in transaction mode; the long level: `make fleet ARGS="--pooled 100"`."""

import pytest

from tests.fleet.scenarios import pooled
from tests.fleet.stage import Plan, told
from tests.journal.postgres.pooler import BOUNCER


@pytest.mark.timeout(600)
@pytest.mark.skipif(BOUNCER is None, reason="there is no pgbouncer here")
def test_a_fleet_behind_a_pooler_loses_nothing() -> None:
    """Three sessions for three routers; some are killed, one without work in flight, others restarted."""
    report = pooled(Plan(rounds=4, seconds=350.0, pace=40, lease=6), lambda _: None)

    assert not report.violations, told(report)
    assert report.rounds == 4
    assert report.counts["acknowledged"]
    assert report.leases >= report.faults["router killed"] + report.faults["idle router killed"] > 1
