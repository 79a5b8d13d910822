"""Dispatcher: claims within limits, attempts, settles; over a real journal, with a clock at hand."""

import asyncio

import pytest
from structlog.testing import capture_logs

from router.delivery import State
from router.dispatch.gate import FAILURES_TO_OPEN, PROBE_EVERY
from router.errors import Unknown
from router.journal.journal import DeliveryQuery
from router.retry import RetryPolicy
from router.units import Duration, Rate
from tests.dispatch.dispatching import Bench, out
from tests.waiting import until


async def test_an_event_reaches_its_sink_with_the_rules_text(bench: Bench) -> None:
    """Claimed, attempted, settled; the history says when and what."""
    await bench.use(out(), message="{{ build }}")
    event_id = await bench.record("out")
    async with bench.running():
        await bench.until("out", State.DELIVERED)
    (delivery,) = await bench.journal.deliveries(DeliveryQuery(event_id=event_id))
    attempts = await bench.journal.attempts([delivery.id])

    assert bench.lines["out"].seen[0].body == f"{event_id} {{{{ build }}}}".encode()
    assert [(one.number, one.outcome, one.status) for one in attempts[delivery.id]] == [(1, "delivered", 200)]


async def test_concurrency_bounds_what_is_in_flight_and_a_free_slot_is_used_at_once(bench: Bench) -> None:
    """Two slots: two attempts; the third starts when one is settled."""
    await bench.use(out(concurrency=2))
    for _ in range(3):
        await bench.record("out")
    async with bench.running():
        line = bench.lines["out"]
        line.open.clear()
        await line.asked(2)
        assert (bench.status("out").in_flight, len(line.seen)) == (2, 2)
        line.open.set()
        await bench.until("out", State.DELIVERED, 3)


async def test_a_rate_lets_the_next_through_when_its_time_comes(bench: Bench) -> None:
    """One a second: the second waits for the clock."""
    await bench.use(out(rate=Rate(1, 1.0)))
    await bench.record("out")
    await bench.record("out")
    async with bench.running():
        await bench.until("out", State.DELIVERED)
        await bench.journal.ping()
        assert len(bench.lines["out"].seen) == 1
        bench.later(1)
        await bench.until("out", State.DELIVERED, 2)


async def test_a_failure_is_tried_again_by_the_schedule_with_a_rising_attempt_number(bench: Bench) -> None:
    """500, five seconds, again."""
    await bench.use(out())
    bench.lines["out"].status = 500
    await bench.record("out")
    async with bench.running():
        await bench.lines["out"].asked(1)
        await bench.until("out", State.PENDING)
        bench.lines["out"].status = 200
        bench.later(5)
        await bench.until("out", State.DELIVERED)

    assert [request.headers["attempt"] for request in bench.lines["out"].seen] == ["1", "2"]


async def test_the_end_of_the_schedule_is_a_dead_letter(bench: Bench) -> None:
    """A schedule of no waits makes one attempt."""
    await bench.use(out(retry=RetryPolicy(())))
    bench.lines["out"].status = 500
    event_id = await bench.record("out")
    async with bench.running():
        await bench.until("out", State.DEAD)
    (delivery,) = await bench.journal.deliveries(DeliveryQuery(event_id=event_id))

    assert delivery.reason == "the retry schedule ended: answered 500"
    assert (bench.status("out").dead, bench.status("out").last_error) == (1, "answered 500")


async def test_what_is_too_old_dies_without_an_attempt(bench: Bench) -> None:
    """`max_age` passed while nobody delivered."""
    await bench.use(out(max_age=Duration(60)))
    await bench.record("out")
    bench.later(61)
    async with bench.running():
        await bench.until("out", State.DEAD)
        assert bench.lines["out"].seen == []
        # The operator's word counts: it is tried, however old.
        assert await bench.journal.requeue(sink="out") == 1
        await bench.until("out", State.DELIVERED)


async def test_an_open_sink_is_probed_and_its_recovery_makes_everything_due(bench: Bench) -> None:
    """Five failures open it; nothing more is sent but the probe; on success the rest follows at once."""
    patient = RetryPolicy((Duration(86_400),) * 9)
    await bench.use(out(concurrency=FAILURES_TO_OPEN, retry=patient))
    line = bench.lines["out"]
    line.status = 500
    for _ in range(FAILURES_TO_OPEN):
        await bench.record("out")
    async with bench.running():
        await line.asked(FAILURES_TO_OPEN)
        await bench.until("out", State.PENDING, FAILURES_TO_OPEN)
        await bench.record("out")
        await bench.chance()
        assert bench.status("out").state == "open"
        bench.later(PROBE_EVERY)
        await line.asked(FAILURES_TO_OPEN + 1)
        await bench.until("out", State.PENDING, FAILURES_TO_OPEN + 1)
        line.status = 200
        bench.later(PROBE_EVERY)
        await bench.until("out", State.DELIVERED, FAILURES_TO_OPEN + 1)

    assert bench.status("out").state == "ready"


