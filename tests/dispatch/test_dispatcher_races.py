"""Dispatcher: a stop, a reload or an operator in the middle of a claim or an attempt."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from router.clock import Clock
from router.delivery import State
from router.dispatch.gate import FAILURES_TO_OPEN, PROBE_EVERY
from router.errors import JournalUnavailable, Unrenderable
from router.journal.journal import DeliveryQuery, SinkMark
from router.journal.sqlite import open_sqlite
from router.units import Duration, Rate
from tests.dispatch.dispatching import TRIAL_AFTER, Bench, Line, Posts, crash_with, out
from tests.waiting import until


async def test_a_sink_that_leaves_while_a_claim_is_committed_costs_nothing(bench: Bench) -> None:
    """The claim goes back untried; the deliveries wait for the name to return."""
    flaky = bench.flaky()
    flaky.held["claim"] = asyncio.Event()
    await bench.use(out(), out("other"))
    await bench.record("out")
    async with bench.running():
        await bench.until("out", State.IN_FLIGHT)
        await bench.use(out("other"))
        flaky.held["claim"].set()
        await bench.until("out", State.PENDING)
        await bench.use(out())
        await bench.until("out", State.DELIVERED)

    assert [request.headers["attempt"] for request in bench.lines["out"].seen] == ["2"]


async def test_a_stop_while_a_claim_is_committed_gives_it_back(bench: Bench) -> None:
    """Nothing is sent any more, and nothing is left in flight for the next start to take for a crash."""
    flaky = bench.flaky()
    flaky.held["claim"] = asyncio.Event()
    await bench.use(out())
    event_id = await bench.record("out")
    async with bench.running():
        await bench.until("out", State.IN_FLIGHT)
        flaky.let_go = True
    (delivery,) = await bench.journal.deliveries(DeliveryQuery(event_id=event_id))

    assert (delivery.state, delivery.crashes, delivery.failures) == (State.PENDING, 0, 0)
    assert bench.lines["out"].seen == []


async def test_a_claim_that_took_long_to_commit_counts_no_time_twice(bench: Bench) -> None:
    """It is charged to the rate as of its beginning, after what was taken up meanwhile."""
    flaky = bench.flaky()
    flaky.held["claim"] = asyncio.Event()
    await bench.use(out(rate=Rate(2, 2.0)))
    await bench.record("out")
    async with bench.running():
        await bench.until("out", State.IN_FLIGHT)
        bench.later(20)
        assert bench.dispatcher.reserve("out") is not None
        flaky.held["claim"].set()
        await bench.until("out", State.DELIVERED)
        assert bench.dispatcher.reserve("out") is None


@pytest.mark.parametrize("status", [429, 410, 200, 500])
async def test_no_late_answer_ends_an_operators_pause(bench: Bench, status: int) -> None:
    """What was in flight when the operator paused may say what it likes."""
    await bench.use(out())
    await bench.record("out")
    async with bench.running():
        line = bench.lines["out"]
        line.open.clear()
        await line.asked(1)
        await bench.dispatcher.pause("out", "maintenance")
        line.status = status
        line.open.set()
        await bench.until("out", State.DELIVERED if status == 200 else State.PENDING)
    (mark,) = await bench.journal.marks()

    assert (mark.paused, mark.by_operator) == ("maintenance", True)


async def test_an_answer_beside_a_resume_does_not_bring_the_pause_back(bench: Bench) -> None:
    """The sink asks for silence while the resume is being written: after a restart it is still resumed."""
    flaky = bench.flaky()
    await bench.use(out())
    line = bench.lines["out"]
    line.open.clear()
    await bench.record("out")
    async with bench.running(), asyncio.TaskGroup() as tasks:
        await line.asked(1)
        await bench.dispatcher.pause("out", "maintenance")
        flaky.held["mark"] = asyncio.Event()
        resuming = tasks.create_task(bench.dispatcher.resume("out"))
        await until(lambda: flaky.marked == 2)
        line.status = 429
        line.open.set()
        await until(lambda: flaky.marked == 3)
        assert not resuming.done()
        flaky.held["mark"].set()

    assert [mark.paused for mark in await bench.journal.marks() if mark.paused] == []


async def test_a_hold_after_a_pause_leaves_the_pause_on_disk(bench: Bench) -> None:
    """Two answers at once, 410 and then 429: after a restart the sink is still paused."""
    await bench.use(out(concurrency=2))
    line = bench.lines["out"]
    line.open.clear()
    await bench.record("out")
    await bench.record("out")
    async with bench.running():
        await line.asked(2)
        line.status = 410
        line.open.set()
        await bench.until("out", State.PENDING, 2)
    (mark,) = await bench.journal.marks()

    assert mark.paused == "answered 410"


@pytest.mark.parametrize("action", ["pause", "resume"])
async def test_an_operators_word_that_cannot_be_written_changes_nothing(bench: Bench, action: str) -> None:
    """The answer says so, and it is true."""
    flaky = bench.flaky()
    await bench.use(out())
    if action == "resume":
        await bench.dispatcher.pause("out", "maintenance")
    before = bench.status("out")
    flaky.failures = {"mark": 1}

    with pytest.raises(JournalUnavailable):
        await (bench.dispatcher.resume("out") if action == "resume" else bench.dispatcher.pause("out", "why"))

    assert bench.status("out") == before


class Speechless(Posts, frozen=True):
    """A sink that finds no words for an event whose build is 0."""

    def request(self, event, delivery, now, message=None):
        """The request, unless the rule's text says to fail."""
        if message is not None:
            raise Unrenderable("no words")
        return super().request(event, delivery, now, message)


