"""The whole schedule, in hours that a test lets pass."""

from pathlib import Path

from router.clock import Clock
from router.delivery import State
from router.journal.sqlite import open_sqlite
from router.retry import RetryPolicy
from tests.dispatch.dispatching import Bench, out

START = 1_800_000_000.0


async def test_a_failing_delivery_is_tried_ten_times_in_75_hours_and_then_is_dead(tmp_path: Path) -> None:
    """Each attempt at its time and none before, though every one is made by another process."""
    time = [START]
    clock = Clock(lambda: time[0], lambda: time[0])
    sink = out()
    attempts: list[tuple[str, float]] = []
    for step in (0.0, *RetryPolicy().schedule):
        async with open_sqlite(tmp_path / "journal.db", clock) as journal:
            bench = Bench(journal, clock, time)
            line = bench.lane(sink)
            line.status = 500
            await bench.use(sink)
            if not attempts:
                await bench.record("out")
            async with bench.running():
                if step:
                    bench.later(step - 1)
                    await bench.chance()
                    assert line.seen == []
                    bench.later(1)
                await line.asked(1)
                attempts.append((line.seen[0].headers["attempt"], time[0] - START))
                await bench.until("out", State.DEAD if len(attempts) == 10 else State.PENDING)
                if len(attempts) == 10:
                    bench.later(1e6)
                    await bench.chance()
                assert len(line.seen) == 1

    hours = [0, 5, 305, 2105, 9305, 27305, 63305, 113705, 185705, 272105]
    assert attempts == [(str(number), float(at)) for number, at in enumerate(hours, 1)]
    assert hours[-1] == RetryPolicy().span
