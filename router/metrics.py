"""Metrics: counters, gauges and histograms, and their text for Prometheus.

Owns every metric's name and meaning (its help text). Labels come from the configuration and from closed
vocabularies only: what a stranger sends never makes a new series. Must not know who counts what, or why.
"""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Gauge,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from router import __version__
from router.series import CounterFamily, HistogramFamily

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

W = TypeVar("W", bound=str)

# A 202 waits for one fsync: milliseconds on a good disk. The shortest sender's limit is 3 s.
_ACCEPT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_ATTEMPT = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
_LAG = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class _Scrape(Collector):
    """Gauges that are read when somebody asks, from whoever owns the figures."""

    def __init__(self) -> None:
        self.deliveries: Callable[[], Mapping[tuple[str, str], int]] = dict
        self.sinks: Callable[[], Mapping[str, str]] = dict
        self.quarantined: Callable[[], Mapping[str, int]] = dict
        self.routers: Callable[[], int] = int
        self._sources: set[str] = set()
        self._states: set[str] = set()

    def collect(self) -> Iterator[Metric]:
        """All families, as they are now."""
        kept = GaugeMetricFamily(
            "visual_router_deliveries",
            "Deliveries in the journal by sink and state; settled ones as far as they are kept",
            labels=("sink", "state"),
        )
        for (sink, state), count in sorted(self.deliveries().items()):
            kept.add_metric((sink, state), count)
        yield kept
        sinks = self.sinks()
        # A state that was left falls to 0 rather than vanish: alerts on `== 1` then end.
        self._states.update(sinks.values())
        standing = GaugeMetricFamily(
            "visual_router_sink_state",
            "1 for the state a sink is in, 0 for the others",
            labels=("sink", "state"),
        )
        for sink, current in sorted(sinks.items()):
            for state in sorted(self._states):
                standing.add_metric((sink, state), float(state == current))
        yield standing
        refused = self.quarantined()
        self._sources.update(refused)
        cells = GaugeMetricFamily(
            "visual_router_quarantined",
            "Refused requests that are kept, by source: visual-router quarantine lists them",
            labels=("source",),
        )
        for source in sorted(self._sources):
            cells.add_metric((source,), refused.get(source, 0))
        yield cells
        yield GaugeMetricFamily(
            "visual_router_routers",
            "Routers at work on this journal; 0 while it was never open",
            value=self.routers(),
        )