async def test_an_event_without_words_does_not_recover_an_open_sink(bench: Bench) -> None:
    """Nobody was asked, so nothing was learnt."""
    await bench.use(Speechless(name="out", concurrency=FAILURES_TO_OPEN))
    bench.lines["out"].status = 500
    for _ in range(FAILURES_TO_OPEN):
        await bench.record("out")
    async with bench.running():
        await bench.lines["out"].asked(FAILURES_TO_OPEN)
        await bench.until("out", State.PENDING, FAILURES_TO_OPEN)
        await bench.use(Speechless(name="out", concurrency=FAILURES_TO_OPEN), message="{{ build }}")
        bench.later(PROBE_EVERY)
        await bench.until("out", State.DEAD)
        assert bench.status("out").state == "open"


async def test_a_suspect_recovers_an_open_sink(tmp_path: Path) -> None:
    """If all that an open sink has is a suspect, the probe tries that, alone."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    await crash_with(tmp_path / "journal.db", clock, "out", times=2)
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        bench = Bench(journal, clock, time)
        await bench.use(out())
        bench.lines["out"].status = 500
        (suspect,) = await journal.deliveries(DeliveryQuery())
        for _ in range(FAILURES_TO_OPEN):
            await bench.record("out")
        async with bench.running():
            await bench.lines["out"].asked(FAILURES_TO_OPEN)
            await bench.until("out", State.PENDING, FAILURES_TO_OPEN + 1)
            assert bench.status("out").state == "open"
            others = await journal.deliveries(DeliveryQuery(state=State.PENDING))
            await journal.discard(ids=[each.id for each in others if each.id != suspect.id], reason="r")
            bench.lines["out"].status = 200
            bench.later(TRIAL_AFTER + PROBE_EVERY)
            await bench.until("out", State.DELIVERED)


async def test_a_suspect_costs_no_other_sink_its_probe(tmp_path: Path) -> None:
    """An open sink whose probe is due meanwhile is tried as soon as the suspect is settled."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    await crash_with(tmp_path / "journal.db", clock, "out", times=2)
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        bench = Bench(journal, clock, time)
        await bench.use(out(), out("other"), out("busy"))
        other, busy = bench.lines["other"], bench.lines["busy"]
        for line in (other, busy):
            line.open.clear()
        for sink in ["other"] * FAILURES_TO_OPEN + ["busy"]:
            await bench.record(sink)
        async with bench.running():
            await other.asked(FAILURES_TO_OPEN)
            await busy.asked(1)
            bench.later(TRIAL_AFTER)
            await bench.chance()
            other.status = 500
            other.open.set()
            await bench.until("other", State.PENDING, FAILURES_TO_OPEN)
            other.status = 200
            bench.later(PROBE_EVERY)
            await bench.chance()
            assert (len(other.seen), bench.lines["out"].seen) == (FAILURES_TO_OPEN, [])
            busy.open.set()
            await bench.until("out", State.DELIVERED)
            await bench.until("other", State.DELIVERED, FAILURES_TO_OPEN)


