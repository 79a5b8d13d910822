"""Quarantine on SQLite: what leaves the room on the disk to events, and takes its turn behind them."""

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

import apsw

from router.errors import JournalUnavailable, Unknown
from router.journal.journal import Stock
from router.journal.quarantine import QuarantineSide
from router.journal.rows import Value, request_number
from router.journal.sqlite.statements import statements
from router.journal.sqlite.store import Side
from router.journal.sqlite.writer import Written

_SQL = statements("quarantine")
# What is left on the disk for events: nobody was promised that a refused request is kept.
_SPARE = 64 << 20
# Seconds for which a refused request waits while senders wait for their events.
_YIELD = 1.0


def release(request_id: str, cursor: apsw.Cursor) -> dict[str, Stock]:
    """Delete a refused request that has become an event; what is left of its source.

    Raises:
        Unknown: it is not there; somebody else was faster.
    """
    dropped = _drop([request_number(request_id)], cursor)
    if not dropped:
        raise Unknown(f"no refused request '{request_id}'")
    return _stock_of(dropped, cursor)


def stocks(cursor: apsw.Cursor) -> dict[str, Stock]:
    """What there is of every source."""
    rows = cast(list[tuple[str, int, int]], cursor.execute(_SQL["stocks"]).fetchall())
    return {source: Stock(count, size) for source, count, size in rows}


def _quarantine(
    row: tuple[Value, ...], bounds: tuple[int, int], folder: Path, cursor: apsw.Cursor
) -> Written[None]:
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < _SPARE:
        raise JournalUnavailable("the disk is almost full; what room there is belongs to events")
    cursor.execute(_SQL["insert"], row)
    source = cast(str, row[1])
    stock = _stock_of([source], cursor)[source]
    count, size = stock.count, stock.bytes
    while count > bounds[0] or size > bounds[1]:
        for number, each in cursor.execute(_SQL["oldest"], (source,)).fetchall():
            _drop([cast(int, number)], cursor)
            count, size = count - 1, size - cast(int, each)
    return Written(None, stock={source: Stock(count, size)})


def _drop(numbers: Iterable[int], cursor: apsw.Cursor) -> list[str]:
    return [
        cast(str, source)
        for number in numbers
        for (source,) in cursor.execute(_SQL["drop"], (number,)).fetchall()
    ]


def _stock_of(sources: Iterable[str], cursor: apsw.Cursor) -> dict[str, Stock]:
    return {
        source: Stock(*cast(tuple[int, int], cursor.execute(_SQL["stock"], (source,)).fetchall()[0]))
        for source in set(sources)
    }


class SqliteQuarantine(QuarantineSide[apsw.Cursor, Written[object]], Side):
    """Everything about refused requests."""

    _quarantine_sql = _SQL
    _drop = staticmethod(_drop)
    _stock_of = staticmethod(_stock_of)

    async def _keep(self, row: tuple[Value, ...], bounds: tuple[int, int]) -> None:
        """While nobody waits, or after a second of waiting for that."""
        store = self._store
        await self._lull()
        await store.writer.write(partial(_quarantine, row, bounds, store.path.parent), alone=True)

    async def _lull(self) -> None:
        store = self._store
        with suppress(TimeoutError):
            async with asyncio.timeout(_YIELD):
                while store.asked:
                    store.calm.clear()
                    await store.calm.wait()
