"""Waiting without a clock: for what a test can only look at, and for what is ready to have run."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.lowlevel

LIMIT = 60.0
# In our own loop a condition comes true within some turns. Waiting for others longer than that must not
# take the processor from them.
_TURNS = 200
_LOOK_AGAIN = 0.005

T = TypeVar("T")


async def until(condition: Callable[[], bool], limit: float = LIMIT) -> None:
    """Look again and again until it is true; TimeoutError after so many seconds."""
    async with asyncio.timeout(limit):
        turn = 0
        while not condition():
            turn += 1
            await (anyio.lowlevel.checkpoint() if turn < _TURNS else anyio.sleep(_LOOK_AGAIN))


async def answered(ask: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], limit: float = LIMIT) -> T:
    """Ask again and again until the answer is as wanted; TimeoutError after so many seconds."""
    async with asyncio.timeout(limit):
        while not wanted(answer := await ask()):
            await anyio.lowlevel.checkpoint()
    return answer


async def turns(count: int = 10) -> None:
    """Let everything run that is ready, and what that makes ready, some times over."""
    for _ in range(count):
        await anyio.lowlevel.checkpoint()
