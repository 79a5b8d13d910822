"""Counters against accounts: what agrees is silent, what differs is named."""

from dataclasses import replace

import pytest

from tests.torture.counters import of_attempts, of_deliveries, of_hooks
from tests.torture.oracle import Arrived, Posted

ACK = Posted(1.0, 1.1, 1, "ack", 202, "evt_1", False)
AGAIN = replace(ACK, duplicate=True)
TAKEN = Arrived(1.2, "steady", "dlv_1", 2, 3, "evt_1", 1, "digest", True, "200")
REFUSED = replace(TAKEN, attempt=1, answer="500")
METRICS = {
    'visual_router_requests_total{source="happo",status="202"}': 1.0,
    'visual_router_requests_total{source="percy",status="202"}': 1.0,
    'visual_router_events_total{duplicate="false",kind="k",source="happo",status="none"}': 1.0,
    'visual_router_events_total{duplicate="true",kind="k",source="percy",status="none"}': 1.0,
    'visual_router_attempts_total{outcome="delivered",sink="steady"}': 1.0,
    'visual_router_attempts_total{outcome="retry",sink="steady"}': 1.0,
    'visual_router_attempt_seconds_count{sink="steady"}': 9.0,
    "visual_router_body_bytes_in_flight": 0.0,
}


def test_counters_that_agree_are_silent() -> None:
    """Requests, events, attempts of the run in question."""
    earlier = replace(TAKEN, generation=2)

    assert of_hooks(METRICS, [ACK, AGAIN]) == []
    assert of_attempts(METRICS, [earlier, REFUSED, TAKEN], 3) == []
    assert of_deliveries(METRICS, [REFUSED, REFUSED, TAKEN]) == []


def test_what_was_answered_and_not_counted_is_named() -> None:
    """And what was counted and not answered."""
    assert of_hooks(METRICS, [ACK, ACK, AGAIN]) == [
        "requests answered, 202: 2 counted, 3 seen",
        "events, by duplicate, false: 1 counted, 2 seen",
    ]
    assert of_hooks(METRICS, [ACK, replace(ACK, outcome="reset", status=None)]) == [
        "requests answered, 202: 2 counted, 1 seen",
        "requests answered, reset: 0 counted, 1 seen",
        "events, by duplicate, true: 1 counted, 0 seen",
    ]


@pytest.mark.parametrize(
    ("arrived", "difference"),
    [
        ([TAKEN], "steady retry: 1 counted, 0 seen"),
        ([REFUSED, TAKEN, replace(TAKEN, sink="slow")], "slow delivered: 0 counted, 1 seen"),
        ([REFUSED, TAKEN, replace(TAKEN, answer="gone")], "steady gone: 0 counted, 1 seen"),
    ],
)
def test_attempts_of_an_orderly_run_are_counted_one_by_one(arrived: list[Arrived], difference: str) -> None:
    """Each by its sink and what it came to."""
    assert of_attempts(METRICS, arrived, 3) == [f"attempts of run 3, {difference}"]


def test_where_answers_get_lost_each_delivery_is_still_done_once() -> None:
    """More attempts than refusals are right there, fewer are not."""
    other = replace(REFUSED, delivery="dlv_2")

    assert of_deliveries(METRICS, [TAKEN, replace(TAKEN, attempt=3)]) == []
    assert of_deliveries(METRICS, [REFUSED, TAKEN, other]) == [
        "deliveries done, steady: 1 counted, 2 seen",
        "refusals at steady: 2 seen, 1 counted",
    ]
