"""Time that does not step, and ids that never go back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.clock import Clock, Ids, first_id_at, id_number, id_text
from tests.server.edge import Time


def test_now_begins_as_wall_time() -> None:
    """At the start both clocks agree."""
    time = Time()

    assert time.clock().now() == time.wall


@pytest.mark.parametrize("step", [3600.0, -7200.0, 20 * 365 * 86_400.0, -1.0])
def test_a_stepping_wall_clock_moves_nothing(step: float) -> None:
    """A host whose clock is set does not make deliveries early or late."""
    time = Time()
    clock = time.clock()
    start = clock.now()

    time.wall += step
    time.monotonic += 5

    assert clock.now() == start + 5
    assert clock.wall() == start + step


def test_without_arguments_a_clock_shows_the_time_of_the_host() -> None:
    """The defaults are the real clocks."""
    clock = Clock()

    assert abs(clock.now() - clock.wall()) < 60


def test_ids_within_a_millisecond_rise() -> None:
    """Time stands still, ids do not."""
    ids = Ids(Time().clock())

    given_out = [ids.next() for _ in range(20_000)]

    assert given_out == sorted(set(given_out))


def test_ids_rise_when_the_clock_was_set_back_over_a_restart() -> None:
    """The newest id in the journal is a floor."""
    time = Time()
    newest = Ids(time.clock()).next()
    time.wall -= 86_400

    assert Ids(time.clock(), floor=newest).next() > newest


def test_ids_follow_time_again_once_it_has_passed_the_floor() -> None:
    """The floor does not hold ids in the future for ever."""
    time = Time()
    ids = Ids(time.clock(), floor=first_id_at(time.wall + 1))
    time.pass_by(2)

    assert ids.next() >= first_id_at(time.wall)


def test_two_routers_never_give_the_same_id() -> None:
    """The router's number is part of every id."""
    time = Time()
    one, two = Ids(time.clock(), node=1), Ids(time.clock(), node=2)

    assert {one.next() for _ in range(10_000)}.isdisjoint({two.next() for _ in range(10_000)})


def test_a_moved_router_gives_greater_ids_than_before() -> None:
    """Also under a smaller number, in the same millisecond; and they are those of that number."""
    time = Time()
    ids, other = Ids(time.clock(), node=200), Ids(time.clock(), node=3)
    before = ids.next()

    ids.move(3)

    after = [ids.next() for _ in range(3)]
    assert [before, *after] == sorted({before, *after})
    time.pass_by(1)
    assert ids.next() == other.next()


def test_a_clock_can_agree_with_another_one() -> None:
    """From then on it goes by the time that it was told, at its own pace."""
    time = Time()
    clock = time.clock()

    clock.agree(500.0)
    time.pass_by(7)

    assert clock.now() == 507.0
    assert clock.wall() == time.wall


@pytest.mark.parametrize("step", [0.0, 3600.0, -7200.0])
def test_a_clock_knows_how_far_the_hosts_was_set(step: float) -> None:
    """Its own time says nothing of that; an operator has to hear of it."""
    time = Time()
    clock = time.clock()
    time.pass_by(7)

    time.wall += step

    assert (clock.apart(), clock.own) == (step, True)
    clock.agree(clock.now())
    assert not clock.own


def test_the_first_id_of_a_time_is_a_border() -> None:
    """What retention deletes up to is older than all that is given from then on."""
    time = Time()
    before = Ids(time.clock()).next()
    time.pass_by(0.001)

    assert before < first_id_at(time.wall) <= Ids(time.clock()).next()
    assert first_id_at(0.0) == 0


@settings(max_examples=200)
@given(st.integers(0, 2**63 - 1))
def test_an_id_survives_being_written(number: int) -> None:
    """Text and number are the same id."""
    assert id_number("evt", id_text("evt", number)) == number


@settings(max_examples=200)
@given(st.lists(st.integers(0, 2**63 - 1), min_size=2, max_size=2))
def test_the_order_of_texts_is_the_order_of_numbers(numbers: list[int]) -> None:
    """A journal that sorts text sorts by time."""
    assert sorted(numbers) == sorted(numbers, key=lambda number: id_text("evt", number))


@pytest.mark.parametrize(
    "text",
    ["", "evt_", "dlv_0000000000000", "evt_000000000000", "evt_00000000000000", "evt_000000000000u",
     "evt_000000000000A", "evt_zzzzzzzzzzzzz", "evt-0000000000000"],
)  # fmt: skip
def test_what_is_no_id_is_none(text: str) -> None:
    """A stranger's text never becomes a number by accident."""
    assert id_number("evt", text) is None
