"""Three routers on one PostgreSQL, the short level: `make fleet` is the long one."""

import pytest

from tests.fleet.scenarios import crashes, restarts
from tests.fleet.stage import Plan, told
from tests.torture.oracle import CONCURRENCY
from tests.torture.rules import SINKS

ENOUGH = 350.0


@pytest.mark.timeout(600)
def test_what_was_acknowledged_survives_a_crash_of_anything() -> None:
    """Of a router, of the server, of a link: nothing is lost; repeats are those of leases that ended."""
    report = crashes(Plan(rounds=9, seconds=ENOUGH, pace=40, lease=6), lambda _: None)

    assert not report.violations, told(report)
    assert report.rounds == 9
    assert report.counts["acknowledged"]
    assert report.counts["duplicated"] <= report.leases * CONCURRENCY * len(SINKS)


@pytest.mark.timeout(600)
def test_restarting_one_router_after_the_other_is_noticed_by_nobody() -> None:
    """Nothing is refused, reset, answered otherwise than 202, or sent twice; what one left another does."""
    report = restarts(Plan(rounds=6, seconds=ENOUGH, pace=40), lambda _: None)

    assert not report.violations, told(report)
    assert report.rounds == 6
    assert report.counts["duplicated"] == report.counts["reset"] == report.leases == 0
