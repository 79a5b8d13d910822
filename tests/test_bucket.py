"""The token bucket: bursts up to its count, then an even pace."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.bucket import Bucket
from router.units import Rate


def test_a_full_bucket_lets_a_burst_pass() -> None:
    """`60/m` allows sixty at once after silence."""
    bucket = Bucket(Rate(60, 60.0), now=100.0)

    assert bucket.available(100.0) == 60

    bucket.take(100.0, 60)

    assert bucket.available(100.0) == 0


def test_an_empty_bucket_says_how_long_to_wait() -> None:
    """One per second: after one the next may pass a second later, and no sooner."""
    bucket = Bucket(Rate(1, 1.0), now=0.0)
    bucket.take(0.0)

    assert bucket.wait(0.0) == 1.0
    assert bucket.available(0.75) == 0
    assert bucket.wait(0.75) == 0.25
    assert bucket.available(1.0) == 1
    assert bucket.wait(1.0) == 0.0


def test_silence_never_saves_more_than_a_full_bucket() -> None:
    """A week without requests is no credit for a flood."""
    bucket = Bucket(Rate(5, 1.0), now=0.0)

    assert bucket.available(7 * 86_400.0) == 5


def test_a_debt_is_paid_by_later_time() -> None:
    """Whoever takes more than there is makes those who come after wait."""
    bucket = Bucket(Rate(2, 1.0), now=0.0)
    bucket.take(0.0, 6)

    assert bucket.available(1.0) == 0
    assert bucket.wait(1.0) == 1.5
    assert bucket.available(2.5) == 1


def test_a_clock_that_goes_back_gives_nothing_and_takes_nothing() -> None:
    """Time that was seen already does not count again."""
    bucket = Bucket(Rate(2, 1.0), now=10.0)
    bucket.take(10.0)

    assert bucket.available(5.0) == 1
    assert bucket.available(10.25) == 1
    assert bucket.available(10.5) == 2


@settings(max_examples=60)
@given(
    count=st.integers(1, 50),
    period=st.sampled_from([1.0, 60.0, 3600.0]),
    steps=st.lists(st.floats(0, 5, allow_nan=False), max_size=60),
)
def test_never_more_than_burst_and_pace_allow(count: int, period: float, steps: list[float]) -> None:
    """Over any time, what passed is at most one burst and what the pace gives."""
    bucket = Bucket(Rate(count, period), now=0.0)
    now, passed = 0.0, 0
    for step in steps:
        now += step
        free = bucket.available(now)
        bucket.take(now, free)
        passed += free

    assert passed <= count + now * count / period + 1e-6


@pytest.mark.parametrize(("count", "period"), [(1, 1.0), (7, 60.0), (1000, 3600.0)])
def test_waiting_as_long_as_asked_is_enough(count: int, period: float) -> None:
    """A `Retry-After` that is obeyed is rewarded."""
    bucket = Bucket(Rate(count, period), now=0.0)
    bucket.take(0.0, count)

    assert bucket.available(bucket.wait(0.0)) == 1
