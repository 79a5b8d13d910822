"""Series: counters and histograms as plain numbers, by label values, for the library to show.

Owns how one more is counted, which is asked several times per event. Everything happens in the event loop's
thread, the reading too: there are no locks, and a count from another thread could be lost. Must not know
what is counted, nor how the text for Prometheus is written.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

# Names of labels, and of the values of one series: as many as there are names.
L = TypeVar("L", bound=tuple[str, ...])


class CounterFamily(Generic[L]):
    """A counter by label values: `family.series["web", "202"] += 1`; without labels, `series[()]`."""

    def __init__(self, name: str, documentation: str, labels: L, registry: CollectorRegistry) -> None:
        """`name` is without `_total`; ValueError if the registry has it already."""
        self.series: defaultdict[L, int] = defaultdict(int)
        self._empty = partial(CounterMetricFamily, name, documentation, labels=labels)
        if not labels:
            # It is known from the start, and an alert on its first rise needs the 0 before.
            self.series[labels] = 0
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """The family without its series: from it the registry learns the names that are taken."""
        return [self._empty()]

    def collect(self) -> Iterator[Metric]:
        """The family as it is now."""
        family = self._empty()
        for values, count in self.series.items():
            family.add_metric(values, count)
        yield family


class Histogram:
    """One series of a histogram: how many observations fell into each bucket, and their sum."""

    __slots__ = ("_bounds", "_counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.sum = 0.0
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)

    def observe(self, amount: float) -> None:
        """Count one; an amount that equals a bound belongs below it."""
        self._counts[bisect_left(self._bounds, amount)] += 1
        self.sum += amount

    def cumulative(self) -> Iterator[int]:
        """How many were at most each bound; at last, how many there were."""
        return accumulate(self._counts)


class HistogramFamily(Generic[L]):
    """A histogram by label values: `family.series[("web",)].observe(0.2)`; without labels, `series[()]`.

    `buckets` are the upper bounds, positive and rising; the one without a bound is added.
    """

    def __init__(
        self, name: str, documentation: str, labels: L, buckets: Sequence[float], registry: CollectorRegistry
    ) -> None:
        """ValueError if the registry has the name already."""
        self.series: defaultdict[L, Histogram] = defaultdict(partial(Histogram, buckets))
        self._empty = partial(HistogramMetricFamily, name, documentation, labels=labels)
        self._le = [_written(bound) for bound in (*buckets, float("inf"))]
        if not labels:
            self.series[labels] = Histogram(buckets)
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """The family without its series: from it the registry learns the names that are taken."""
        return [self._empty()]

    def collect(self) -> Iterator[Metric]:
        """The family as it is now."""
        family = self._empty()
        for values, histogram in self.series.items():
            buckets = zip(self._le, histogram.cumulative(), strict=True)
            family.add_metric(values, list(buckets), histogram.sum)
        yield family


def _written(bound: float) -> str:
    """A bound as the label `le` has it."""
    written: str = floatToGoString(bound)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    return written
