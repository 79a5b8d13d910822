"""The router's own counters, held against what sender and sinks saw of the same run.

Pure: two accounts in, what differs out. Only a run that no crash cut short has counted all it did.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tests.torture.oracle import Arrived, Posted
from tests.torture.rules import SINKS

_SERIES = re.compile(r"visual_router_(\w+)_total\{(.*)\}")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def of_hooks(metrics: Mapping[str, float], posted: Sequence[Posted]) -> list[str]:
    """What differs between requests counted and requests answered, over a router's whole life."""
    outcomes = Counter(str(one.status) if one.status else one.outcome for one in posted)
    again = Counter("true" if one.duplicate else "false" for one in posted if one.outcome == "ack")
    return [
        *_differ("requests answered", _totals(metrics, "requests", "status"), outcomes),
        *_differ("events, by duplicate", _totals(metrics, "events", "duplicate"), again),
    ]


def of_attempts(metrics: Mapping[str, float], arrived: Iterable[Arrived], generation: int) -> list[str]:
    """What differs between attempts counted and attempts seen in one run, where every answer came through."""
    words = {"200": "delivered", "500": "retry", "429": "hold"}
    seen = Counter(
        (each.sink, words.get(each.answer, each.answer)) for each in arrived if each.generation == generation
    )
    counted = _totals(metrics, "attempts", "sink", "outcome")
    return _differ(
        f"attempts of run {generation}", counted, Counter({" ".join(k): n for k, n in seen.items()})
    )


def of_deliveries(metrics: Mapping[str, float], arrived: Sequence[Arrived]) -> list[str]:
    """What differs where answers were lost: each delivery is done once, and no refusal goes uncounted."""
    counted = _totals(metrics, "attempts", "sink", "outcome")
    owed = Counter(sink for sink, _ in {(each.sink, each.delivery) for each in arrived})
    taken = Counter({sink: counted[f"{sink} delivered"] for sink in SINKS})
    refused = Counter(sink for sink, *_ in {
        (each.sink, each.delivery, each.attempt) for each in arrived if each.answer in ("500", "429")
    })  # fmt: skip
    tried_again = {sink: counted[f"{sink} retry"] + counted[f"{sink} hold"] for sink in SINKS}
    return [
        *_differ("deliveries done", taken, owed),
        *(
            f"refusals at {sink}: {refused[sink]} seen, {tried_again[sink]} counted"
            for sink in SINKS
            if tried_again[sink] < refused[sink]
        ),
    ]


def _totals(metrics: Mapping[str, float], name: str, *labels: str) -> Counter[str]:
    """The sums of a counter by some of its labels."""
    found: Counter[str] = Counter()
    for series, value in metrics.items():
        match = _SERIES.fullmatch(series)
        if match is not None and match[1] == name:
            values = dict(_LABEL.findall(match[2]))
            found[" ".join(values[label] for label in labels)] += int(value)
    return found


def _differ(what: str, counted: Counter[str], seen: Counter[str]) -> list[str]:
    return [
        f"{what}, {key}: {counted[key]} counted, {seen[key]} seen"
        for key in sorted({*counted, *seen})
        if counted[key] != seen[key]
    ]
