"""Dispatcher: deliveries that are handed over as they are recorded, and slots set aside for them."""

import asyncio
from pathlib import Path

import pytest

from router.clock import Clock
from router.delivery import State
from router.dispatch.dispatcher import Dispatcher
from router.journal.journal import Batch, DeliveryQuery
from router.journal.sqlite import open_sqlite
from router.metrics import Metrics
from router.units import Rate
from tests.dispatch.dispatching import TRIAL_AFTER, Bench, Flaky, crash_with, out


class Watched(Flaky):
    """A journal that remembers how many deliveries each claim took."""

    def __init__(self, journal: object) -> None:
        super().__init__(journal)
        self.taken: list[int] = []

    async def claim(self, *args: object, **named: object) -> Batch:
        """Claim, and remember."""
        batch = await self.journal.claim(*args, **named)
        self.taken.append(len(batch.claims))
        return batch


def watched(bench: Bench) -> Watched:
    """Put such a journal under the dispatcher."""
    journal = Watched(bench.journal)
    bench.dispatcher = Dispatcher(journal, bench, bench.clock, Metrics(), lambda: 0.0)
    return journal


async def test_a_quiet_sink_gets_its_events_without_a_claim(bench: Bench) -> None:
    """Whatever finds a free slot and nothing due goes out as it is recorded."""
    journal = watched(bench)
    await bench.use(out(concurrency=4))
    async with bench.running():
        await bench.chance()
        for number in range(1, 10):
            await bench.record("out")
            await bench.until("out", State.DELIVERED, number)

    assert journal.taken == []
    assert {request.headers["attempt"] for request in bench.lines["out"].seen} == {"1"}


async def test_a_retry_in_the_future_does_not_hinder_the_next_event(bench: Bench) -> None:
    """What waits for its time is not overtaken."""
    journal = watched(bench)
    await bench.use(out())
    async with bench.running():
        await bench.chance()
        bench.lines["out"].status = 500
        await bench.record("out")
        await bench.lines["out"].asked(1)
        await bench.until("out", State.PENDING)
        bench.lines["out"].status = 200
        await bench.record("out")
        await bench.until("out", State.DELIVERED)
        assert sum(journal.taken) == 0
        bench.later(5)
        await bench.until("out", State.DELIVERED, 2)

    assert sum(journal.taken) == 1


async def test_handed_over_and_claimed_together_keep_to_the_concurrency(bench: Bench) -> None:
    """A slot that is set aside is not claimed for as well, nor the other way round."""
    await bench.use(out(concurrency=3))
    line = bench.lines["out"]
    line.open.clear()
    for _ in range(2):
        await bench.record("out")
    async with bench.running(), asyncio.TaskGroup() as senders:
        for _ in range(20):
            senders.create_task(bench.record("out"))
        await line.asked(3)
        await bench.chance()
        assert (len(line.seen), bench.status("out").in_flight) == (3, 3)
        line.open.set()
        await bench.until("out", State.DELIVERED, 22)


async def test_a_slot_is_set_aside_and_comes_back(bench: Bench) -> None:
    """It counts as taken until nothing came of it, also against the rate."""
    await bench.use(out(concurrency=1), out("slow", rate=Rate(1, 1.0)))
    for sink in ("out", "slow"):
        slot = bench.dispatcher.reserve(sink)
        assert slot is not None
        assert bench.status(sink).in_flight == 1
        assert bench.dispatcher.reserve(sink) is None
        slot.free()
        assert bench.status(sink).in_flight == 0
        assert bench.dispatcher.reserve(sink) is not None


async def test_no_slot_is_set_aside_at_a_sink_that_takes_nothing(bench: Bench) -> None:
    """Unknown, or paused."""
    await bench.use(out())
    await bench.dispatcher.pause("out", "maintenance")

    assert bench.dispatcher.reserve("out") is None
    assert bench.dispatcher.reserve("ouch") is None


@pytest.mark.parametrize("what", ["pause", "reload"])
async def test_what_comes_too_late_for_its_slot_goes_back_untried(bench: Bench, what: str) -> None:
    """An operator paused the sink, or took it away, while its event was on its way to the disk."""
    await bench.use(out())
    async with bench.running():
        await bench.chance()
        slot = bench.dispatcher.reserve("out")
        assert slot is not None
        if what == "pause":
            await bench.dispatcher.pause("out", "maintenance")
        else:
            await bench.use(out("other"))
        await bench.record("out")
        (claim,) = (await bench.journal.claim({"out": 1})).claims
        slot.take(claim)
        await bench.until("out", State.PENDING)
        assert bench.lines["out"].seen == []
        await bench.use(out())
        assert bench.status("out").in_flight == 0
        if what == "pause":
            await bench.dispatcher.resume("out")
        await bench.until("out", State.DELIVERED)
    (delivery,) = await bench.journal.deliveries(DeliveryQuery())

    assert (delivery.claim, delivery.failures, delivery.crashes) == (2, 0, 0)


async def test_nothing_is_set_aside_beside_a_suspect(tmp_path: Path) -> None:
    """It has the process to itself, also from what arrives meanwhile."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    await crash_with(tmp_path / "journal.db", clock, "out", times=2)
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        bench = Bench(journal, clock, time)
        await bench.use(out(), out("other"))
        bench.lines["out"].open.clear()
        bench.later(TRIAL_AFTER)
        async with bench.running():
            await bench.lines["out"].asked(1)
            assert bench.dispatcher.reserve("other") is None
            await bench.record("other")
            await bench.chance()
            assert bench.lines["other"].seen == []
            bench.lines["out"].open.set()
            await bench.until("other", State.DELIVERED)


async def test_a_stop_among_arrivals_leaves_nothing_in_flight(bench: Bench) -> None:
    """What is recorded while the dispatcher goes waits for the next one, uncounted."""
    await bench.use(out(concurrency=100))
    async with asyncio.TaskGroup() as senders, bench.running():
        for _ in range(20):
            senders.create_task(bench.record("out"))
        await bench.lines["out"].asked(1)
        for _ in range(20):
            senders.create_task(bench.record("out"))
    await bench.journal.ping()
    await bench.journal.ping()
    states = {one.state for one in await bench.journal.deliveries(DeliveryQuery(limit=99))}

    assert states <= {State.DELIVERED, State.PENDING}
    assert sum(one.crashes for one in await bench.journal.deliveries(DeliveryQuery(limit=99))) == 0
