"""Quarantine on PostgreSQL: a source's bounds are kept by one router at a time."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import cast

from router.errors import Unknown
from router.journal.journal import Stock
from router.journal.postgres.rows import plain
from router.journal.postgres.store import Side
from router.journal.postgres.text import read, stored
from router.journal.postgres.work import Cursor, Written
from router.journal.quarantine import QuarantineSide
from router.journal.rows import Value, request_number
from router.journal.statements import statements

_SQL = statements("postgres", "quarantine")


def release(request_id: str, cursor: Cursor) -> dict[str, Stock]:
    """Delete a refused request that has become an event; what is left of its source.

    Raises:
        Unknown: it is not there; somebody else was faster.
    """
    dropped = _drop([request_number(request_id)], cursor)
    if not dropped:
        raise Unknown(f"no refused request '{request_id}'")
    return _stock_of(dropped, cursor)


def _quarantine(row: Sequence[Value], bounds: tuple[int, int], cursor: Cursor) -> Written[None]:
    source = cast(str, row[1])
    # One router at a time, or two would each find the source within its bounds.
    cursor.execute(_SQL["lock"], (stored(source),))
    cursor.execute(_SQL["insert"], [stored(value) for value in row])
    cursor.execute(_SQL["beyond"], (stored(source), *bounds))
    return Written(None, stock=_stock_of([source], cursor))


def _drop(numbers: Sequence[int], cursor: Cursor) -> list[str]:
    rows = cursor.execute(_SQL["drop"], (list(numbers),)).fetchall() if numbers else []
    return [cast(str, read(row[0])) for row in rows]


def _stock_of(sources: Iterable[str], cursor: Cursor) -> dict[str, Stock]:
    wanted = dict.fromkeys(sources, Stock())
    if wanted:
        for row in cursor.execute(_SQL["stock"], ([stored(source) for source in wanted],)).fetchall():
            source, count, size = cast(tuple[str, int, int], plain(row))
            wanted[source] = Stock(count, size)
    return wanted


class PostgresQuarantine(QuarantineSide[Cursor, Written[object]], Side):
    """Everything about refused requests."""

    _quarantine_sql = _SQL
    _drop = staticmethod(_drop)
    _stock_of = staticmethod(_stock_of)

    async def _keep(self, row: Sequence[Value], bounds: tuple[int, int]) -> None:
        await self._store.writer.write(partial(_quarantine, row, bounds), alone=True)