async def test_a_suspect_does_not_starve_behind_a_rate(tmp_path: Path) -> None:
    """It is tried before the backlog of its sink, not after it."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    await crash_with(tmp_path / "journal.db", clock, "out", times=2)
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        bench = Bench(journal, clock, time)
        (suspect,) = await journal.deliveries(DeliveryQuery())
        await bench.use(out(rate=Rate(1, 1.0)))
        for _ in range(3):
            await bench.record("out")
        bench.later(TRIAL_AFTER)
        async with bench.running():
            await bench.until("out", State.DELIVERED)
            await bench.chance()
            bench.later(1)
            await bench.until("out", State.DELIVERED, 2)
            first = [request.body.decode().split()[0] for request in bench.lines["out"].seen]

    assert suspect.event_id in first


async def test_a_changed_sink_in_flight_is_settled_by_what_it_was(bench: Bench) -> None:
    """A reload in the middle of an attempt loses nothing and frees the slot."""
    await bench.use(out(concurrency=1))
    await bench.record("out")
    async with bench.running():
        line = bench.lines["out"]
        line.open.clear()
        await line.asked(1)
        await bench.use(out(concurrency=1, timeout=Duration(3)))
        line.open.set()
        await bench.until("out", State.DELIVERED)
        await bench.record("out")
        await bench.until("out", State.DELIVERED, 2)


@pytest.mark.parametrize(("status", "count"), [(410, 1), (429, 1), (500, FAILURES_TO_OPEN)])
async def test_an_answer_to_old_settings_says_nothing_about_new_ones(
    bench: Bench, status: int, count: int
) -> None:
    """Who mends a sink and reloads need not mend it again when what was in flight meanwhile has failed."""
    await bench.use(out())
    for _ in range(count):
        await bench.record("out")
    async with bench.running():
        old, new = bench.lines["out"], Line()
        old.open.clear()
        await old.asked(count)
        bench.lines["out"] = new
        new.open.clear()
        await bench.use(out(timeout=Duration(3)))
        old.status = status
        with capture_logs() as lines:
            old.open.set()
            await until(lambda: len(lines) == count)
        bench.later(5)
        await new.asked(count)
        assert (bench.status("out").state, bench.status("out").last_error) == ("ready", None)
        assert await bench.journal.marks() == []
        new.open.set()
        await bench.until("out", State.DELIVERED, count)

    assert {(told["event"], told["reason"]) for told in lines} == {("delivery_failed", f"answered {status}")}


async def test_a_mark_of_a_sink_that_is_gone_waits_for_it(bench: Bench) -> None:
    """A reload without the sink does not wipe what is known of it."""
    await bench.journal.mark(SinkMark(sink="gone", paused="answered 410", fingerprint="x"))
    await bench.use(out())

    assert [mark.sink for mark in await bench.journal.marks()] == ["gone"]


async def test_changed_settings_take_effect_though_their_mark_cannot_be_written(bench: Bench) -> None:
    """The reload is whole; the stale mark is of other settings, so that the next start ignores it."""
    flaky = bench.flaky()
    await bench.use(out())
    bench.lines["out"].status = 410
    await bench.record("out")
    async with bench.running():
        await bench.lines["out"].asked(1)
        await bench.until("out", State.PENDING)
    flaky.failures = {"mark": 1}
    await bench.use(out(timeout=Duration(3)))

    assert bench.status("out").state == "ready"

    reborn = Bench(bench.journal, bench.clock, bench.time)
    await reborn.use(out(timeout=Duration(3)))

    assert reborn.status("out").state == "ready"
