"""The oracle: one made-up account for each class."""

from dataclasses import replace

import pytest

from tests.torture.oracle import CONCURRENCY, Arrived, Bounds, Posted, State, judge
from tests.torture.rules import SINKS, expected
from tests.torture.workload import sent

SEED = 3
# An event that exactly one sink expects.
NUMBER = next(n for n in range(1, 100) if expected(sent(SEED, n)) == {"steady"})
EVENT = sent(SEED, NUMBER)
ACK = Posted(1.0, 1.1, NUMBER, "ack", 202, "evt_1", False)
TAKEN = Arrived(1.2, "steady", "dlv_1", 1, 1, "evt_1", NUMBER, EVENT.digest, True, "200")
STORED = [("evt_1", NUMBER)]
CRASHES = Bounds(connections_break=True, duplicates_per_end=1)


def found(
    posted: list[Posted], arrived: list[Arrived], state: State | None = None, bounds: Bounds | None = None
) -> set[str]:
    """The classes that were violated."""
    verdict = judge(SEED, posted, arrived, state or State(STORED), bounds or Bounds())
    return set(verdict.violations)


def test_an_event_that_arrived_where_it_should_is_no_violation() -> None:
    """Acknowledged, stored, delivered once."""
    verdict = judge(SEED, [ACK], [TAKEN], State(STORED), Bounds())

    assert not verdict.violations
    assert (verdict.counts["acknowledged"], verdict.counts["delivered"]) == (1, 1)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (State([]), {"lost", "unexpected"}),
        (State([("evt_2", NUMBER)]), {"lost", "unexpected"}),
        (State([*STORED, ("evt_2", NUMBER)]), {"double-stored"}),
        (State([*STORED, ("evt_2", None)]), {"unexpected"}),
        (State(STORED, dead=[("dlv_1", "poison")]), {"dead"}),
        (State(STORED, open=[("dlv_1", "pending")]), {"limbo"}),
    ],
)
def test_what_the_router_says_at_the_end_is_held_against_the_acknowledgements(
    state: State, shown: set[str]
) -> None:
    """Lost, stored twice, stored out of nothing, set aside, left lying."""
    assert found([ACK], [TAKEN], state) == shown


@pytest.mark.parametrize(
    ("arrived", "shown"),
    [
        ([], {"undelivered"}),
        ([replace(TAKEN, answer="500")], {"undelivered"}),
        ([replace(TAKEN, digest="another")], {"corrupt"}),
        ([replace(TAKEN, sound=False)], {"corrupt"}),
        ([TAKEN, replace(TAKEN, sink="shaky", delivery="dlv_2")], {"unexpected"}),
        ([TAKEN, replace(TAKEN, number=None, delivery="dlv_2")], {"unexpected"}),
        ([TAKEN, replace(TAKEN, event_id="evt_2", attempt=2, generation=2)], {"corrupt", "unexpected"}),
        ([TAKEN, replace(TAKEN, delivery="dlv_2")], {"double-stored"}),
        ([TAKEN, replace(TAKEN, attempt=2)], {"duplicated"}),
        ([TAKEN, replace(TAKEN, generation=2)], {"corrupt"}),
    ],
)
def test_what_arrived_is_held_against_the_reference_matcher(arrived: list[Arrived], shown: set[str]) -> None:
    """Missing, changed, where no rule sends it, twice without a reason, under a number that does not rise."""
    assert found([ACK], arrived, bounds=replace(CRASHES, duplicates_per_end=16)) == shown


def test_a_repeat_after_a_crash_is_bounded_and_without_one_forbidden() -> None:
    """One per run and sink here; none where every end is orderly."""
    again = replace(TAKEN, attempt=2, generation=2)
    other = next(n for n in range(NUMBER + 1, 200) if expected(sent(SEED, n)) == {"steady"})
    second = replace(TAKEN, delivery="dlv_2", event_id="evt_2", number=other, digest=sent(SEED, other).digest)
    posted = [ACK, replace(ACK, number=other, event_id="evt_2")]
    state = State([*STORED, ("evt_2", other)])
    both = [TAKEN, again, second, replace(second, attempt=2, generation=2)]

    unheard = replace(TAKEN, answer="gone")

    assert found([ACK], [TAKEN, again], bounds=CRASHES) == set()
    assert found([ACK], [unheard, replace(again, generation=1)]) == set()
    assert found([ACK], [unheard, again]) == {"duplicated", "crashes over the bound"}
    assert found([ACK], [TAKEN, again]) == {"duplicated", "crashes over the bound"}
    assert found(posted, both, state, CRASHES) == {"crashes over the bound"}


