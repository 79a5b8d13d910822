"""Restarts behind held sockets, the short level: `make torture ARGS="--restarts 200"` is the long one."""

import pytest

from tests.torture.report import table
from tests.torture.scenarios import ENOUGH, Plan, restarts


@pytest.mark.timeout(500)
def test_a_restart_under_load_is_noticed_by_nobody() -> None:
    """SIGTERM and start in a loop: nothing refused, reset, answered otherwise than 202, or sent twice."""
    report = restarts(Plan(rounds=20, seconds=ENOUGH), lambda _: None)

    assert not report.violations, table(report)
    assert report.rounds == 20
    assert report.counts["duplicated"] == report.counts["reset"] == 0
