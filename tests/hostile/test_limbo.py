"""No limbo: whatever happened, time and an operator's word bring every delivery to an end."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from router.clock import Clock
from router.delivery import State
from router.journal.sqlite import open_sqlite
from tests.dispatch.dispatching import Bench, Line, out
from tests.hostile.level import level

SINKS = ("a", "b", "c")
A_DAY = 100_000.0
# Statuses of every outcome: delivered, retried, dead, paused, held.
ANSWERS = (200, 500, 302, 400, 410, 429, 503)

Step = tuple[str, Any]
sink_names = st.sampled_from(SINKS)
STEPS = st.one_of(
    st.tuples(st.just("record"), st.sets(sink_names, min_size=1)),
    st.tuples(st.just("record"), st.sets(sink_names, min_size=1)),
    st.tuples(st.just("later"), st.sampled_from([1.0, 6.0, 31.0, 400.0, A_DAY])),
    st.tuples(st.just("answer"), st.tuples(sink_names, st.sampled_from(ANSWERS))),
    st.tuples(st.just("hang"), sink_names),
    st.tuples(st.just("release"), sink_names),
    st.tuples(st.just("pause"), sink_names),
    st.tuples(st.just("resume"), sink_names),
    st.tuples(st.just("requeue"), sink_names),
    st.tuples(st.just("discard"), sink_names),
    st.tuples(st.just("configure"), st.sets(sink_names)),
    st.tuples(st.just("retune"), st.integers(1, 3)),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("crash"), st.none()),
)


class World:
    """What outlives a process: the far ends, the configuration, the time, the journal's file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.db"
        self.time = [1_800_000_000.0]
        self.lines = {name: Line() for name in SINKS}
        self.configured = set(SINKS)
        self.concurrency = 2

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Bench]:
        """One process from its start to a crash; stop it inside for a proper end."""
        clock = Clock(lambda: self.time[0], lambda: self.time[0])
        async with open_sqlite(self.path, clock) as journal, anyio.create_task_group() as loops:
            bench = Bench(journal, clock, self.time)
            bench.lines = self.lines
            await self.configure(bench)
            loops.start_soon(bench.dispatcher.run)
            yield bench
            loops.cancel_scope.cancel()

    async def configure(self, bench: Bench) -> None:
        """Put the sinks into force that are configured now."""
        await bench.use(*(out(name, concurrency=self.concurrency) for name in sorted(self.configured)))

    async def do(self, bench: Bench, what: str, on: Any) -> None:
        """One thing that happens."""
        match what:
            case "record":
                await bench.record(*sorted(on))
            case "later":
                bench.later(on)
            case "answer":
                name, status = on
                line = self.lines[name]
                line.status, line.headers = status, {"Retry-After": "60"} if status == 429 else {}
            case "hang":
                self.lines[on].open.clear()
            case "release":
                self.lines[on].open.set()
            case "pause" | "resume" if on in self.configured:
                await (
                    bench.dispatcher.pause(on, "asked") if what == "pause" else bench.dispatcher.resume(on)
                )
            case "requeue":
                await bench.journal.requeue(sink=on)
            case "discard":
                await bench.journal.discard(sink=on, reason="asked")
            case "configure":
                self.configured = on
                await self.configure(bench)
            case "retune":
                self.concurrency = on
                await self.configure(bench)
        await quiet(bench)

    def mend(self) -> None:
        """Every destination is well again."""
        for line in self.lines.values():
            line.status, line.headers = 200, {}
            line.open.set()


async def quiet(bench: Bench) -> None:
    """Return when nothing changes any more unless time passes."""
    last, same = None, 0
    while same < 3:
        bench.journal.wake()
        await bench.journal.ping()
        now = (dict(bench.journal.counts()), [len(line.seen) for line in bench.lines.values()])
        last, same = now, same + 1 if now == last else 0


def unfinished(bench: Bench) -> dict[tuple[str, State], int]:
    """What is not at an end, by sink and state."""
    return {
        (sink, state): count
        for (sink, state), count in bench.journal.counts().items()
        if count and state in (State.PENDING, State.IN_FLIGHT)
    }


async def let_time_pass(bench: Bench) -> None:
    """As many days as the longest schedule has, and more, while that still changes anything."""
    for _ in range(15):
        if not unfinished(bench):
            return
        bench.later(A_DAY)
        await quiet(bench)


async def play(steps: Sequence[Step], folder: Path) -> None:
    """Live through the steps, from process to process; the last one sees the world mended."""
    world, left = World(folder), [*steps]
    while True:
        async with world.process() as bench:
            if await live(world, bench, left):
                continue
            await aftermath(world, bench)
            return


async def live(world: World, bench: Bench, left: list[Step]) -> bool:
    """Take steps until the process ends (true), or there are no more."""
    while left:
        what, on = left.pop(0)
        if what == "stop":
            await bench.dispatcher.stop(0.0)
        if what in ("stop", "crash"):
            return True
        await world.do(bench, what, on)
    return False


async def aftermath(world: World, bench: Bench) -> None:
    """Mend the world, let time pass, and see what is left; then let an operator speak."""
    world.mend()
    await quiet(bench)
    await let_time_pass(bench)
    states = {status.name: status.state for status in bench.dispatcher.sinks()}
    for sink, state in unfinished(bench):
        assert state is State.PENDING, f"{sink}: {state} for ever"
        assert states[sink] in ("paused", "no sink"), f"{sink}: pending, and its sink is {states[sink]}"

    world.configured = set(SINKS)
    await world.configure(bench)
    for name in SINKS:
        await bench.dispatcher.resume(name)
    await quiet(bench)
    await let_time_pass(bench)
    assert unfinished(bench) == {}
    await bench.dispatcher.stop(0.0)


@pytest.mark.timeout(level(60, 3600))
@settings(
    max_examples=level(40, 5000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@example(
    steps=[
        ("hang", "a"),
        ("record", {"a"}),
        ("crash", None),
        ("crash", None),
        ("crash", None),
        ("crash", None),
    ]
)
@example(steps=[("hang", "a"), ("record", {"a", "b"}), ("crash", None), ("crash", None), ("later", 31.0)])
@example(steps=[("answer", ("a", 500)), *[("record", {"a"})] * 6])
@example(steps=[("answer", ("a", 500)), *[("record", {"a"})] * 6, ("crash", None)])
@example(steps=[("answer", ("a", 429)), ("record", {"a"}), ("record", {"a"})])
@example(steps=[("answer", ("a", 429)), ("record", {"a"}), ("stop", None)])
@example(steps=[("answer", ("a", 410)), ("record", {"a"}), ("configure", set()), ("stop", None)])
@given(steps=st.lists(STEPS, max_size=25))
def test_no_delivery_waits_for_what_never_comes(steps: list[Step]) -> None:
    """What is neither delivered nor dead moves by time alone, or its sink says that it waits for somebody."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(steps, Path(folder)))