def test_of_several_routers_only_an_ended_lease_excuses_a_repeat() -> None:
    """It may be tried by an older run, but never under a used number; the ended lease is the run's."""
    first, again = replace(TAKEN, generation=3), replace(TAKEN, attempt=2, generation=2)
    calm = Bounds(leases={}, duplicates_per_end=16)
    one = replace(calm, leases={3: 1}, duplicates_per_end=1)

    assert found([ACK], [first, again], bounds=one) == set()
    assert found([ACK], [first, again, replace(again, attempt=3)], bounds=one) == {"crashes over the bound"}
    assert found([ACK], [first, again], bounds=calm) == {"crashes over the bound"}
    assert found([ACK], [first, again], bounds=replace(one, leases={2: 1})) == {"crashes over the bound"}
    assert found([ACK], [first, replace(again, attempt=1)], bounds=one) == {"corrupt"}
    assert found([ACK], [replace(first, answer="500"), again], bounds=calm) == set()


def test_a_journal_that_is_away_may_be_said_and_nothing_else() -> None:
    """503, and only where a scenario takes the journal away."""
    refused = replace(ACK, outcome="status", status=503, event_id=None, duplicate=None)
    away = Bounds(away=True)

    assert found([refused, ACK], [TAKEN], bounds=away) == set()
    assert found([replace(refused, status=500), ACK], [TAKEN], bounds=away) == {"not 202"}


@pytest.mark.parametrize("waits", ["new", "refused"])
def test_what_is_due_is_tried_before_what_was_sent_much_later(waits: str) -> None:
    """As many as fit in flight may pass it, on a machine however slow; one more may not."""
    later = [n for n in range(NUMBER + 1, 1000) if expected(sent(SEED, n)) == {"steady"}][: CONCURRENCY + 1]
    posted, arrived, state = [ACK], [], State([*STORED])
    for n in later:
        posted.append(Posted(10.0, 10.1, n, "ack", 202, f"evt_{n}", False))
        state.stored.append((f"evt_{n}", n))
        arrived.append(replace(TAKEN, at=10.2, delivery=f"dlv_{n}", event_id=f"evt_{n}", number=n,
                               digest=sent(SEED, n).digest))  # fmt: skip
    first = [replace(TAKEN, answer="500")] if waits == "refused" else []
    passed = [*first, replace(TAKEN, at=11.0, attempt=1 + len(first)), *arrived]
    in_time = [*first, replace(TAKEN, at=10.1, attempt=1 + len(first)), *arrived]
    strict = Bounds(in_turn=True)

    assert found(posted, passed, state, strict) == {"overtaken"}
    assert found(posted, passed, state) == set()
    assert found(posted, in_time, state, strict) == set()
    assert found(posted[:-1], passed[:-1], State(state.stored[:-1]), strict) == set()


@pytest.mark.parametrize("outcome", ["refused", "reset", "timeout", "status"])
def test_a_sender_that_was_not_answered_is_a_violation(outcome: str) -> None:
    """Only a kill excuses a reset; nothing excuses a refused connection."""
    failed = replace(ACK, outcome=outcome, status=503, event_id=None, duplicate=None)
    shown = "not 202" if outcome == "status" else outcome

    assert found([failed, ACK], [TAKEN]) == {shown}
    assert found([failed, ACK], [TAKEN], bounds=CRASHES) == (set() if outcome == "reset" else {shown})


def test_an_event_that_arrives_though_nobody_was_told_is_recovered() -> None:
    """The connection broke between commit and answer: welcome, and counted."""
    posted = [replace(ACK, outcome="reset", status=None, event_id=None, duplicate=None)]
    verdict = judge(SEED, posted, [TAKEN], State(STORED), CRASHES)

    assert not verdict.violations
    assert verdict.counts["recovered"] == 1


def test_every_sink_is_expected_by_some_event() -> None:
    """The load reaches every sink and every rule, and some events reach none."""
    wanted = [expected(sent(SEED, number)) for number in range(1, 300)]

    assert set().union(*wanted) == set(SINKS)
    assert set() in wanted
