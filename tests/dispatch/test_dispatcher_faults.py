"""Dispatcher: crashes, suspects, and a journal that cannot write."""

import asyncio
from pathlib import Path

from structlog.testing import capture_logs

from router.clock import Clock
from router.delivery import Settlement, State
from router.dispatch.dispatcher import Dispatcher
from router.journal.journal import DeliveryQuery
from router.journal.sqlite import open_sqlite
from router.metrics import Metrics
from tests.dispatch.dispatching import TRIAL_AFTER, Bench, Flaky, Posts, crash_with, out
from tests.waiting import until


async def test_what_was_delivered_but_not_recorded_is_not_sent_again(bench: Bench) -> None:
    """While the journal cannot write, the delivery keeps its slot and its mark is tried again.

    It is tried twice a second: that is said once of each.
    """
    flaky = bench.flaky()
    flaky.failures = {"claim": 2, "settle": 2}
    await bench.use(out())
    await bench.record("out")
    with capture_logs() as lines:
        async with bench.running():
            await bench.until("out", State.DELIVERED)

    assert len(bench.lines["out"].seen) == 1
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == [
        "claim_postponed", "write_postponed",
    ]  # fmt: skip


async def test_that_nothing_can_be_claimed_is_said_once_of_each_outage(bench: Bench) -> None:
    """Of the next one as well: what was said of the last is over."""
    flaky = bench.flaky()
    flaky.failures = {"claim": 1}
    await bench.use(out())
    await bench.record("out")
    with capture_logs() as lines:
        async with bench.running():
            await bench.until("out", State.DELIVERED)
            await bench.dispatcher.pause("out", "maintenance")
            await bench.record("out")
            flaky.failures = {"claim": 1}
            await bench.dispatcher.resume("out")
            await bench.until("out", State.DELIVERED, 2)

    assert [line["event"] for line in lines].count("claim_postponed") == 2


async def test_a_pause_that_cannot_be_written_still_pauses(bench: Bench) -> None:
    """The gate is closed in memory; the log says that a restart will have to learn it again."""
    flaky = bench.flaky()
    flaky.failures = {"mark": 1}
    await bench.use(out())
    bench.lines["out"].status = 410
    await bench.record("out")
    with capture_logs() as lines:
        async with bench.running():
            await bench.lines["out"].asked(1)
            await bench.until("out", State.PENDING)

    assert bench.status("out").state == "paused"
    assert "write_postponed" in [line["event"] for line in lines]


async def test_a_stop_while_the_journal_cannot_write_leaves_recovery_to_the_next_start(bench: Bench) -> None:
    """Giving back fails: the deliveries stay in flight on disk, which opening turns into pending."""
    flaky = bench.flaky()
    await bench.use(out())
    await bench.record("out")
    with capture_logs() as lines:
        async with bench.running(grace=0):
            line = bench.lines["out"]
            line.open.clear()
            await line.asked(1)
            flaky.failures = {"settle": 1}

    assert bench.journal.counts()["out", State.IN_FLIGHT] == 1
    assert "give_back_postponed" in [line["event"] for line in lines]