class Metrics:
    """Everything that is counted, in a registry of its own.

    For the event loop's thread alone, `text` included: see `series.py`. What other threads do, as the
    journal's do commits, is counted by those who await it.
    """

    content_type = CONTENT_TYPE

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._registry = registry = CollectorRegistry()
        self._about_requests(registry)
        self._about_deliveries(registry)
        self._about_the_process(registry)
        self._scrape = _Scrape()
        registry.register(self._scrape)

    def _about_requests(self, registry: CollectorRegistry) -> None:
        """What has a source."""
        self._requests = CounterFamily(
            "visual_router_requests",
            "Requests on the public listener by source (empty: not a configured one) and status code",
            ("source", "status"),
            registry,
        )
        self._accept = HistogramFamily(
            "visual_router_accept_seconds",
            "From a request's headers to its 202: reading, judging and committing it",
            ("source",),
            _ACCEPT,
            registry,
        )
        self._events = CounterFamily(
            "visual_router_events",
            "Acknowledged events by source, kind and status; duplicate: a resend of a known one",
            ("source", "kind", "status", "duplicate"),
            registry,
        )
        self._not_kept = CounterFamily(
            "visual_router_quarantine_not_kept",
            "Refused requests that were not kept, by source and why: rate, full, size, memory or journal",
            ("source", "why"),
            registry,
        )

    def _about_deliveries(self, registry: CollectorRegistry) -> None:
        """What has a sink."""
        self._attempts = CounterFamily(
            "visual_router_attempts",
            "Attempts to deliver by sink and outcome: delivered, retry, hold, pause or dead",
            ("sink", "outcome"),
            registry,
        )
        self._durations = HistogramFamily(
            "visual_router_attempt_seconds",
            "How long an attempt took, whatever its outcome",
            ("sink",),
            _ATTEMPT,
            registry,
        )

    def _about_the_process(self, registry: CollectorRegistry) -> None:
        """What has no source and no sink."""
        self._commit_errors = CounterFamily(
            "visual_router_journal_commit_errors",
            "Writes that the journal could not commit: disk full, disk broken, database away",
            (),
            registry,
        )
        self._body_bytes = Gauge(
            "visual_router_body_bytes_in_flight",
            "Bytes of request bodies being read, judged or committed",
            registry=registry,
        )
        self._lag = HistogramFamily(
            "visual_router_loop_lag_seconds",
            "How late the event loop came back to a timer",
            (),
            _LAG,
            registry,
        )
        self._reloads = CounterFamily(
            "visual_router_config_reloads",
            "Reloads of the configuration; ok is false if it had problems and changed nothing",
            ("ok",),
            registry,
        )
        self._reloaded = Gauge(
            "visual_router_config_last_reload_success",
            "1 if the newest configuration is in force, 0 if it was refused",
            registry=registry,
        )
        self._reloaded_at = Gauge(
            "visual_router_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was loaded",
            registry=registry,
        )
        self._reloaded.set(1)
        self._reloaded_at.set(self._wall())
        build = Gauge("visual_router_build_info", "Always 1", ("version", "python"), registry=registry)
        build.labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=registry)

    def request(self, source: str | None, status: int, seconds: float) -> None:
        """Count an answer on the public listener; `source` is None unless it is a configured one."""
        name = source or ""
        self._requests.series[name, str(status)] += 1
        if status == 202:
            self._accept.series[(name,)].observe(seconds)

    def event(self, source: str, kind: str, status: str | None, *, duplicate: bool) -> None:
        """Count an acknowledged event; `kind` and `status` are words of `event.py`."""
        self._events.series[source, kind, status or "none", "true" if duplicate else "false"] += 1

    def attempt(self, sink: str, outcome: str, seconds: float) -> None:
        """Count an attempt and its duration; `outcome` is a word of `delivery.Attempt`."""
        self._attempts.series[sink, outcome] += 1
        self._durations.series[(sink,)].observe(seconds)

    def not_kept(self, source: str, why: str) -> None:
        """Count a refused request that was not kept; `why` is a word of `quarantine.py`."""
        self._not_kept.series[source, why] += 1

    def commit_error(self) -> None:
        """Count a write that the journal could not commit."""
        self._commit_errors.series[()] += 1

    def body_bytes(self, count: Callable[[], int]) -> None:
        """Say where to read how many bytes of request bodies are in flight; they are read at every scrape."""
        self._body_bytes.set_function(count)

    def loop_lag(self, seconds: float) -> None:
        """Observe how late the event loop came back."""
        self._lag.series[()].observe(seconds)

    def reload(self, *, ok: bool) -> None:
        """Count a reload and whether the newest configuration is in force."""
        self._reloads.series[("true" if ok else "false",)] += 1
        self._reloaded.set(ok)
        if ok:
            self._reloaded_at.set(self._wall())

    def watch(
        self,
        counts: Callable[[], Mapping[tuple[str, W], int]],
        sinks: Callable[[], Mapping[str, str]],
        quarantined: Callable[[], Mapping[str, int]] = dict,
        routers: Callable[[], int] = int,
    ) -> None:
        """Say where to read deliveries by (sink, state), each sink's state, refused requests by source.

        And how many routers are at work. They are read at every scrape.
        """
        self._scrape.routers = routers
        self._scrape.quarantined = quarantined
        self._scrape.deliveries = lambda: {(sink, str(state)): n for (sink, state), n in counts().items()}
        self._scrape.sinks = sinks

    def text(self) -> bytes:
        """Every metric in Prometheus' text format."""
        return generate_latest(self._registry)
