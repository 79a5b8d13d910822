"""RetryPolicy: when a failed delivery is tried again."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.admin.answers import moment
from router.delivery import Dead, Delivered, Retry
from router.retry import RetryPolicy
from router.units import Wait

FAILED = Retry("answered 500")


def test_the_default_schedule_is_ten_attempts_over_75_hours() -> None:
    """Standard Webhooks recommends ten attempts within 75 h 35 m 5 s."""
    policy = RetryPolicy()

    assert len(policy.schedule) == 9
    assert policy.span == 75 * 3600 + 35 * 60 + 5


def test_each_failure_waits_its_own_step() -> None:
    """Without jitter the next attempt is due exactly one step later."""
    policy = RetryPolicy((Wait(5), Wait(60)))

    assert [policy.next(n, FAILED, 100.0, 0.0) for n in (1, 2, 3)] == [105.0, 160.0, None]


def test_only_a_retry_is_tried_again() -> None:
    """What was delivered or is dead has no next time."""
    assert RetryPolicy().next(1, Delivered(), 0.0, 0.0) is None
    assert RetryPolicy().next(1, Dead("answered 400"), 0.0, 0.0) is None


@given(failures=st.integers(1, 9), chance=st.floats(0, 1, exclude_max=True), now=st.floats(0, 4e9))
def test_jitter_is_only_ever_added_and_at_most_a_fifth(failures: int, chance: float, now: float) -> None:
    """A delivery is never early and never more than 20 % late."""
    policy = RetryPolicy()
    step = policy.schedule[failures - 1]
    due = policy.next(failures, FAILED, now, chance)

    assert due is not None
    assert now + step <= due <= now + step * 1.2 + 1e-6


@pytest.mark.parametrize("year", [2026, 2110])
def test_the_longest_wait_ends_on_a_date(year: int) -> None:
    """With all its jitter: a delivery can always be shown with the time when it is due."""
    policy = RetryPolicy((Wait.parse("2400000d"),))
    due = policy.next(1, FAILED, datetime(year, 1, 1, tzinfo=UTC).timestamp(), 1.0)

    assert due is not None
    assert moment(due) == datetime.fromtimestamp(due, UTC)


def test_chance_spreads_attempts_over_the_fifth() -> None:
    """What failed together is not tried again together."""
    policy = RetryPolicy((Wait(100),))

    assert [policy.next(1, FAILED, 0.0, chance) for chance in (0.0, 0.25)] == [100.0, 105.0]


@given(chances=st.lists(st.floats(0, 1, exclude_max=True), min_size=10, max_size=10))
def test_the_whole_schedule_ends_after_the_tenth_attempt(chances: list[float]) -> None:
    """Whatever the jitter, ten attempts are made within the span and a fifth."""
    policy, now, attempts = RetryPolicy(), 0.0, 1
    while (due := policy.next(attempts, FAILED, now, chances[attempts - 1])) is not None:
        now, attempts = due, attempts + 1

    assert attempts == 10
    assert policy.span <= now <= policy.span * 1.2
