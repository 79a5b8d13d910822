"""Gate: slots, rate, hold, breaker and pause of one sink, with the time as an argument."""

from collections.abc import Callable
from math import nextafter

import pytest

from router.delivery import Dead, Delivered, Hold, Pause, Retry
from router.dispatch.gate import FAILURES_TO_OPEN, PROBE_EVERY, Gate
from router.share import ALONE, Share
from router.units import Rate

NOW = 1000.0


def opened() -> Gate:
    """A gate whose sink just failed often enough to open, with nothing in flight."""
    gate = Gate(4, None, NOW)
    for _ in range(FAILURES_TO_OPEN):
        gate.learn(Retry("answered 500"), NOW)
    return gate


def test_a_new_gate_lets_as_many_through_as_it_has_slots() -> None:
    """Concurrency bounds what is taken up at once."""
    gate = Gate(2, None, NOW)

    assert (gate.free(NOW), gate.state(NOW)) == (2, "ready")

    gate.take(NOW)
    gate.take(NOW)

    assert gate.free(NOW) == 0
    assert gate.changes_at(NOW) is None

    gate.leave()

    assert gate.free(NOW) == 1


def test_the_rate_bounds_what_passes_and_says_when_the_next_may() -> None:
    """A rate of 2/s lets two through at once and the third half a second later."""
    gate = Gate(16, Rate(2, 1.0), NOW)
    gate.take(NOW)
    gate.take(NOW)

    assert gate.free(NOW) == 0
    assert gate.changes_at(NOW) == NOW + 0.5
    assert gate.free(NOW + 0.5) == 1
    assert gate.changes_at(NOW + 0.5) is None


@pytest.mark.parametrize("rate", [Rate(1, 1.0), Rate(3, 1.0), Rate(10, 1.0), Rate(20, 60.0), Rate(300, 1.0)])
def test_a_wait_however_short_ends_after_now(rate: Rate) -> None:
    """What is due in less than a clock can tell is due at its next tick: one that is over wakes nobody."""
    start = 1_800_000_000.1
    for ticks in range(-4, 4):
        gate = Gate(400, rate, start)
        for _ in range(rate.count):
            gate.take(start)
        now = gate.changes_at(start) or start
        for _ in range(abs(ticks)):
            now = nextafter(now, start if ticks < 0 else 2 * start)
        at = gate.changes_at(now)

        assert gate.free(now) or (at is not None and at > now), (ticks, now, at)


def test_a_hold_closes_the_gate_until_its_end() -> None:
    """A sink that asks for silence gets it, and uses up no failure."""
    gate = Gate(4, None, NOW)
    gate.learn(Hold(20, "answered 429"), NOW)

    assert (gate.free(NOW + 19), gate.state(NOW + 19)) == (0, "held")
    assert gate.changes_at(NOW) == NOW + 20
    assert (gate.free(NOW + 20), gate.held_because) == (4, "answered 429")


def test_a_shorter_hold_never_ends_a_longer_one() -> None:
    """Of two answers in flight the longer silence counts."""
    gate = Gate(4, None, NOW)
    gate.learn(Hold(60, "answered 429"), NOW)
    gate.learn(Hold(1, "answered 429"), NOW)

    assert gate.changes_at(NOW) == NOW + 60


def test_five_failures_in_a_row_open_the_sink_for_one_probe_at_a_time() -> None:
    """An open sink gets one delivery each thirty seconds and nothing in between."""
    gate = opened()

    assert (gate.free(NOW), gate.state(NOW), gate.probing(NOW)) == (0, "open", False)
    assert gate.changes_at(NOW) == NOW + PROBE_EVERY
    assert gate.probing(NOW + PROBE_EVERY)

    gate.take(NOW + PROBE_EVERY)

    assert not gate.probing(NOW + PROBE_EVERY)
    assert gate.changes_at(NOW + PROBE_EVERY) is None


def test_a_success_in_between_starts_the_count_again() -> None:
    """Only failures in a row open a sink."""
    gate = Gate(4, None, NOW)
    for _ in range(FAILURES_TO_OPEN - 1):
        gate.learn(Retry("answered 500"), NOW)

    assert not gate.learn(Delivered(), NOW)

    gate.learn(Retry("answered 500"), NOW)

    assert gate.state(NOW) == "ready"


def test_an_open_sink_that_answers_again_is_recovered() -> None:
    """The first success says so, that everything held may be made due."""
    gate = opened()

    assert gate.learn(Delivered(), NOW)
    assert gate.state(NOW) == "ready"


def test_an_open_sink_that_refuses_one_delivery_for_good_works_again() -> None:
    """An answer that blames the delivery proves that the sink is there."""
    assert opened().learn(Dead("answered 400"), NOW)


def test_a_failed_probe_keeps_the_sink_open_until_the_next() -> None:
    """The next probe is due thirty seconds after the failure."""
    gate = opened()
    gate.probed(NOW + 30)
    gate.learn(Retry("answered 500"), NOW + 40)

    assert not gate.probing(NOW + 60)
    assert gate.probing(NOW + 40 + PROBE_EVERY)


def test_a_probe_that_found_nothing_to_try_is_not_asked_again_at_once() -> None:
    """An open sink without deliveries does not make the loop spin."""
    gate = opened()
    gate.probed(NOW + 30)

    assert not gate.probing(NOW + 30)
    assert gate.changes_at(NOW + 30) == NOW + 60

    ready = Gate(1, None, NOW)
    ready.probed(NOW)

    assert ready.state(NOW) == "ready"


