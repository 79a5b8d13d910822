"""Upkeep: old rulesets and overdue deliveries, and what is known of the whole.

Must not know how anything is deleted, or how a copy is made.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import ClassVar, cast

from router.delivery import State
from router.journal import rulesets
from router.journal.pieces import C, Outcome, W
from router.journal.rows import text_of
from router.journal.side import Side
from router.journal.store import Store
from router.journal.walk import Walk


class UpkeepSide(Side[C, W]):
    """The house-keeping side. A backend says how it looks for old things, and deletes them."""

    _upkeep_sql: ClassVar[Mapping[str, str]]

    def __init__(self, store: Store[C, W]) -> None:
        super().__init__(store)
        self._walk = Walk()
        self._backing_up = asyncio.Lock()

    async def prune_rulesets(self, before: float) -> int:
        """See `Upkeep.prune_rulesets`. Events are looked at with the reading side."""
        old = await self._read(text_of, self._upkeep_sql["not_remembered"], [before])
        gone = await rulesets.unnamed(old, self._named)
        return await self._store.writer.write(partial(self._drop_rulesets, gone, before)) if gone else 0

    async def _named(self, after: int) -> tuple[list[str], int | None]:
        """The rulesets that the next so many events name; and how far it looked."""
        rows = await self._read(tuple, self._upkeep_sql["named"], [after, rulesets.STRETCH])
        return rulesets.stretch(cast(list[tuple[str, int, int]], rows))

    async def expire(self, sinks: Collection[str], before: float, limit: int) -> int:
        """See `Upkeep.expire`."""
        expired = 0
        for sink in self._store.tally.waiting():
            if sink not in sinks and expired < limit:
                reason = f"expired: no sink '{sink}' is configured"
                expired += await self.outdate(sink, before, limit - expired, reason)
        return expired

    def counts(self) -> Mapping[tuple[str, State], int]:
        """See `Upkeep.counts`."""
        return self._store.tally.snapshot()

    @property
    def broken(self) -> str | None:
        """See `Upkeep.broken`."""
        return self._store.writer.broken if self._store.is_open else None

    @abstractmethod
    async def outdate(self, sink: str, before: float, limit: int, reason: str) -> int:
        """See `Upkeep.outdate`."""

    @abstractmethod
    def _drop_rulesets(self, digests: Sequence[str], before: float, cursor: C) -> Outcome[int]:
        """Delete these, unless one was remembered since it was looked at; how many."""
