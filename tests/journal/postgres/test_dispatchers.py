"""Two dispatchers that deliver from one database: what one learns of a sink, both keep to."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest

from router.clock import Clock
from router.delivery import State
from router.units import Rate
from tests.dispatch.dispatching import Bench, Line, out
from tests.journal.postgres.fleet import CALM, a_router, looked
from tests.waiting import until


@pytest.fixture
async def pair(database: str) -> AsyncIterator[SimpleNamespace]:
    """Two routers that know of each other, in front of the same far ends."""
    async with AsyncExitStack() as stack:
        lines: dict[str, Line] = {}
        benches = []
        for _ in range(2):
            clock = Clock()
            journal = await stack.enter_async_context(a_router(database, CALM, clock=clock))
            benches.append(Bench(journal, clock, []))
            benches[-1].lines = lines
        for bench in benches:
            await looked(bench.journal, lambda bench=bench: bench.journal.share().of == 2)
        yield SimpleNamespace(one=benches[0], other=benches[1], lines=lines)


async def use(pair: SimpleNamespace, **settings: object) -> Line:
    """Put the sink `out` into force at both; its far end."""
    for bench in (pair.one, pair.other):
        await bench.use(out(**settings))
    return pair.lines["out"]


async def caught_up(pair: SimpleNamespace) -> None:
    """One more delivery; the other router has looked since all that happened before it."""
    before = sum(pair.one.journal.counts().values())
    await pair.one.record("out")
    await looked(pair.other.journal, lambda: sum(pair.other.journal.counts().values()) > before)


async def states(bench: Bench, state: str) -> None:
    """Wait until the sink stands so."""
    await until(lambda: bench.status("out").state == state)


async def test_an_operators_pause_and_its_end_count_everywhere(pair: SimpleNamespace) -> None:
    """Whichever router was told: nothing leaves through the other; and any may end it."""
    line = await use(pair)
    async with pair.one.running(), pair.other.running():
        await pair.one.dispatcher.pause("out", "maintenance")
        await states(pair.other, "paused")
        await pair.other.record("out")
        await pair.other.journal.ping()

        assert pair.other.status("out").reason == "maintenance"
        assert line.seen == []

        await pair.other.dispatcher.resume("out")
        await states(pair.one, "ready")
        await pair.other.until("out", State.DELIVERED)

    assert len(line.seen) == 1


async def test_a_silence_that_a_sink_asked_for_is_kept_by_all(pair: SimpleNamespace) -> None:
    """It asked for it once."""
    line = await use(pair)
    line.status, line.headers = 429, {"Retry-After": "600"}
    await pair.one.record("out")
    async with pair.one.running():
        await line.asked(1)
        await pair.one.until("out", State.PENDING)
        await caught_up(pair)
        async with pair.other.running():
            await states(pair.other, "held")
            await pair.other.chance()

    first, second = pair.one.status("out").until, pair.other.status("out").until
    assert first is not None
    assert second is not None
    assert abs(first - second) < 1
    assert len(line.seen) == 1


async def test_a_refusal_pauses_the_sink_everywhere(pair: SimpleNamespace) -> None:
    """A revoked URL is tried by one router, not by each."""
    line = await use(pair)
    line.status = 410
    await pair.one.record("out")
    async with pair.one.running():
        await line.asked(1)
        await pair.one.until("out", State.PENDING)
        await caught_up(pair)
        async with pair.other.running():
            await states(pair.other, "paused")
            await pair.other.chance()

    assert (pair.other.status("out").reason, len(line.seen)) == ("answered 410", 1)


async def test_an_operators_pause_survives_what_another_router_learns(pair: SimpleNamespace) -> None:
    """A late answer elsewhere forgets nothing, before and after the word of the pause came there."""
    line = await use(pair)
    line.open.clear()
    line.status, line.headers = 429, {"Retry-After": "600"}
    await pair.other.record("out")
    async with pair.other.running():
        await line.asked(1)
        await pair.one.dispatcher.pause("out", "maintenance")
        line.open.set()
        await states(pair.other, "paused")
        await pair.other.until("out", State.PENDING)
    (mark,) = await pair.one.journal.marks()

    assert (mark.paused, mark.by_operator) == ("maintenance", True)


async def test_a_reload_does_not_forget_what_it_has_not_heard_of(pair: SimpleNamespace) -> None:
    """An operator's pause at the other router, a moment before the sink's settings change here."""
    await use(pair)
    await pair.one.dispatcher.pause("out", "maintenance")
    await pair.other.use(out(concurrency=3))
    (mark,) = await pair.one.journal.marks()

    assert (mark.paused, mark.by_operator) == ("maintenance", True)

    async with pair.other.running():
        await states(pair.other, "paused")


async def test_together_they_send_as_much_at_once_as_one_alone(pair: SimpleNamespace) -> None:
    """Three slots are two and one; what one took in leaves through both."""
    line = await use(pair, concurrency=3)
    line.open.clear()
    for _ in range(8):
        await pair.one.record("out")
    async with pair.one.running(), pair.other.running():
        await line.asked(3)
        await until(lambda: pair.one.status("out").in_flight + pair.other.status("out").in_flight == 3)
        for bench in (pair.one, pair.other):
            await bench.chance()

        assert {pair.one.status("out").in_flight, pair.other.status("out").in_flight} == {1, 2}
        assert len(line.seen) == 3

        line.open.set()
        await pair.one.until("out", State.DELIVERED, 8)


async def test_whoever_stays_sends_what_another_leaves(database: str) -> None:
    """Also what is at work already is divided anew, and given back."""
    async with AsyncExitStack() as stack:
        clock = Clock()
        bench = Bench(await stack.enter_async_context(a_router(database, CALM, clock=clock)), clock, [])
        await bench.use(out(concurrency=2))
        line = bench.lines["out"]
        async with bench.running():
            async with a_router(database, CALM):
                await until(lambda: bench.journal.share().of == 2)
                line.open.clear()
                for _ in range(2):
                    await bench.record("out")
                await line.asked(1)
                await bench.chance()

                assert len(line.seen) == 1

            await line.asked(2)
            line.open.set()
            await bench.until("out", State.DELIVERED, 2)


async def test_a_rate_is_that_of_all_together(pair: SimpleNamespace) -> None:
    """Four a day are two through each."""
    line = await use(pair, rate=Rate(4, 86_400.0))
    for _ in range(10):
        await pair.other.record("out")
    async with pair.one.running(), pair.other.running():
        await line.asked(4)
        for bench in (pair.one, pair.other):
            await bench.until("out", State.DELIVERED, 4)
            await bench.chance()

    assert len(line.seen) == 4


async def test_what_is_requeued_at_one_leaves_through_another(pair: SimpleNamespace) -> None:
    """The one whose operator asked need not deliver at all."""
    line = await use(pair)
    line.status = 400
    await pair.one.record("out")
    async with pair.other.running():
        await pair.other.until("out", State.DEAD)
        line.status = 200
        assert await pair.one.journal.requeue(sink="out") == 1
        await pair.other.until("out", State.DELIVERED)