def test_a_pause_lasts_until_someone_resumes() -> None:
    """No time ends a pause."""
    gate = Gate(4, None, NOW)
    gate.learn(Pause("answered 410"), NOW)

    assert (gate.free(NOW), gate.state(NOW), gate.paused) == (0, "paused", "answered 410")
    assert gate.changes_at(NOW) is None

    gate.resume()

    assert gate.free(NOW) == 4


def test_resume_ends_a_hold_and_an_open_breaker_too() -> None:
    """The operator's word is taken at once."""
    gate = opened()
    gate.learn(Hold(600, "answered 429"), NOW)
    gate.resume()

    assert gate.state(NOW) == "ready"


@pytest.mark.parametrize("asked", [Gate.free, Gate.changes_at, Gate.state])
def test_a_clock_that_is_set_back_makes_no_hold_longer(asked: Callable[[Gate, float], object]) -> None:
    """Whoever asks first: what is left of the silence is waited for, not the hours besides."""
    gate = Gate(1, None, NOW)
    gate.learn(Hold(60.0, "answered 429"), NOW)
    gate.free(NOW + 20)
    back = NOW + 20 - 7200

    asked(gate, back)

    assert gate.changes_at(back) == back + 40
    assert (gate.state(back + 39), gate.state(back + 40)) == ("held", "ready")


@pytest.mark.parametrize("asked", [Gate.free, Gate.changes_at, Gate.probing])
def test_a_clock_that_is_set_back_makes_no_probe_later(asked: Callable[[Gate, float], object]) -> None:
    """An open sink is tried when what is left of its half minute is over."""
    gate = opened()
    gate.free(NOW + 10)
    back = NOW + 10 - 7200

    asked(gate, back)

    assert gate.changes_at(back) == back + PROBE_EVERY - 10
    assert gate.probing(back + PROBE_EVERY - 10)


def test_a_hold_of_which_the_journal_tells_is_no_longer_either_when_the_clock_is_set_back() -> None:
    """It counts from when it was first looked at."""
    gate = Gate(1, None, NOW)
    gate.held_until = NOW + 60
    gate.free(NOW)

    assert gate.changes_at(NOW - 7200) == NOW - 7200 + 60


def test_a_time_that_is_a_little_earlier_shortens_nothing() -> None:
    """A stalled claim brings old times, and two steps may undo each other."""
    gate = Gate(1, None, NOW)
    gate.learn(Hold(60.0, "answered 429"), NOW)

    assert gate.changes_at(NOW - 30) == NOW + 60
    assert gate.changes_at(NOW + 5) == NOW + 60


def test_changed_settings_forget_what_was_learnt_but_not_what_is_in_flight() -> None:
    """A new URL deserves a new start; the old attempts still hold their slots."""
    gate = opened()
    gate.take(NOW)
    gate.adopt(2, None, NOW)

    assert (gate.state(NOW), gate.free(NOW), gate.is_open) == ("ready", 1, False)


def test_a_pause_and_a_hold_hide_an_open_breaker() -> None:
    """The stronger reason is shown, and no probe is sent meanwhile."""
    gate = opened()
    gate.learn(Hold(600, "answered 429"), NOW)

    assert (gate.state(NOW + 60), gate.probing(NOW + 60)) == ("held", False)

    gate.learn(Pause("answered 403"), NOW)

    assert (gate.state(NOW + 60), gate.probing(NOW + 60)) == ("paused", False)


def test_changed_settings_do_not_end_an_operators_pause() -> None:
    """It was not learnt from the old destination: a person said it."""
    gate = Gate(4, None, NOW)
    gate.learn(Pause("answered 410"), NOW)
    gate.adopt(4, None, NOW)

    assert gate.paused is None

    gate.pause("maintenance", by_operator=True)
    gate.adopt(4, None, NOW)

    assert gate.paused == "maintenance"


def test_what_a_sink_answered_after_a_resume_ends_with_its_settings() -> None:
    """The operator's pause is over: the next one is learnt, and a new URL deserves a new start."""
    gate = Gate(4, None, NOW)
    gate.pause("maintenance", by_operator=True)
    gate.resume()
    gate.learn(Pause("answered 410"), NOW)
    gate.adopt(4, None, NOW)

    assert gate.state(NOW) == "ready"


def test_slots_are_divided_by_routers_and_come_back() -> None:
    """What is in flight beyond a smaller share stays so; nothing is added to it."""
    gate = Gate(5, None, NOW, Share(0, 2))

    assert gate.free(NOW) == 3

    gate.take(NOW)
    gate.take(NOW)
    gate.divide(Share(4, 5), NOW)

    assert gate.free(NOW) == 0
    assert gate.changes_at(NOW) is None

    gate.leave()
    gate.divide(ALONE, NOW)

    assert gate.free(NOW) == 4


def test_a_rate_is_divided_exactly() -> None:
    """A third of 60 a minute is 20 a minute: one in three seconds, and 20 at once after a pause."""
    gate = Gate(100, Rate(60, 60.0), NOW)
    gate.divide(Share(2, 3), NOW)

    assert gate.free(NOW) == 20

    for _ in range(20):
        gate.take(NOW)
        gate.leave()

    assert gate.changes_at(NOW) == NOW + 3
    assert (gate.free(NOW + 3), gate.free(NOW + 60)) == (1, 20)


def test_changed_settings_are_divided_as_the_old_ones_were() -> None:
    """A reload does not make a router forget the others."""
    gate = Gate(4, None, NOW, Share(1, 2))
    gate.adopt(9, Rate(1, 1.0), NOW)

    assert gate.free(NOW) == 1

    gate.take(NOW)

    assert gate.changes_at(NOW) == NOW + 2