async def test_the_log_says_once_that_a_sink_opened_and_once_that_it_works_again(bench: Bench) -> None:
    """What its failures say of their next attempts does not hold any more; a failing probe is no news."""
    await bench.use(out())
    line = bench.lines["out"]
    line.status = 500
    for _ in range(FAILURES_TO_OPEN):
        await bench.record("out")
    with capture_logs() as lines:
        async with bench.running():
            await line.asked(FAILURES_TO_OPEN)
            await bench.until("out", State.PENDING, FAILURES_TO_OPEN)
            bench.later(PROBE_EVERY)
            await line.asked(FAILURES_TO_OPEN + 1)
            await bench.until("out", State.PENDING, FAILURES_TO_OPEN)
            line.status = 200
            bench.later(PROBE_EVERY)
            await bench.until("out", State.DELIVERED, FAILURES_TO_OPEN)

    told = [each for each in lines if each["event"] in ("sink_opened", "sink_recovered")]
    assert [each["event"] for each in told] == ["sink_opened", "sink_recovered"]
    assert told[0] == {
        "event": "sink_opened", "log_level": "warning", "sink": "out", "reason": "answered 500",
        "tried_every": PROBE_EVERY,
    }  # fmt: skip


async def test_a_reload_that_changes_nothing_forgets_nothing(bench: Bench) -> None:
    """An open sink stays open: equal settings keep their gate."""
    await bench.use(out(concurrency=FAILURES_TO_OPEN))
    bench.lines["out"].status = 500
    for _ in range(FAILURES_TO_OPEN):
        await bench.record("out")
    async with bench.running():
        await bench.lines["out"].asked(FAILURES_TO_OPEN)
        await bench.until("out", State.PENDING, FAILURES_TO_OPEN)
        await bench.use(out(concurrency=FAILURES_TO_OPEN))
        assert bench.status("out").state == "open"
        await bench.use(out(concurrency=FAILURES_TO_OPEN, timeout=Duration(3)))
        assert bench.status("out").state == "ready"


async def test_a_hold_outlives_the_process(bench: Bench) -> None:
    """429 with Retry-After: another dispatcher on the same journal keeps the silence."""
    await bench.use(out())
    line = bench.lines["out"]
    line.status, line.headers = 429, {"Retry-After": "600"}
    await bench.record("out")
    async with bench.running():
        await line.asked(1)
        await bench.until("out", State.PENDING)
    reborn = Bench(bench.journal, bench.clock, bench.time)
    await reborn.use(out())

    assert (reborn.status("out").state, reborn.status("out").until) == ("held", bench.clock.now() + 600)

    async with reborn.running():
        reborn.later(600)
        await reborn.until("out", State.DELIVERED)


async def test_a_pause_for_the_sinks_fault_ends_with_its_settings(bench: Bench) -> None:
    """410 pauses over a restart and a reload that changes nothing; changed settings end it."""
    await bench.use(out())
    bench.lines["out"].status = 410
    await bench.record("out")
    async with bench.running():
        await bench.lines["out"].asked(1)
        await bench.until("out", State.PENDING)
    reborn = Bench(bench.journal, bench.clock, bench.time)
    await reborn.use(out())
    await reborn.use(out())

    assert (reborn.status("out").state, reborn.status("out").reason) == ("paused", "answered 410")

    with capture_logs() as lines:
        await reborn.use(out(timeout=Duration(3)))

    assert lines == [
        {"event": "sink_resumed", "log_level": "info", "sink": "out", "by": "its changed settings"}
    ]
    assert reborn.status("out").state == "ready"
    assert await bench.journal.marks() == []

    again = Bench(bench.journal, bench.clock, bench.time)
    await again.use(out())

    assert again.status("out").state == "ready"


async def test_what_failed_before_is_due_when_its_sink_is_changed(bench: Bench) -> None:
    """Who mends a URL waits for no schedule that the old one earned; equal settings leave it alone."""
    await bench.use(out(), out("other"))
    for name in ("out", "other"):
        bench.lines[name].status = 503
        await bench.record(name)
    async with bench.running():
        for name in ("out", "other"):
            await bench.lines[name].asked(1)
            await bench.until(name, State.PENDING)
            bench.lines[name].status = 200
        await bench.use(out(timeout=Duration(3)), out("other"))
        bench.dispatcher.hasten()
        await bench.until("out", State.DELIVERED)
        await bench.chance()

        assert len(bench.lines["other"].seen) == 1

        await bench.use(out())
        await bench.use(out(), out("other"))
        bench.dispatcher.hasten()
        await bench.until("other", State.DELIVERED)


