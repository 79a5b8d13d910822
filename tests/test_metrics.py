"""Metrics: names, labels and figures as Prometheus reads them."""

import platform
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from router import __version__
from router.delivery import State
from router.metrics import Metrics


def figures(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name and labels in order."""
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def busy() -> Metrics:
    """Metrics in which everything was counted, some of it at the edges of its buckets."""
    metrics = Metrics(wall=lambda: 1_700_000_000.5)
    for source, status, seconds in (
        ("web", 202, 0.001), ("web", 202, 0.0010001), ("web", 202, 5.0), ("web", 202, 7.25),
        ("web", 401, 0.3), ("app", 202, 0.0), ("app", 202, 0.1), ("app", 202, 0.2), ('odd "\\\n', 202, 0.004),
        (None, 404, 0.0),
    ):  # fmt: skip
        metrics.request(source, status, seconds)
    for source, kind, status, duplicate in (
        ("web", "build", "pending", False), ("web", "build", "pending", True), ("app", "ping", None, False),
        ("web", "build", "pending", False), ("app", "review", "accepted", False),
    ):  # fmt: skip
        metrics.event(source, kind, status, duplicate=duplicate)
    for sink, outcome, seconds in (
        ("slack", "retry", 15.0), ("slack", "delivered", 0.1), ("slack", "delivered", 0.2),
        ("bot", "dead", 31.0), ("bot", "delivered", 0.0),
    ):  # fmt: skip
        metrics.attempt(sink, outcome, seconds)
    metrics.not_kept("web", "rate")
    metrics.not_kept("web", "journal")
    metrics.not_kept("web", "rate")
    metrics.commit_error()
    metrics.body_bytes(lambda: 4096)
    metrics.loop_lag(0.02)
    metrics.loop_lag(9.0)
    metrics.reload(ok=True)
    metrics.reload(ok=False)
    metrics.watch(
        lambda: {("slack", State.PENDING): 3, ("bot", State.DEAD): 1},
        lambda: {"slack": "ready", "bot": "paused"},
        lambda: {"web": 2},
        lambda: 1,
    )
    return metrics


def shown(metrics: Metrics) -> str:
    """The text of what is counted here; how the process fares is no part of it."""
    lines = metrics.text().decode().splitlines(keepends=True)
    text = "".join(line for line in lines if not re.match(r"(# \w+ )?process_", line))
    return text.replace(f'"{platform.python_version()}"', '"PYTHON"').replace(f'"{__version__}"', '"VERSION"')


def test_the_whole_text_is_the_promised_one() -> None:
    """Dashboards and alerts are written against it: each name, label, bucket and figure, in this order."""
    assert shown(busy()) == (Path(__file__).parent / "metrics.txt").read_text("utf-8")


def test_before_anything_happened_what_has_no_label_is_at_0() -> None:
    """An alert on a rise needs the 0 before it; what has labels shows with the first count."""
    samples = [line for line in shown(Metrics()).splitlines() if not line.startswith("#")]
    text = "\n".join(samples)

    assert "visual_router_journal_commit_errors_total 0.0\n" in text
    assert 'visual_router_loop_lag_seconds_bucket{le="+Inf"} 0.0\n' in text
    assert "visual_router_loop_lag_seconds_count 0.0\n" in text
    assert "visual_router_loop_lag_seconds_sum 0.0\n" in text
    assert not re.search(r"(source|sink|ok)=", text)


def test_requests_are_counted_by_source_and_status() -> None:
    """A stranger's path is no label: it counts under an empty source."""
    metrics = Metrics()
    metrics.request("web", 202, 0.02)
    metrics.request("web", 202, 0.02)
    metrics.request("web", 401, 0.001)
    metrics.request(None, 404, 0.001)

    seen = figures(metrics)

    assert seen["visual_router_requests_total{source=web,status=202}"] == 2
    assert seen["visual_router_requests_total{source=web,status=401}"] == 1
    assert seen["visual_router_requests_total{source=,status=404}"] == 1


def test_only_acknowledged_requests_are_timed() -> None:
    """Refusals are quick: they would hide how long a commit takes."""
    metrics = Metrics()
    metrics.request("web", 202, 0.02)
    metrics.request("web", 401, 0.001)

    seen = figures(metrics)

    assert seen["visual_router_accept_seconds_count{source=web}"] == 1
    assert seen["visual_router_accept_seconds_sum{source=web}"] == 0.02
    assert seen["visual_router_accept_seconds_bucket{le=0.01,source=web}"] == 0
    assert seen["visual_router_accept_seconds_bucket{le=0.025,source=web}"] == 1


def test_events_are_counted_by_kind_and_status() -> None:
    """An event without a status has the word none."""
    metrics = Metrics()
    metrics.event("web", "build", "pending", duplicate=False)
    metrics.event("web", "build", "pending", duplicate=True)
    metrics.event("web", "ping", None, duplicate=False)

    seen = figures(metrics)

    assert seen["visual_router_events_total{duplicate=false,kind=build,source=web,status=pending}"] == 1
    assert seen["visual_router_events_total{duplicate=true,kind=build,source=web,status=pending}"] == 1
    assert seen["visual_router_events_total{duplicate=false,kind=ping,source=web,status=none}"] == 1


def test_attempts_are_counted_and_timed_by_sink() -> None:
    """Every attempt has a duration, whatever its outcome."""
    metrics = Metrics()
    metrics.attempt("slack", "delivered", 0.2)
    metrics.attempt("slack", "retry", 15.0)

    seen = figures(metrics)

    assert seen["visual_router_attempts_total{outcome=delivered,sink=slack}"] == 1
    assert seen["visual_router_attempts_total{outcome=retry,sink=slack}"] == 1
    assert seen["visual_router_attempt_seconds_count{sink=slack}"] == 2
    assert seen["visual_router_attempt_seconds_sum{sink=slack}"] == 15.2


def test_what_the_journal_and_the_loop_say_is_shown() -> None:
    """Commit errors, bytes in flight, and how late timers are."""
    metrics = Metrics()
    metrics.commit_error()
    metrics.body_bytes(lambda: 4096)
    metrics.loop_lag(0.02)

    seen = figures(metrics)

    assert seen["visual_router_journal_commit_errors_total"] == 1
    assert seen["visual_router_body_bytes_in_flight"] == 4096
    assert seen["visual_router_loop_lag_seconds_bucket{le=0.01}"] == 0
    assert seen["visual_router_loop_lag_seconds_bucket{le=0.05}"] == 1


def test_a_refused_reload_shows_until_the_next_good_one() -> None:
    """The time of the last good one stays: it says how old the rules in force are."""
    now = 1000.0
    metrics = Metrics(wall=lambda: now)

    assert figures(metrics)["visual_router_config_last_reload_success"] == 1

    now = 2000.0
    metrics.reload(ok=False)
    refused = figures(metrics)
    now = 3000.0
    metrics.reload(ok=True)
    good = figures(metrics)

    assert refused["visual_router_config_last_reload_success"] == 0
    assert refused["visual_router_config_last_reload_success_timestamp_seconds"] == 1000.0
    assert refused["visual_router_config_reloads_total{ok=false}"] == 1
    assert good["visual_router_config_last_reload_success"] == 1
    assert good["visual_router_config_last_reload_success_timestamp_seconds"] == 3000.0
    assert good["visual_router_config_reloads_total{ok=true}"] == 1


def test_deliveries_and_sinks_are_read_at_every_scrape() -> None:
    """The figures are their owners': nothing is counted twice."""
    metrics = Metrics()
    counts = {("slack", State.PENDING): 3, ("slack", State.DEAD): 1}
    states = {"slack": "ready", "bot": "paused"}

    assert not [name for name in figures(metrics) if name.startswith("visual_router_deliveries")]

    metrics.watch(lambda: counts, lambda: states, routers=lambda: len(states))
    before = figures(metrics)
    assert before["visual_router_routers"] == 2
    counts["slack", State.PENDING] = 0
    states["bot"] = "ready"
    after = figures(metrics)

    assert before["visual_router_deliveries{sink=slack,state=pending}"] == 3
    assert before["visual_router_deliveries{sink=slack,state=dead}"] == 1
    assert after["visual_router_deliveries{sink=slack,state=pending}"] == 0
    assert before["visual_router_sink_state{sink=bot,state=paused}"] == 1
    assert before["visual_router_sink_state{sink=bot,state=ready}"] == 0
    assert before["visual_router_sink_state{sink=slack,state=ready}"] == 1
    assert after["visual_router_sink_state{sink=bot,state=paused}"] == 0
    assert after["visual_router_sink_state{sink=bot,state=ready}"] == 1


def test_the_build_and_the_process_show() -> None:
    """Which version runs, and what it costs."""
    seen = figures(Metrics())

    assert [name for name in seen if name.startswith("visual_router_build_info") and __version__ in name]
    assert seen["process_resident_memory_bytes"] > 0
    assert seen["process_open_fds"] > 0


def test_two_registries_do_not_meet() -> None:
    """Tests and programs that make two have two."""
    one, two = Metrics(), Metrics()
    one.commit_error()

    assert figures(two)["visual_router_journal_commit_errors_total"] == 0


def test_every_metric_says_what_it_means() -> None:
    """Help texts are the manual; names follow the conventions of Prometheus."""
    metrics = Metrics()
    metrics.watch(lambda: {("s", State.PENDING): 1}, lambda: {"s": "ready"})
    families = list(text_string_to_metric_families(metrics.text().decode()))

    assert len([family for family in families if family.name.startswith("visual_router_")]) == 17
    for family in families:
        assert family.documentation
        assert re.fullmatch(r"(visual_router|process)_[a-z_]+", family.name)
        assert not any(sample.name.endswith("_created") for sample in family.samples)


@pytest.mark.parametrize("source", ["web", 'we"ird\\\n'])
def test_the_text_is_what_prometheus_parses(source: str) -> None:
    """Whatever a source is called, the text stays well-formed."""
    metrics = Metrics()
    metrics.request(source, 202, 0.1)

    assert figures(metrics)[f"visual_router_requests_total{{source={source},status=202}}"] == 1
    assert metrics.content_type.startswith("text/plain; version=0.0.4")


def test_refused_requests_are_told_by_source() -> None:
    """How many are kept is read at every scrape, and falls to 0; those that were not kept are counted."""
    metrics = Metrics()
    kept = {"web": 3}
    metrics.watch(dict, dict, lambda: kept)
    metrics.not_kept("web", "rate")
    metrics.not_kept("web", "rate")
    first = metrics.text()
    del kept["web"]

    assert b'visual_router_quarantined{source="web"} 3.0' in first
    assert b'visual_router_quarantined{source="web"} 0.0' in metrics.text()
    assert b'visual_router_quarantine_not_kept_total{source="web",why="rate"} 2.0' in first
