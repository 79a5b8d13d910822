"""The walk through what is old: each event is looked at once a round."""

from router.journal.walk import STEP, Walk, stretch

OLD = 7.0


class Ground:
    """Events with the numbers 1 to `events`; how often they were looked at, and what was to be dropped."""

    def __init__(self, events: int, gone: int = 0) -> None:
        self.events = events
        self.gone = gone
        self.looked: list[int] = []
        self.dropped: list[list[int]] = []

    async def look(self, after: int) -> tuple[list[int], int]:
        """Every second event of the next stretch may go."""
        self.looked.append(after)
        last = min(after + STEP, self.events)
        return stretch([(number, number % 2) for number in range(after + 1, last + 1)], self.events + 1)

    async def drop(self, numbers: list[int]) -> int:
        """Those up to `gone` may not go any more."""
        self.dropped.append(numbers)
        return sum(number > self.gone for number in numbers)

    async def prune(self, walk: Walk, limit: int, before: float = OLD) -> int:
        """One bite."""
        return await walk.prune(before, self.events + 1, limit, self.look, self.drop)


async def test_what_a_stretch_found_is_dropped_in_bites() -> None:
    """It is not looked for again for each of them."""
    ground, walk = Ground(STEP), Walk()

    assert [await ground.prune(walk, 400) for _ in range(4)] == [400, 400, 200, 0]
    assert ground.looked == [0, STEP]
    assert [number for bite in ground.dropped for number in bite] == list(range(1, STEP, 2))


async def test_a_round_goes_on_where_nothing_may_go_any_more() -> None:
    """Somebody asked for those events again; the next ones are another matter."""
    ground, walk = Ground(STEP, gone=1000), Walk()

    assert await ground.prune(walk, 100) == 100
    assert len(ground.dropped) == 6


async def test_a_stretch_without_anything_to_go_is_passed() -> None:
    """What is owed may be older than much that is not."""
    walk, looked = Walk(), list[int]()

    async def look(after: int) -> tuple[list[int], int]:
        looked.append(after)
        return ([after + 1], after + STEP) if after else ([], STEP)

    async def drop(numbers: list[int]) -> int:
        return len(numbers)

    assert await walk.prune(OLD, 2 * STEP, 10, look, drop) == 1
    assert await walk.prune(OLD, 2 * STEP, 10, look, drop) == 0
    assert looked == [0, STEP]


async def test_another_time_is_another_round() -> None:
    """Nothing that was found for the one is dropped for the other."""
    ground, walk = Ground(100), Walk()
    await ground.prune(walk, 10)
    await ground.prune(walk, 10, before=OLD + 1)

    assert ground.looked == [0, 0]
    assert ground.dropped[0] == ground.dropped[1]


async def test_after_its_end_a_round_begins_anew() -> None:
    """Also where the time is the same: more may have become old enough."""
    ground, walk = Ground(10), Walk()
    assert [await ground.prune(walk, 10) for _ in range(2)] == [5, 0]

    assert await ground.prune(walk, 10) == 5
