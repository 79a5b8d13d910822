"""Bites: work on many rows in several short transactions, so that it holds up nobody else's commit.

Must not know what is done to the rows.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar, cast

from router.errors import Halfway, JournalUnavailable
from router.journal.group_commit import GroupCommit
from router.journal.pieces import Outcome, W

# How many deliveries one transaction moves.
BITE = 1000

C = TypeVar("C")
T = TypeVar("T")


async def in_bites(
    writer: GroupCommit[C, W],
    numbers: Sequence[int],
    work: Callable[[Sequence[int], C], Outcome[int]],
    bite: int = BITE,
) -> int:
    """Do it to these, so many at a time; the sum of what it came to.

    Raises:
        Halfway: the journal cannot write now, and something was done before.
    """
    total = 0
    for start in range(0, len(numbers), bite):
        total += await _next(writer, partial(work, numbers[start : start + bite]), total)
    return total


async def until_done(writer: GroupCommit[C, W], work: Callable[[C], Outcome[int]], least: int = 1) -> int:
    """Do it again and again, until it finds fewer than `least`; the sum of what it came to.

    Raises:
        Halfway: as `in_bites`.
    """
    total = 0
    while True:
        count = await _next(writer, work, total)
        total += count
        if count < least:
            return total


async def onward(writer: GroupCommit[C, W], work: Callable[[int, C], Outcome[tuple[int, int | None]]]) -> int:
    """Do it to what is behind an id, 0 at first, until it says no further one; the sum of what it came to.

    Raises:
        Halfway: as `in_bites`.
    """
    total, after = 0, cast(int | None, 0)
    while after is not None:
        count, after = await _next(writer, partial(work, after), total)
        total += count
    return total


async def _next(writer: GroupCommit[C, W], work: Callable[[C], Outcome[T]], done: int) -> T:
    """One bite, after so much was done."""
    try:
        return await writer.write(work)
    except JournalUnavailable as error:
        if done:
            raise Halfway(error, done) from error
        raise
