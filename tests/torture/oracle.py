"""The oracle: reads what sender, sinks and router say, and puts every event into a class.

Pure: three accounts in, a verdict out. Owns what is allowed and what is not.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.torture.rules import expected
from tests.torture.sinks import DEADLY
from tests.torture.workload import sent

# In flight at once at one sink: the program's default.
CONCURRENCY = 16
_EXAMPLES = 5
# A refusal is tried again after one second and a fifth; the slowest sink answers after a fifth.
_STEP = 1.4
_LEEWAY = 2.0
# After the second the router may have read the answer or not: both are right.
_TAKEN = ("200", "200+reset")
# The sink had it, and only the end of the run kept that from being recorded.
_IN_FLIGHT = ("200", "gone", "hang")


@dataclass(slots=True)
class Posted:
    """A line of the sender's journal."""

    began: float
    ended: float
    number: int
    outcome: str
    status: int | None
    event_id: str | None
    duplicate: bool | None


@dataclass(slots=True)
class Arrived:
    """A line of the sinks' journal."""

    at: float
    sink: str
    delivery: str
    attempt: int
    generation: int
    event_id: str
    number: int | None
    digest: str
    sound: bool
    answer: str


@dataclass
class State:
    """What the router says at the end: its events (id and number), dead and open deliveries (id, why)."""

    stored: list[tuple[str, int | None]] = field(default_factory=list)
    dead: list[tuple[str, str]] = field(default_factory=list)
    open: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Bounds:
    """What a scenario allows: connections that break, duplicates per crash and sink, an event that kills.

    `in_turn`: what is due is tried before what was sent much later. `away`: the journal is, at times, and 503
    says so. `leases`: of several routers at once, how many leases of each run ended without its leave; None:
    one router at a time.
    """

    connections_break: bool = False
    duplicates_per_end: int = 0
    attempts_break: bool = False
    deadly: int | None = None
    in_turn: bool = False
    away: bool = False
    leases: Mapping[int, int] | None = None

    def duplicates(self, generation: int) -> int:
        """How many duplicates at one sink the end of a run excuses."""
        return self.duplicates_per_end * (1 if self.leases is None else self.leases.get(generation, 0))


@dataclass
class Verdict:
    """Counts of every class, and the classes that must be empty with examples."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def found(self, kind: str, example: object, *, allowed: bool = False) -> None:
        """One more of a class."""
        self.counts[kind] += 1
        if not allowed and len(self.violations[kind]) < _EXAMPLES:
            self.violations[kind].append(str(example))


def read_posted(path: Path) -> list[Posted]:
    """The sender's journal."""
    return [Posted(*line) for line in _lines(path)]


def read_arrived(path: Path) -> list[Arrived]:
    """The sinks' journal."""
    return [Arrived(*line) for line in _lines(path)]