async def test_a_suspect_is_tried_alone(tmp_path: Path) -> None:
    """What was in flight at two crashes gets the process for itself, after and before everything else."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    await crash_with(tmp_path / "journal.db", clock, "out", "out", times=2)
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        bench = Bench(journal, clock, time)
        await bench.use(out(), out("other"))
        other = bench.lines["other"]
        other.open.clear()
        await bench.record("other")
        bench.later(TRIAL_AFTER)
        async with bench.running():
            await other.asked(1)
            await bench.chance()
            assert bench.lines["out"].seen == []
            bench.lines["out"].open.clear()
            other.open.set()
            await bench.lines["out"].asked(1)
            await bench.record("other")
            await bench.chance()
            assert (len(bench.lines["out"].seen), len(other.seen)) == (1, 1)
            bench.lines["out"].open.set()
            await bench.until("out", State.DELIVERED, 2)
            await bench.until("other", State.DELIVERED, 2)


async def test_a_suspect_that_is_gone_starves_nobody(tmp_path: Path) -> None:
    """Discarded between being noticed and being tried, it is not waited for."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    await crash_with(tmp_path / "journal.db", clock, "out", times=2)
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        bench = Bench(journal, clock, time)
        flaky = bench.flaky()
        flaky.held["claim"] = asyncio.Event()
        await bench.use(out())
        bench.later(TRIAL_AFTER)
        async with bench.running():
            await until(lambda: flaky.claimed == 1)
            assert await journal.discard(sink="out", reason="r") == 1
            flaky.held["claim"].set()
            event_id = await bench.record("out")
            await bench.until("out", State.DELIVERED)

    assert [request.body.decode().split()[0] for request in bench.lines["out"].seen] == [event_id]


async def test_what_kills_the_process_alone_three_times_is_set_aside(tmp_path: Path) -> None:
    """It becomes a dead letter that says so, and is not tried again."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    await crash_with(tmp_path / "journal.db", clock, "out", times=3)
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        (delivery,) = await journal.deliveries(DeliveryQuery(sink="out"))

    assert (delivery.state, delivery.reason) == (State.DEAD, "in flight alone at 3 crashes")


class Superseding(Posts, frozen=True):
    """A sink that drops what a newer event made stale."""

    supersedes = True


async def test_a_stale_message_is_not_sent_after_a_newer_one(bench: Bench) -> None:
    """The older event's second attempt is dropped once the newer one of the same build arrived."""
    await bench.use(Superseding(name="out"))
    bench.lines["out"].status = 500
    older = await bench.record("out")
    with capture_logs() as lines:
        async with bench.running():
            await bench.lines["out"].asked(1)
            await bench.until("out", State.PENDING)
            bench.lines["out"].status = 200
            await bench.record("out")
            await bench.until("out", State.DELIVERED)
            bench.later(5)
            await bench.until("out", State.DEAD)
    (delivery,) = await bench.journal.deliveries(DeliveryQuery(event_id=older))

    assert delivery.reason == "superseded: a newer event of the same build was delivered"
    assert len(bench.lines["out"].seen) == 2
    assert "delivery_dropped" in [line["event"] for line in lines]


async def test_a_settlement_that_came_too_late_is_told(bench: Bench) -> None:
    """A claim that someone else took over is not settled by this process, and the log says so."""

    class TakenOver(Flaky):
        async def settle(self, settlements: object) -> list[str]:
            await self.journal.settle(settlements)
            return ["dlv_1"]

    bench.dispatcher = Dispatcher(TakenOver(bench.journal), bench, bench.clock, Metrics(), lambda: 0.0)
    await bench.use(out())
    await bench.record("out")
    with capture_logs() as lines:
        async with bench.running():
            await bench.until("out", State.DELIVERED)

    assert "claim_lost" in [line["event"] for line in lines]


async def test_what_comes_back_while_it_is_still_tried_is_tried_beside_it(bench: Bench) -> None:
    """After a long silence others took a claim over and gave it back; the old attempt may yet go on."""
    await bench.use(out())
    event_id = await bench.record("out")
    async with bench.running():
        line = bench.lines["out"]
        line.open.clear()
        await line.asked(1)
        (delivery,) = await bench.journal.deliveries(DeliveryQuery(event_id=event_id))
        back = Settlement(delivery_id=delivery.id, claim=1, state=State.PENDING, due=bench.clock.now())
        assert await bench.journal.settle([back]) == []
        await line.asked(2)
        line.open.set()
        await bench.until("out", State.DELIVERED)
        await until(lambda: bench.status("out").in_flight == 0)

    assert [request.headers["attempt"] for request in line.seen] == ["1", "2"]
