"""A deadline: whoever is late learns it, whoever is not pays nothing."""

import asyncio

import pytest
from anyio.lowlevel import checkpoint

from router.deadline import Deadline


async def never() -> None:
    """Waits for ever."""
    await asyncio.get_running_loop().create_future()


async def waiting(deadline: Deadline) -> None:
    """Waits for ever, as far as it may."""
    with deadline:
        await never()


async def test_what_lasts_too_long_is_a_timeout() -> None:
    """As with `asyncio.timeout`; the task is not left cancelled."""
    deadline = Deadline(0.01)
    with pytest.raises(TimeoutError):
        await waiting(deadline)

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_one_timer_interrupts_every_task_in_its_turn() -> None:
    """Those that began later end later, and those that are out are left alone."""
    deadline, order = Deadline(0.05), []
    begun = asyncio.Event()

    async def late(name: str) -> None:
        begun.set()
        with pytest.raises(TimeoutError):
            await waiting(deadline)
        order.append(name)

    async def in_time() -> None:
        with deadline:
            await checkpoint()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(late("first"))
        await begun.wait()
        await in_time()
        loop = asyncio.get_running_loop()
        passed = loop.create_future()
        loop.call_later(0.02, passed.set_result, None)
        await passed
        tasks.create_task(late("second"))

    assert order == ["first", "second"]


async def test_a_cancelled_task_is_cancelled_and_not_late() -> None:
    """Also where both come at once."""
    deadline = Deadline(0.0)

    async def cancelled() -> None:
        with deadline:
            await never()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(cancelled())
        await checkpoint()
        task.cancel()

    assert task.cancelled()


async def test_both_at_once_is_a_cancellation() -> None:
    """The timer came first, but the task has not run since."""
    deadline = Deadline(0.0)
    begun, outcome = asyncio.Event(), []

    async def both() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        try:
            with deadline:
                # The timer is due at once; this runs behind it, before the task.
                loop.call_later(0.0, task.cancel)
                begun.set()
                await never()
        except asyncio.CancelledError:
            outcome.append("cancelled")
            raise

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(both())
        await begun.wait()

    assert outcome == ["cancelled"]


async def test_an_error_inside_goes_its_way() -> None:
    """It is neither hidden nor renamed, also when it is raised because of the interruption."""
    deadline = Deadline(0.01)

    async def mistaken() -> None:
        with deadline:
            raise KeyError

    async def stubborn() -> None:
        with deadline:
            try:
                await never()
            except asyncio.CancelledError:
                raise LookupError from None

    with pytest.raises(KeyError):
        await mistaken()
    with pytest.raises(LookupError):
        await stubborn()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_deadline_needs_a_task() -> None:
    """In a callback of the loop there is nothing to interrupt."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[str] = loop.create_future()

    def callback() -> None:
        try:
            with Deadline(1.0):
                pass
        except RuntimeError as error:
            outcome.set_result(str(error))

    loop.call_soon(callback)

    assert await outcome == "a deadline needs a task that it can interrupt"