async def test_a_stop_does_not_wait_for_what_is_made_due(bench: Bench) -> None:
    """Of a long queue that takes many commits."""
    flaky = bench.flaky()
    flaky.held["expedite"] = asyncio.Event()
    await bench.use(out())
    with capture_logs() as logs:
        async with bench.running():
            await bench.use(out(timeout=Duration(3)))
            bench.dispatcher.hasten()
            await until(lambda: flaky.expediting == ["out"])

    assert not [line for line in logs if line["event"] == "deliveries_given_back"]


async def test_what_a_journal_cannot_make_due_waits_for_its_time(bench: Bench) -> None:
    """It is no reason to end, and the next change makes due what fails until then."""
    flaky = bench.flaky()
    flaky.failures["expedite"] = 1
    await bench.use(out())
    async with bench.running():
        for number in (1, 2):
            await bench.use(out(timeout=Duration(2 + number)))
            bench.dispatcher.hasten()
            await until(lambda: len(flaky.expediting) == number)  # noqa: B023  # awaited here
            await bench.chance()

    assert flaky.failures["expedite"] == 0


async def test_an_operators_pause_ends_only_by_resume(bench: Bench) -> None:
    """Changed settings do not; `resume` makes everything due."""
    await bench.use(out())
    await bench.dispatcher.pause("out", "maintenance")
    await bench.record("out")
    reborn = Bench(bench.journal, bench.clock, bench.time)
    await reborn.use(out(timeout=Duration(3)))
    async with reborn.running():
        await reborn.journal.ping()
        assert (reborn.status("out").state, reborn.status("out").reason) == ("paused", "maintenance")
        await reborn.dispatcher.resume("out")
        await reborn.until("out", State.DELIVERED)


async def test_an_unknown_sink_cannot_be_paused_or_resumed(bench: Bench) -> None:
    """The message names those there are."""
    await bench.use(out())
    for action in (bench.dispatcher.resume("ouch"), bench.dispatcher.pause("ouch", "why")):
        with pytest.raises(Unknown) as caught:
            await action
        assert str(caught.value) == "no sink is called 'ouch'; sinks are out"


async def test_a_sink_that_left_the_configuration_keeps_its_deliveries(bench: Bench) -> None:
    """They wait for the name to return, and are shown as such, in the metrics too."""
    await bench.use(out("other"))
    await bench.record("out")
    async with bench.running():
        await bench.journal.ping()
        status = bench.status("out")
        assert (status.state, status.pending) == ("no sink", 1)
        assert bench.dispatcher.states() == {"other": "ready", "out": "no sink"}
        await bench.use(out(), out("other"))
        await bench.until("out", State.DELIVERED)

    assert bench.retained == [{"other"}, {"out", "other"}]
    assert set(bench.dispatcher.states()) == {"out", "other"}


async def test_what_is_in_flight_to_a_sink_that_left_the_configuration_is_shown(bench: Bench) -> None:
    """A reload says of it that it is owed, too."""
    await bench.use(out())
    await bench.record("out")
    async with bench.running():
        line = bench.lines["out"]
        line.open.clear()
        await line.asked(1)
        await bench.use(out("other"))
        status = bench.status("out")
        line.open.set()
        await bench.until("out", State.DELIVERED)

    assert (status.state, status.in_flight, status.pending) == ("no sink", 1, 0)


async def test_stopping_waits_for_what_runs(bench: Bench) -> None:
    """An attempt that ends within the grace period is settled, not given back."""
    await bench.use(out())
    await bench.record("out")
    async with bench.running():
        line = bench.lines["out"]
        line.open.clear()
        await line.asked(1)
        line.open.set()

    assert bench.journal.counts()["out", State.DELIVERED] == 1


async def test_what_does_not_end_in_time_is_given_back_uncounted(bench: Bench) -> None:
    """After the grace period it is pending as before; the next process tries it."""
    await bench.use(out())
    event_id = await bench.record("out")
    async with bench.running(grace=0):
        line = bench.lines["out"]
        line.open.clear()
        await line.asked(1)
    (delivery,) = await bench.journal.deliveries(DeliveryQuery(event_id=event_id))

    assert (delivery.state, delivery.failures, delivery.due) == (State.PENDING, 0, bench.clock.now())