def _lines(path: Path) -> Iterator[list[object]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def judge(
    seed: int, posted: Sequence[Posted], arrived: Iterable[Arrived], state: State, bounds: Bounds
) -> Verdict:
    """Put everything that happened into its class."""
    verdict = Verdict()
    verdict.counts.update(dict.fromkeys(CLASSES, 0))
    acknowledged = _senders_side(posted, bounds, verdict)
    tried = acknowledged.pop(None, set())
    by_delivery: dict[str, list[Arrived]] = defaultdict(list)
    for each in arrived:
        by_delivery[each.delivery].append(each)
    ids = _stored(state, acknowledged, verdict)
    reached = _deliveries(seed, by_delivery, {"tried": tried, "ids": ids}, bounds, verdict)
    if bounds.deadly in ids:
        reached[bounds.deadly].add(DEADLY)
    _owed(seed, ids, acknowledged, reached, verdict)
    verdict.counts["late"] = _late(posted, by_delivery)
    for delivery, place in _overtaken(posted, by_delivery):
        verdict.found("overtaken", f"{delivery} {place}", allowed=not bounds.in_turn)
    for delivery, reason in state.dead:
        allowed = bounds.deadly is not None and reason.startswith("in flight alone")
        verdict.found("dead", f"{delivery}: {reason}", allowed=allowed)
    for delivery, why in state.open:
        verdict.found("limbo", f"{delivery}: {why}")
    return verdict


CLASSES = (
    "acknowledged", "refused", "reset", "timeout", "not 202", "lost", "undelivered", "corrupt", "unexpected",
    "double-stored", "dead", "limbo", "recovered", "answered as duplicate", "retried", "repeated by a fault",
    "duplicated", "crashes over the bound", "delivered", "late", "overtaken",
)  # fmt: skip


def _late(posted: Sequence[Posted], by_delivery: Mapping[str, list[Arrived]]) -> int:
    """Deliveries first tried more than two seconds after the acknowledgement: told, not judged."""
    told = {one.event_id: one.ended for one in posted if one.outcome == "ack" and not one.duplicate}
    return sum(
        min(each.at for each in attempts) > told.get(attempts[0].event_id, math.inf) + 2
        for attempts in by_delivery.values()
    )


def _overtaken(
    posted: Sequence[Posted], by_delivery: Mapping[str, list[Arrived]]
) -> Iterator[tuple[str, str]]:
    """Attempts that came after more deliveries than fit in flight, all sent long after this one was due.

    Held against what went on meanwhile rather than against the clock: a machine that stands still delays all.
    """
    began: dict[str | None, float] = {}
    for one in posted:
        began.setdefault(one.event_id, one.began)
    told = {one.event_id: one.ended for one in posted if one.outcome == "ack" and not one.duplicate}
    firsts: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for attempts in by_delivery.values():
        first = attempts[0]
        firsts[first.sink].append((began.get(first.event_id, -math.inf), min(each.at for each in attempts)))
    for delivery, attempts in by_delivery.items():
        due = told.get(attempts[0].event_id, math.inf)
        for each in sorted(attempts, key=lambda each: each.at):
            passed = 0
            if each.at > due + _LEEWAY:
                passed = sum(due + _LEEWAY < sent_at and at < each.at for sent_at, at in firsts[each.sink])
            if passed > CONCURRENCY:
                yield (
                    delivery,
                    f"at {each.sink}, attempt {each.attempt}, came after {passed} that were sent later",
                )
            due = each.at + _STEP if each.answer == "500" else math.inf


def _senders_side(posted: Iterable[Posted], bounds: Bounds, verdict: Verdict) -> dict[object, set[object]]:
    """Acknowledged numbers with the ids they got; under None all numbers that were tried."""
    acknowledged: dict[object, set[object]] = defaultdict(set)
    for one in posted:
        acknowledged[None].add(one.number)
        if one.outcome == "ack":
            verdict.counts["acknowledged"] += 1
            verdict.counts["answered as duplicate"] += bool(one.duplicate)
            acknowledged[one.number].add(one.event_id)
        elif one.outcome == "status":
            allowed = bounds.away and one.status == 503
            verdict.found("not 202", f"event {one.number}: {one.status}", allowed=allowed)
        else:
            # A connection that waits for a process nobody killed must be answered.
            allowed = bounds.connections_break and one.outcome == "reset"
            verdict.found(one.outcome, f"event {one.number} at {one.began}", allowed=allowed)
    return acknowledged


def _stored(state: State, acknowledged: Mapping[object, set[object]], verdict: Verdict) -> dict[int, str]:
    """The id under which each number is stored; what was acknowledged must be among them."""
    ids: dict[int, str] = {}
    for event_id, number in state.stored:
        if number is None:
            verdict.found("unexpected", f"{event_id} is stored, but was never sent")
        elif number in ids:
            verdict.found("double-stored", f"event {number}: {ids[number]} and {event_id}")
        else:
            ids[number] = event_id
    for number, given in acknowledged.items():
        if given != {ids.get(number)}:
            verdict.found("lost", f"event {number}: acknowledged as {given}, stored as {ids.get(number)}")
    return ids


def _deliveries(
    seed: int,
    by_delivery: Mapping[str, list[Arrived]],
    known: Mapping[str, Mapping[int, str] | set[object]],
    bounds: Bounds,
    verdict: Verdict,
) -> dict[int, set[str]]:
    """Check what arrived; returns the sinks that each number reached, answered by an untroubled 200."""
    reached: dict[int, set[str]] = defaultdict(set)
    owner: dict[tuple[int | None, str], str] = {}
    repeats: Counter[tuple[str, int]] = Counter()
    for delivery, attempts in by_delivery.items():
        first = attempts[0]
        event = None if first.number is None else sent(seed, first.number)
        place = f"{delivery} of event {first.number} at {first.sink}"
        if event is None or event.number not in known["tried"] or first.sink not in expected(event):
            verdict.found("unexpected", place)
            continue
        if owner.setdefault((first.number, first.sink), delivery) != delivery:
            verdict.found("double-stored", f"{place} is delivered as {owner[first.number, first.sink]} too")
        for each in attempts:
            _check(each, first, event.digest, known["ids"], verdict)
            if each.answer in _TAKEN:
                reached[event.number].add(each.sink)
        verdict.counts["delivered"] += any(each.answer in _TAKEN for each in attempts)
        _count_repeats(sorted(attempts, key=lambda each: each.attempt), repeats, bounds, verdict)
    for (sink, generation), count in repeats.items():
        if count > bounds.duplicates(generation):
            verdict.found("crashes over the bound", f"{count} duplicates at {sink} after run {generation}")
    return reached


def _check(
    each: Arrived,
    first: Arrived,
    digest: str,
    ids: Mapping[int, str] | set[object],
    verdict: Verdict,
) -> None:
    """One attempt: sound, complete, and of the same event as the others."""
    same = (each.event_id, each.number, each.sink) == (first.event_id, first.number, first.sink)
    if not each.sound or each.digest != digest or not same:
        verdict.found("corrupt", each)
    assert isinstance(ids, Mapping)
    if ids.get(first.number or 0) != each.event_id:
        verdict.found(
            "unexpected", f"{each.delivery} names {each.event_id}, stored is {ids.get(first.number or 0)}"
        )


def _count_repeats(
    attempts: list[Arrived], repeats: Counter[tuple[str, int]], bounds: Bounds, verdict: Verdict
) -> None:
    """Attempts after the first: whose doing they are. Their numbers must rise.

    Only a request on a kept connection that broke without an answer may go out again under its number.
    """
    for before, after in pairwise(attempts):
        broken = bounds.attempts_break or before.answer not in ("200", "500", "429")
        again = after.attempt == before.attempt
        one_by_one = bounds.leases is None
        if (one_by_one and after.generation < before.generation) or (again and not broken):
            verdict.found("corrupt", f"the attempts do not rise: {before} then {after}")
        ended = after.generation > before.generation or not one_by_one
        if before.answer in ("500", "429"):
            verdict.counts["retried"] += 1
        elif ended and before.answer in _IN_FLIGHT:
            allowed = bounds.duplicates_per_end > 0
            verdict.found("duplicated", f"{after.delivery} at {after.sink}", allowed=allowed)
            repeats[before.sink, before.generation] += 1
        elif broken:
            verdict.counts["repeated by a fault"] += 1
        else:
            verdict.found("duplicated", f"{after.delivery} twice at {after.sink} in run {after.generation}")


def _owed(
    seed: int,
    ids: Mapping[int, str],
    acknowledged: Mapping[object, set[object]],
    reached: Mapping[int, set[str]],
    verdict: Verdict,
) -> None:
    """Every stored event must have reached every sink that the reference matcher names."""
    for number, event_id in ids.items():
        missing = expected(sent(seed, number)) - reached.get(number, set())
        if missing:
            verdict.found("undelivered", f"event {number}, {event_id}, at {', '.join(sorted(missing))}")
        if number not in acknowledged:
            verdict.counts["recovered"] += 1
