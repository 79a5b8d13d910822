"""Six hours without a destination, in virtual time: nothing grows but the journal, and all of it goes out."""

import tracemalloc
from collections import Counter
from pathlib import Path

from router.clock import Clock
from router.delivery import State
from router.journal.sqlite import open_sqlite
from tests.dispatch.dispatching import Bench, out
from tests.hostile.level import level

HOURS = 6
EVENTS = level(360, 21_600)
STEP = HOURS * 3600 / EVENTS


async def test_six_hours_of_backlog_are_drained_without_growth(tmp_path: Path) -> None:
    """A probe now and then while it is down; then each event once, in no more memory than before."""
    time = [1_800_000_000.0]
    clock = Clock(lambda: time[0], lambda: time[0])
    async with open_sqlite(tmp_path / "journal.db", clock) as journal:
        bench = Bench(journal, clock, time)
        sink = out()
        await bench.use(sink)
        line = bench.lane(sink)
        line.status = 500
        recorded = []
        async with bench.running():
            for number in range(EVENTS):
                recorded.append(await bench.record("out"))
                bench.later(STEP)
                await bench.journal.ping()
                if number == EVENTS // 6:
                    tracemalloc.start()
            held, _ = tracemalloc.get_traced_memory()
            down = len(line.seen)
            line.seen.clear()
            line.status = 200
            bench.later(61)
            while len(line.seen) < EVENTS:
                bench.later(31)
                await bench.journal.ping()
            await bench.until("out", State.DELIVERED, EVENTS)

        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(
            f"{EVENTS} events waited, {down} tries meanwhile, {held >> 10} KiB held, {after >> 10} KiB after"
        )
        took = Counter(request.body.split()[0].decode() for request in line.seen)
        assert took == Counter(recorded)
        # Each try leaves its request with the far end of this test; what is held beside that is bounded.
        assert down <= HOURS * 3600 / 30 + 10 * 16
        assert held < 8 << 20
        assert after < 8 << 20
