"""Upkeep on PostgreSQL: retention by whole days where that is possible, backup, counts, the health check."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import anyio.to_thread

from router.clock import first_id_at
from router.delivery import State
from router.journal.fleet import RouterMark
from router.journal.postgres.backup import back_up
from router.journal.postgres.days import drop, lock
from router.journal.postgres.moves import bury_of
from router.journal.postgres.outlook import introduce
from router.journal.postgres.store import Side
from router.journal.postgres.text import read
from router.journal.postgres.work import Cursor, Written
from router.journal.statements import statements
from router.journal.tally import Moves
from router.journal.upkeep import UpkeepSide
from router.journal.walk import STEP, stretch

_SQL = statements("postgres", "upkeep")

_Day = tuple[int, int]


def _whole_days(before: float, cursor: Cursor) -> list[_Day]:
    """The days, by their first id and the one past their last, of which nothing need be kept."""
    days = cast(list[_Day], cursor.execute(_SQL["days"], (first_id_at(before),)).fetchall())
    return [day for day in days if not _is_kept(day, before, cursor)]


def _is_kept(day: _Day, before: float, cursor: Cursor) -> bool:
    values = {"first": day[0], "past": day[1], "before": before}
    return bool(cursor.execute(_SQL["kept"], values).fetchall()[0][0])


def _drop_day(day: _Day, before: float, cursor: Cursor) -> Written[int]:
    """Drop a day unless something came up since it was looked at; returns how many events it had.

    Gives up where somebody reads it, a backup for example: while this waits, nobody could record.
    """
    cursor.execute(_SQL["briefly"])
    lock(day[0], cursor)
    if _is_kept(day, before, cursor):
        return Written(0)
    moves = _counted(cursor.execute(_SQL["owed"], day).fetchall())
    held = cast(int, cursor.execute(_SQL["held"], day).fetchall()[0][0])
    cursor.execute(_SQL["forget_seen"], day)
    cursor.execute(_SQL["forget_latest"], day)
    drop(day[0], cursor)
    return Written(held, moves)


def _counted(rows: Sequence[tuple[object, ...]]) -> Moves:
    """How the counts change when these (sink, state, count) are deleted."""
    return {
        (cast(str, read(sink)), State(cast(str, state))): -cast(int, count) for sink, state, count in rows
    }


def _walk(after: int, border: int, before: float, cursor: Cursor) -> tuple[list[int], int]:
    """The events that may go, of the next so many; and how far it looked, `border` at most."""
    values = {"after": after, "border": border, "before": before, "limit": STEP}
    rows = cast(list[tuple[int, bool]], cursor.execute(_SQL["walk"], values).fetchall())
    return stretch(rows, border)


def _prune(numbers: Sequence[int], before: float, cursor: Cursor) -> Written[int]:
    """Delete events with all that belongs to them, unless one was requeued since it was looked at."""
    # Held first and looked at afterwards: what somebody else did to them until then is seen.
    cursor.execute(_SQL["hold"], (list(numbers),))
    values = {"ids": list(numbers), "before": before}
    doomed = [row[0] for row in cursor.execute(_SQL["doomed"], values).fetchall()]
    if not doomed:
        return Written(0)
    moves = _counted(cursor.execute(_SQL["drop_rows"], {"ids": doomed}).fetchall())
    cursor.execute(_SQL["drop_latest"], (doomed,))
    cursor.execute(_SQL["drop_events"], (doomed,))
    return Written(len(doomed), moves)


def _drop_rulesets(digests: Sequence[str], before: float, cursor: Cursor) -> Written[int]:
    """Delete these, unless one was remembered since it was looked at; how many."""
    return Written(len(cursor.execute(_SQL["drop_rulesets"], (list(digests), before)).fetchall()))


class PostgresUpkeep(UpkeepSide[Cursor, Written[object]], Side):
    """The house-keeping side."""

    _upkeep_sql = _SQL
    _drop_rulesets = staticmethod(_drop_rulesets)

    async def prune(self, before: float, limit: int) -> int:
        """See `Upkeep.prune`. A day of which nothing is owed is dropped whole, however much that is.

        Events of other days go one by one, once their day had its chance to be dropped.
        """
        store = self._store
        for day in await store.reader.read(partial(_whole_days, before)):
            if dropped := await store.writer.write(partial(_drop_day, day, before), alone=True):
                return dropped
        border = first_id_at(before - store.timing.grain)
        return await self._walk.prune(
            before,
            border,
            limit,
            lambda after: store.reader.read(partial(_walk, after, border, before)),
            lambda numbers: store.writer.write(partial(_prune, numbers, before), alone=True),
        )

    async def outdate(self, sink: str, before: float, limit: int, reason: str) -> int:
        """See `Upkeep.outdate`."""
        work = partial(bury_of, sink, before, limit, reason, self._store.clock.now())
        return await self._store.writer.write(work) if sink in self._store.tally.waiting() else 0

    async def ping(self) -> None:
        """See `Upkeep.ping`."""
        store = self._store
        await store.writer.write(partial(_ping, store.presence.node, store.clock.now()))

    async def backup(self, path: str) -> None:
        """See `Upkeep.backup`. The copy is a journal of SQLite, to be opened on a single host.

        One at a time: the second to the same file is refused before it has read the whole journal.
        """
        async with self._backing_up:
            await anyio.to_thread.run_sync(back_up, self._store.url, Path(path))

    async def introduce(self, configuration: str) -> None:
        """See `Upkeep.introduce`."""
        presence = self._store.presence
        presence.configuration = configuration
        await self._store.writer.write(partial(introduce, presence.number, configuration))

    def routers(self) -> list[RouterMark]:
        """See `Upkeep.routers`. One that died is among them until another has taken over from it."""
        return [*self._store.outlook.routers]


def _ping(node: int, now: float, cursor: Cursor) -> Written[None]:
    cursor.execute(_SQL["ping"], (node, now))
    return Written(None)
