"""How many large bodies are judged in a turn of the loop."""

import asyncio

from router.server.pace import Pace
from tests.waiting import turns

MEGABYTE = 1 << 20


async def begun(pace: Pace, name: str, count: int, order: list[str]) -> None:
    """Wait for a turn, and say so."""
    await pace.turn(count)
    order.append(name)


async def test_turns_pass_between_one_megabyte_and_the_next() -> None:
    """A stranger who comes meanwhile is answered before more than one of them; first come, first served."""
    pace, order = Pace(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(begun(pace, name, MEGABYTE, order))
        for _ in range(3):
            await turns(6)
            order.append("a stranger's turns")
            await turns(4)

    assert order == [each for name in "abc" for each in (name, "a stranger's turns")]


async def test_what_is_small_together_begins_together() -> None:
    """Up to a megabyte and what goes beyond it, also of those who waited."""
    pace, order = Pace(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        for name in "abcdef":
            tasks.create_task(begun(pace, name, MEGABYTE // 2, order))
        await turns(2)
        assert order == ["a", "b"]
        await turns(10)
        assert order == ["a", "b", "c", "d"]

    assert order == list("abcdef")


async def test_turns_pass_one_at_a_time() -> None:
    """However many begin, be it with nothing: turns counted twice would pass too fast, and then for ever."""
    pace, order = Pace(), list[str]()
    await begun(pace, "nothing", 0, order)
    await begun(pace, "a", MEGABYTE, order)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(begun(pace, "b", MEGABYTE, order))
        await turns(6)
        assert order == ["nothing", "a"]


async def test_turns_pass_after_the_last_that_began() -> None:
    """Else a large one could follow upon another that began together with a small one's last turn."""
    pace, order = Pace(), list[str]()
    await begun(pace, "small", 70_000, order)
    await turns(6)
    await begun(pace, "large", MEGABYTE, order)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(begun(pace, "next", MEGABYTE, order))
        await turns(6)
        assert order == ["small", "large"]


async def test_who_comes_later_does_not_begin_first() -> None:
    """Those who waited are given the turn before anybody can ask for it."""
    pace, order = Pace(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(begun(pace, "first", MEGABYTE, order))
        tasks.create_task(begun(pace, "waited", MEGABYTE, order))
        while len(order) < 2:
            tasks.create_task(begun(pace, "late", MEGABYTE, order))
            await turns(1)

    assert order[:2] == ["first", "waited"]


async def test_who_gives_up_holds_nobody_up() -> None:
    """Its turn is the next one's."""
    pace, order = Pace(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(begun(pace, "a", MEGABYTE, order))
        leaving = tasks.create_task(begun(pace, "b", MEGABYTE, order))
        tasks.create_task(begun(pace, "c", MEGABYTE, order))
        await turns(1)
        leaving.cancel()
        await turns(11)
        assert order == ["a", "c"]


async def test_once_the_turns_have_passed_nobody_waits() -> None:
    """What began long ago counts no more."""
    pace, order = Pace(), list[str]()
    for name in "ab":
        await begun(pace, name, 8 * MEGABYTE, order)
        await turns(10)
    await begun(pace, "c", 1, order)

    assert order == ["a", "b", "c"]
