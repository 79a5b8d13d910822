"""Bites: work on many rows in several short transactions, so that it holds up nobody else's commit.

Must not know what is done to the rows.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from router.journal.group_commit import GroupCommit, Outcome, W

# How many deliveries one transaction moves.
BITE = 1000

C = TypeVar("C")


async def in_bites(
    writer: GroupCommit[C, W],
    numbers: Sequence[int],
    work: Callable[[Sequence[int], C], Outcome[int]],
    bite: int = BITE,
) -> int:
    """Do it to these, so many at a time; the sum of what it came to."""
    total = 0
    for start in range(0, len(numbers), bite):
        total += await writer.write(partial(work, numbers[start : start + bite]))
    return total


async def until_done(writer: GroupCommit[C, W], work: Callable[[C], Outcome[int]], least: int = 1) -> int:
    """Do it again and again, until it finds fewer than `least`; the sum of what it came to."""
    total = 0
    while True:
        count = await writer.write(work)
        total += count
        if count < least:
            return total
