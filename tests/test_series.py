"""Series: counted here as the library would have counted, and shown as it would have shown."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    enable_created_metrics,
    generate_latest,
)

from router.series import CounterFamily, HistogramFamily

NAMES = ("source", "kind")
VALUES = st.tuples(st.text(max_size=5), st.text(max_size=5))
BOUNDS = st.lists(st.floats(0, 1e9, exclude_min=True), min_size=1, max_size=6, unique=True).map(sorted)
AMOUNTS = st.floats(0, 1e12)


@pytest.fixture(scope="module", autouse=True)
def _no_moments_of_birth() -> Iterator[None]:
    """The library's own series show when they began, unless it is told not to."""
    disable_created_metrics()
    yield
    enable_created_metrics()


@settings(max_examples=50)
@given(st.lists(VALUES, max_size=10))
def test_a_counter_reads_as_the_librarys_own(counts: list[tuple[str, str]]) -> None:
    """Whatever the labels: the same series in the same order with the same figures, in the same letters."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    family = CounterFamily("seen", "Whatever", NAMES, ours)
    oracle = Counter("seen", "Whatever", NAMES, registry=theirs)

    for values in counts:
        family.series[values] += 1
        oracle.labels(*values).inc()

    assert generate_latest(ours) == generate_latest(theirs)


@settings(max_examples=100)
@given(st.data())
def test_a_histogram_reads_as_the_librarys_own(data: st.DataObject) -> None:
    """Whatever the bounds, and with amounts that equal one: each falls into the same bucket."""
    bounds = data.draw(BOUNDS)
    amounts = data.draw(st.lists(st.tuples(VALUES, AMOUNTS | st.sampled_from(bounds)), max_size=10))
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    family = HistogramFamily("took", "Whatever", NAMES, bounds, ours)
    oracle = Histogram("took", "Whatever", NAMES, buckets=bounds, registry=theirs)

    for values, amount in amounts:
        family.series[values].observe(amount)
        oracle.labels(*values).observe(amount)

    assert generate_latest(ours) == generate_latest(theirs)


@pytest.mark.parametrize("happened", [0, 3])
def test_what_has_no_label_reads_as_the_librarys_own(happened: int) -> None:
    """It is there, at 0, before anything happened."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counter, histogram = CounterFamily("seen", "A", (), ours), HistogramFamily("took", "B", (), (0.5,), ours)
    oracles = (
        Counter("seen", "A", registry=theirs),
        Histogram("took", "B", buckets=(0.5,), registry=theirs),
    )

    for amount in range(happened):
        counter.series[()] += 1
        histogram.series[()].observe(amount)
        oracles[0].inc()
        oracles[1].observe(amount)

    assert generate_latest(ours) == generate_latest(theirs)
    assert f"took_count {happened}.0".encode() in generate_latest(ours)


def test_a_name_is_taken_once() -> None:
    """A second metric of one name would make a text that Prometheus refuses as a whole."""
    registry = CollectorRegistry()
    CounterFamily("seen", "A", (), registry)
    HistogramFamily("took", "B", ("sink",), (0.5,), registry)

    with pytest.raises(ValueError, match=r"^Duplicated timeseries in CollectorRegistry: "):
        CounterFamily("seen", "C", ("source",), registry)
    with pytest.raises(ValueError, match=r"^Duplicated timeseries in CollectorRegistry: "):
        HistogramFamily("took", "D", (), (0.5,), registry)
    with pytest.raises(ValueError, match=r"^Duplicated timeseries in CollectorRegistry: "):
        Gauge("took_sum", "E", registry=registry)
