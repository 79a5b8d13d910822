"""Quarantine: refused requests, bounded per source, the oldest falling out first.

Must not know how one is kept within the bounds.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import ClassVar, cast

from router.clock import first_id_at
from router.journal.bites import in_bites
from router.journal.journal import RefusedQuery, RefusedRequest, Stock
from router.journal.pieces import C, Outcome, W
from router.journal.rows import Value, border, refused_of, refused_row, request_number
from router.journal.side import Side

_BITE = 100


class QuarantineSide(Side[C, W]):
    """Everything about refused requests. A backend says how it keeps one, and how it deletes."""

    _quarantine_sql: ClassVar[Mapping[str, str]]

    async def quarantine(self, refused: RefusedRequest, *, most: int, most_bytes: int) -> None:
        """See `Inbox.quarantine`. `ValueError` if the request has no id of the right form."""
        row = refused_row(refused)
        if not row[0]:
            raise ValueError(f"'{refused.id}' is not the id of a request")
        if most > 0 and len(refused.body) <= most_bytes:
            await self._keep(row, (most, most_bytes))

    async def quarantined(self, query: RefusedQuery) -> list[RefusedRequest]:
        """See `Archive.quarantined`."""
        before = border(request_number, query.before)
        if query.source is None:
            return await self._read(refused_of, self._quarantine_sql["page"], [before, query.limit])
        return await self._read(
            refused_of, self._quarantine_sql["page_of"], [before, query.source, query.limit]
        )

    async def refused(self, refused_id: str) -> RefusedRequest | None:
        """See `Archive.refused`."""
        found = await self._read(refused_of, self._quarantine_sql["one"], [request_number(refused_id)])
        return found[0] if found else None

    async def forget(self, ids: Sequence[str]) -> int:
        """See `Archive.forget`."""
        return await in_bites(self._store.writer, [request_number(each) for each in ids], self._forget, _BITE)

    async def prune_quarantine(self, before: float, limit: int) -> int:
        """See `Upkeep.prune_quarantine`."""
        return await self._store.writer.write(partial(self._prune, first_id_at(before), limit))

    def stock(self) -> Mapping[str, Stock]:
        """See `Upkeep.stock`."""
        return {source: stock for source, stock in self._store.stock.items() if stock.count}

    def _prune(self, border: int, limit: int, cursor: C) -> Outcome[int]:
        rows = self._ask(cursor, self._quarantine_sql["before"], [border, limit])
        return self._forget([cast(int, row[0]) for row in rows], cursor)

    def _forget(self, numbers: Sequence[int], cursor: C) -> Outcome[int]:
        dropped = self._drop(numbers, cursor)
        return self._done(len(dropped), {}, self._stock_of(dropped, cursor), wake=False)

    @abstractmethod
    async def _keep(self, row: tuple[Value, ...], bounds: tuple[int, int]) -> None:
        """Insert a row, then delete its source's oldest beyond the bounds (requests, bytes)."""

    @abstractmethod
    def _drop(self, numbers: Sequence[int], cursor: C) -> list[str]:
        """Delete rows; the source of each that was there."""

    @abstractmethod
    def _stock_of(self, sources: Iterable[str], cursor: C) -> dict[str, Stock]:
        """What there is of these sources."""
