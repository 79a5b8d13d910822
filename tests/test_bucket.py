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


def test_a_clock_that_is_set_back_gives_nothing_and_takes_nothing() -> None:
    """What the bucket holds stays as it is; from there on it is refilled at its rate."""
    bucket = Bucket(Rate(2, 1.0), now=7200.0)
    bucket.take(7200.0, 2)

    assert bucket.available(3600.0) == 0
    assert bucket.wait(3600.0) == 0.5
    assert bucket.available(3600.5) == 1
    assert bucket.available(7.0) == 1
    assert bucket.available(7.5) == 2


def test_a_clock_that_goes_to_and_fro_counts_no_time_twice() -> None:
    """A step back of some seconds is often undone: until the clock is where it was, nothing is given."""
    bucket = Bucket(Rate(2, 1.0), now=10.0)
    bucket.take(10.0, 2)

    assert bucket.available(6.0) == 0
    assert bucket.wait(6.0) == 4.5
    assert bucket.available(10.0) == 0
    assert bucket.wait(10.0) == 0.5
    assert bucket.available(10.5) == 1


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


@settings(max_examples=60)
@given(
    count=st.integers(1, 50),
    period=st.sampled_from([1.0, 60.0, 3600.0]),
    steps=st.lists(st.tuples(st.floats(0, 5), st.just(0.0) | st.floats(0, 120)), max_size=60),
)
def test_no_clock_that_is_set_back_gives_more_than_the_rate(
    count: int, period: float, steps: list[tuple[float, float]]
) -> None:
    """However often it is set back: what counts is the time that really went by."""
    bucket = Bucket(Rate(count, period), now=0.0)
    real, shown, passed = 0.0, 0.0, 0
    for later, back in steps:
        real += later
        shown += later - back
        free = bucket.available(shown)
        bucket.take(shown, free)
        passed += free

    assert passed <= count + real * count / period + 1e-6


@settings(max_examples=60)
@given(
    count=st.integers(1, 50),
    steps=st.lists(st.tuples(st.floats(0, 5), st.floats(0, 29.9)), max_size=60),
)
def test_no_clock_that_goes_to_and_fro_gives_more_than_the_rate(
    count: int, steps: list[tuple[float, float]]
) -> None:
    """Clocks of several hosts are a little apart, and the next step may undo the last."""
    bucket = Bucket(Rate(count, 60.0), now=0.0)
    real, passed = 0.0, 0
    for later, behind in steps:
        real += later
        free = bucket.available(real - behind)
        bucket.take(real - behind, free)
        passed += free

    assert passed <= count + real * count / 60.0 + 1e-6


@given(count=st.integers(1, 50), taken=st.integers(1, 100), back=st.integers(0, 90))
def test_waiting_is_enough_after_a_clock_was_set_back(count: int, taken: int, back: int) -> None:
    """By a little or by more, in credit or in debt: nobody has to ask twice."""
    bucket = Bucket(Rate(count, 1.0), now=100.0)
    bucket.take(100.0, taken)
    now = 100.0 - back

    assert bucket.available(now + bucket.wait(now)) >= 1
