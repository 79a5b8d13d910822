"""A primary dies, its standby is promoted; the long level: `make fleet ARGS="--failovers 20"`."""

import pytest

from tests.fleet.scenarios import failovers
from tests.fleet.stage import Plan, told
from tests.journal.postgres.server import binaries
from tests.torture.oracle import CONCURRENCY
from tests.torture.rules import SINKS

pytestmark = pytest.mark.skipif(
    not (binaries() / "pg_basebackup").exists(), reason="this PostgreSQL comes without pg_basebackup"
)


@pytest.mark.timeout(600)
def test_a_promoted_standby_has_everything_that_was_acknowledged() -> None:
    """The routers find it by themselves, and deliver what was open; then the same once more, back again."""
    report = failovers(Plan(rounds=2, seconds=350.0, pace=40, lease=6), lambda _: None)

    assert not report.violations, told(report)
    assert report.faults == {"failover": 2}
    assert report.counts["duplicated"] <= report.leases * CONCURRENCY * len(SINKS)
