"""Quarantine on PostgreSQL: refused requests, bounded per source, the oldest falling out first."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import cast

import msgspec

from router.clock import first_id_at, id_text
from router.errors import Unknown
from router.journal.bites import in_bites
from router.journal.journal import Refused, RefusedQuery, Stock
from router.journal.postgres.rows import plain
from router.journal.postgres.store import Side
from router.journal.postgres.text import read, stored
from router.journal.postgres.work import Cursor, Written
from router.journal.rows import REQUEST, border, request_number
from router.journal.statements import statements

_SQL = statements("postgres", "quarantine")
_TEXTS = msgspec.json.Decoder(dict[str, str])
_BITE = 100

_Row = tuple[int, str, float, bool, str, str, str, int]


def release(request_id: str, cursor: Cursor) -> dict[str, Stock]:
    """Delete a refused request that has become an event; what is left of its source.

    Raises:
        Unknown: it is not there; somebody else was faster.
    """
    dropped = _drop([request_number(request_id)], cursor)
    if not dropped:
        raise Unknown(f"no refused request '{request_id}'")
    return _stock_of(dropped, cursor)


def _quarantine(row: Sequence[object], bounds: tuple[int, int], cursor: Cursor) -> Written[None]:
    """Insert a row, then delete its source's oldest beyond the bounds (requests, bytes)."""
    # One router at a time, or two would each find the source within its bounds.
    cursor.execute(_SQL["lock"], (row[1],))
    cursor.execute(_SQL["insert"], row)
    cursor.execute(_SQL["beyond"], (row[1], *bounds))
    return Written(None, stock=_stock_of([cast(str, read(row[1]))], cursor))


def _forget(numbers: Sequence[int], cursor: Cursor) -> Written[int]:
    dropped = _drop(numbers, cursor)
    return Written(len(dropped), stock=_stock_of(dropped, cursor))


def _prune(border: int, limit: int, cursor: Cursor) -> Written[int]:
    rows = cursor.execute(_SQL["before"], (border, limit)).fetchall()
    return _forget([cast(int, row[0]) for row in rows], cursor)


def _drop(numbers: Sequence[int], cursor: Cursor) -> list[str]:
    """Delete rows; the source of each that was there."""
    rows = cursor.execute(_SQL["drop"], (list(numbers),)).fetchall() if numbers else []
    return [cast(str, read(row[0])) for row in rows]


def _stock_of(sources: Iterable[str], cursor: Cursor) -> dict[str, Stock]:
    """What there is of these sources."""
    wanted = dict.fromkeys(sources, Stock())
    if wanted:
        for row in cursor.execute(_SQL["stock"], ([stored(source) for source in wanted],)).fetchall():
            source, count, size = cast(tuple[str, int, int], plain(row))
            wanted[source] = Stock(count, size)
    return wanted


def _row_of(refused: Refused) -> list[object]:
    row = (
        request_number(refused.id), refused.source, float(refused.received_at), refused.verified,
        refused.reason,
        msgspec.json.encode(refused.signature).decode(), msgspec.json.encode(refused.labels).decode(),
        len(refused.body), refused.body,
    )  # fmt: skip
    return [stored(value) for value in row]


def _refused_of(values: Sequence[object], body: bytes = b"") -> Refused:
    row = cast(_Row, plain(values))
    return Refused(
        id=id_text(REQUEST, row[0]), source=row[1], received_at=row[2], verified=row[3], reason=row[4],
        signature=_TEXTS.decode(row[5]), labels=_TEXTS.decode(row[6]), size=row[7], body=body,
    )  # fmt: skip


def _page(query: RefusedQuery, before: int, cursor: Cursor) -> list[Refused]:
    if query.source is None:
        rows = cursor.execute(_SQL["page"], (before, query.limit)).fetchall()
    else:
        rows = cursor.execute(_SQL["page_of"], (before, stored(query.source), query.limit)).fetchall()
    return [_refused_of(row) for row in rows]


def _one(number: int, cursor: Cursor) -> Refused | None:
    for row in cursor.execute(_SQL["one"], (number,)).fetchall():
        return _refused_of(row[:-1], bytes(cast(bytes, row[-1])))
    return None


class PostgresQuarantine(Side):
    """Everything about refused requests."""

    async def quarantine(self, refused: Refused, *, most: int, most_bytes: int) -> None:
        """See `Inbox.quarantine`. `ValueError` if the request has no id of the right form."""
        row = _row_of(refused)
        if not row[0]:
            raise ValueError(f"'{refused.id}' is not the id of a request")
        if most > 0 and len(refused.body) <= most_bytes:
            await self._store.writer.write(partial(_quarantine, row, (most, most_bytes)), alone=True)

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
