"""What becomes of a delivery, before and after an attempt."""

import msgspec
import pytest

from router.delivery import Attempt, Claim, Dead, Delivered, Delivery, Hold, Pause, Retry, Settlement, State
from router.dispatch.settlement import give_back, settle, settle_untried
from router.event import Event
from router.retry import RetryPolicy
from router.sinks.sink import Result, Sink
from router.units import Duration

CREATED = 1000.0
EVENT = Event(id="evt_1", source="web", provider="percy", received_at=CREATED, payload=b"{}")


class Superseding(Sink, frozen=True):
    """A sink that drops what a newer event made stale."""

    supersedes = True


def claimed(*, superseded: bool = False, **changes: object) -> Claim:
    """A claim, due when it was created, at its first attempt."""
    delivery = Delivery(
        id="dlv_1", event_id="evt_1", sink="out", rule="all", state=State.IN_FLIGHT, due=CREATED,
        created_at=CREATED, claim=1,
    )  # fmt: skip
    return Claim(delivery=msgspec.structs.replace(delivery, **changes), event=EVENT, superseded=superseded)


def tried(outcome: str, reason: str | None = None, number: int = 1) -> Attempt:
    """The attempt as the history keeps it: two seconds, an answer 500."""
    return Attempt(
        number=number,
        started_at=CREATED,
        seconds=2.0,
        outcome=outcome,
        status=500,
        reason=reason,
        excerpt="oops",
    )


def after(outcome: object, claim: Claim | None = None, sink: Sink | None = None) -> Settlement:
    """The settlement after an attempt of two seconds that starts at CREATED."""
    result = Result(outcome, 500, "oops")
    return settle(claim or claimed(), sink or Sink(), result, CREATED, CREATED + 2, 0.0)


def test_a_taken_delivery_is_delivered() -> None:
    """The state changes and the attempt is written."""
    expected = Settlement(delivery_id="dlv_1", claim=1, state=State.DELIVERED, attempt=tried("delivered"))

    assert after(Delivered()) == expected


def test_the_deliverys_own_fault_kills_it_at_once() -> None:
    """No attempt will ever succeed, so none is made."""
    settled = after(Dead("answered 400"))

    assert (settled.state, settled.reason) == (State.DEAD, "answered 400")
    assert settled.attempt == tried("dead", "answered 400")


@pytest.mark.parametrize("outcome", [Hold(9, "answered 429"), Pause("answered 410")])
def test_the_sinks_fault_uses_up_nothing(outcome: Hold | Pause) -> None:
    """The attempt is recorded; due time and schedule stay."""
    settled = after(outcome, claimed(failures=3))

    assert (settled.state, settled.due, settled.failures) == (State.PENDING, CREATED, 3)
    assert settled.attempt == tried(type(outcome).__name__.lower(), outcome.reason)


def test_a_failure_waits_for_the_next_step_of_the_schedule() -> None:
    """The first failure is tried again after the first wait."""
    settled = after(Retry("answered 500"))

    assert (settled.state, settled.failures, settled.due) == (State.PENDING, 1, CREATED + 2 + 5)
    assert settled.reason == "answered 500"


def test_the_last_failure_of_the_schedule_is_the_end() -> None:
    """A dead letter says that the schedule ended, and why the last attempt failed."""
    settled = after(Retry("answered 500"), claimed(failures=9))

    assert (settled.state, settled.failures) == (State.DEAD, 10)
    assert settled.reason == "the retry schedule ended: answered 500"


def test_a_delivery_that_would_be_too_old_at_its_next_attempt_dies_now() -> None:
    """`max_age` ends a delivery as soon as that is certain."""
    sink = Sink(max_age=Duration(60), retry=RetryPolicy((Duration(59), Duration(1))))
    settled = after(Retry("answered 500"), sink=sink)

    assert (settled.state, settled.reason) == (
        State.DEAD, "max_age (60 s) ends before the next attempt: answered 500",
    )  # fmt: skip
    assert after(Retry("answered 500"), sink=Sink(max_age=Duration(60))).state is State.PENDING


def test_a_probe_before_its_time_uses_up_nothing() -> None:
    """An open sink is tried with a delivery that is not due: a failure changes neither due time nor count."""
    settled = after(Retry("answered 500"), claimed(due=CREATED + 7200, failures=4))

    assert (settled.state, settled.due, settled.failures) == (State.PENDING, CREATED + 7200, 4)


def test_a_probe_uses_up_nothing_however_long_the_pause_was() -> None:
    """Age alone ends nothing: the schedule counts failures, and a pause of days is none."""
    settled = after(Retry("answered 500"), claimed(due=CREATED + 9, created_at=CREATED - 10 * 86_400))

    assert (settled.state, settled.failures) == (State.PENDING, 0)


def test_a_superseded_delivery_is_dropped_from_its_second_attempt_on() -> None:
    """A stale message is not sent after a newer one; the first attempt is always made."""
    dropped = settle_untried(claimed(superseded=True, claim=2), Superseding(), CREATED)

    assert dropped == Settlement(
        delivery_id="dlv_1", claim=2, state=State.DEAD,
        reason="superseded: a newer event of the same build was delivered",
    )  # fmt: skip
    assert settle_untried(claimed(superseded=True, claim=1), Superseding(), CREATED) is None
    assert settle_untried(claimed(superseded=True, claim=2), Sink(), CREATED) is None


def test_a_delivery_older_than_max_age_is_not_tried() -> None:
    """It dies with the reason, without an attempt."""
    sink = Sink(max_age=Duration(60))
    expired = settle_untried(claimed(), sink, CREATED + 61)

    assert expired is not None
    assert (expired.state, expired.reason, expired.attempt) == (State.DEAD, "older than max_age (60 s)", None)
    assert settle_untried(claimed(), sink, CREATED + 60) is None


def test_a_claim_given_back_is_as_it_was() -> None:
    """Stopping costs a delivery nothing."""
    back = give_back(claimed(failures=2, reason="answered 500", due=CREATED + 3))

    assert back == Settlement(
        delivery_id="dlv_1", claim=1, state=State.PENDING, due=CREATED + 3, failures=2, reason="answered 500"
    )
