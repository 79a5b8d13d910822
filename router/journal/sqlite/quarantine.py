"""Quarantine on SQLite: refused requests, bounded per source, the oldest falling out first."""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

import apsw
import msgspec

from router.clock import first_id_at, id_text
from router.errors import JournalUnavailable, Unknown
from router.journal.bites import in_bites
from router.journal.journal import Refused, RefusedQuery, Stock
from router.journal.rows import REQUEST, Row, Value, border, request_number
from router.journal.sqlite.statements import statements
from router.journal.sqlite.store import Side
from router.journal.sqlite.writer import Written

_SQL = statements("quarantine")
_TEXTS = msgspec.json.Decoder(dict[str, str])
# What is left on the disk for events: nobody was promised that a refused request is kept.
_SPARE = 64 << 20
_BITE = 100
# Seconds for which senders who wait for their event go first; then it is this one's turn, too.
_YIELD = 1.0

_Row = tuple[int, str, float, int, str, str, str, int]


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
    """Insert a row, then delete its source's oldest beyond the bounds (requests, bytes)."""
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


def _forget(numbers: Sequence[int], cursor: apsw.Cursor) -> Written[int]:
    dropped = _drop(numbers, cursor)
    return Written(len(dropped), stock=_stock_of(dropped, cursor))


def _prune(border: int, limit: int, cursor: apsw.Cursor) -> Written[int]:
    rows = cursor.execute(_SQL["before"], (border, limit)).fetchall()
    return _forget([cast(int, row[0]) for row in rows], cursor)


def _drop(numbers: Iterable[int], cursor: apsw.Cursor) -> list[str]:
    """Delete rows; the source of each that was there."""
    return [
        cast(str, source)
        for number in numbers
        for (source,) in cursor.execute(_SQL["drop"], (number,)).fetchall()
    ]


def _stock_of(sources: Iterable[str], cursor: apsw.Cursor) -> dict[str, Stock]:
    """What there is of these sources."""
    return {
        source: Stock(*cast(tuple[int, int], cursor.execute(_SQL["stock"], (source,)).fetchall()[0]))
        for source in set(sources)
    }


def _row_of(refused: Refused) -> tuple[Value, ...]:
    return (
        request_number(refused.id), refused.source, refused.received_at, refused.verified, refused.reason,
        msgspec.json.encode(refused.signature).decode(), msgspec.json.encode(refused.labels).decode(),
        len(refused.body), refused.body,
    )  # fmt: skip


def _refused_of(values: Row, body: bytes = b"") -> Refused:
    row = cast(_Row, values)
    return Refused(
        id=id_text(REQUEST, row[0]), source=row[1], received_at=row[2], verified=bool(row[3]), reason=row[4],
        signature=_TEXTS.decode(row[5]), labels=_TEXTS.decode(row[6]), size=row[7], body=body,
    )  # fmt: skip


def _page(query: RefusedQuery, before: int, cursor: apsw.Cursor) -> list[Refused]:
    if query.source is None:
        rows = cursor.execute(_SQL["page"], (before, query.limit)).fetchall()
    else:
        rows = cursor.execute(_SQL["page_of"], (before, query.source, query.limit)).fetchall()
    return [_refused_of(row) for row in rows]


def _one(number: int, cursor: apsw.Cursor) -> Refused | None:
    for row in cursor.execute(_SQL["one"], (number,)).fetchall():
        return _refused_of(row[:-1], cast(bytes, row[-1]))
    return None


class SqliteQuarantine(Side):
    """Everything about refused requests."""

    async def quarantine(self, refused: Refused, *, most: int, most_bytes: int) -> None:
        """See `Inbox.quarantine`: while nobody waits, or after a second of waiting for that.

        `ValueError` if the request has no id of the right form.
        """
        row = _row_of(refused)
        if not row[0]:
            raise ValueError(f"'{refused.id}' is not the id of a request")
        if most > 0 and len(refused.body) <= most_bytes:
            store = self._store
            await self._lull()
            work = partial(_quarantine, row, (most, most_bytes), store.path.parent)
            await store.writer.write(work, alone=True)

    async def _lull(self) -> None:
        store = self._store
        with suppress(TimeoutError):
            async with asyncio.timeout(_YIELD):
                while store.asked:
                    store.calm.clear()
                    await store.calm.wait()

    async def quarantined(self, query: RefusedQuery) -> list[Refused]:
        """See `Archive.quarantined`."""
        before = border(request_number, query.before)
        return await self._store.reader.read(partial(_page, query, before))

    async def refused(self, refused_id: str) -> Refused | None:
        """See `Archive.refused`."""
        return await self._store.reader.read(partial(_one, request_number(refused_id)))

    async def forget(self, ids: Sequence[str]) -> int:
        """See `Archive.forget`."""
        return await in_bites(self._store.writer, [request_number(each) for each in ids], _forget, _BITE)

    async def prune_quarantine(self, before: float, limit: int) -> int:
        """See `Upkeep.prune_quarantine`."""
        return await self._store.writer.write(partial(_prune, first_id_at(before), limit))

    def stock(self) -> Mapping[str, Stock]:
        """See `Upkeep.stock`."""
        return {source: stock for source, stock in self._store.stock.items() if stock.count}
