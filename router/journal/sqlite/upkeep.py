"""Upkeep on SQLite: retention in small bites, backup, counts, the health check."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

import anyio.to_thread
import apsw

from router import __version__
from router.clock import first_id_at
from router.errors import JournalBroken, JournalUnavailable
from router.journal.fleet import RouterMark, own_name
from router.journal.sqlite.copy import UNSYNCED, Copy
from router.journal.sqlite.moves import bury
from router.journal.sqlite.pruning import prune
from router.journal.sqlite.statements import statements
from router.journal.sqlite.store import Side
from router.journal.sqlite.writer import Writer, Written
from router.journal.upkeep import UpkeepSide
from router.journal.walk import STEP, stretch

_SQL = statements("upkeep")


def _walk(after: int, border: int, before: float, cursor: apsw.Cursor) -> tuple[list[int], int]:
    """The events that may go, of the next so many; and how far it looked, `border` at most."""
    rows = cast(list[tuple[int, int]], cursor.execute(_SQL["walk"], (after, border, before, STEP)).fetchall())
    return stretch(rows, border)


def _drop_rulesets(digests: Sequence[str], before: float, cursor: apsw.Cursor) -> Written[int]:
    """Delete these, unless one was remembered since it was looked at; how many."""
    found = [cursor.execute(_SQL["drop_ruleset"], (digest, before)).fetchall() for digest in digests]
    return Written(sum(map(len, found)))


def _older(sink: str, before: float, limit: int, cursor: apsw.Cursor) -> list[int]:
    rows = cursor.execute(_SQL["older"], (sink, before, limit)).fetchall()
    return [cast(int, row[0]) for row in rows]


def _bury_older(
    numbers: Sequence[int], before: float, reason: str, now: float, cursor: apsw.Cursor
) -> Written[int]:
    """Bury these, unless one was requeued since it was looked at: it counts as created anew."""
    still = [number for number in numbers if cursor.execute(_SQL["still_older"], (number, before)).get]
    return bury(still, reason, now, cursor)


def _ping(now: float, cursor: apsw.Cursor) -> Written[None]:
    cursor.execute(_SQL["ping"], (now,))
    return Written(None)


class SqliteUpkeep(UpkeepSide[apsw.Cursor, Written[object]], Side):
    """The house-keeping side."""

    _upkeep_sql = _SQL
    _drop_rulesets = staticmethod(_drop_rulesets)

    async def prune(self, before: float, limit: int) -> int:
        """See `Upkeep.prune`. What may go is looked for with the reading connection, in short stretches."""
        store = self._store
        border = first_id_at(before)
        return await self._walk.prune(
            before,
            border,
            limit,
            lambda after: store.reader.read(partial(_walk, after, border, before)),
            lambda numbers: store.writer.write(partial(prune, numbers, before)),
        )

    async def outdate(self, sink: str, before: float, limit: int, reason: str) -> int:
        """See `Upkeep.outdate`."""
        store = self._store
        # The reading connection looks: a long queue of young ones must not hold up anybody's commit.
        found = await store.reader.read(partial(_older, sink, before, limit))
        work = partial(_bury_older, found, before, reason, store.clock.now())
        return await store.writer.write(work) if found else 0

    async def ping(self) -> None:
        """See `Upkeep.ping`."""
        await self._store.writer.write(partial(_ping, self._store.clock.now()))

    async def backup(self, path: str) -> None:
        """See `Upkeep.backup`. One at a time, in steps between which the writer goes on."""
        copy = Copy(Path(path), self._store.vfs)
        async with self._backing_up:
            try:
                await anyio.to_thread.run_sync(copy.begin)
                await self._fill(copy)
                await anyio.to_thread.run_sync(copy.complete)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(copy.close)

    async def _fill(self, copy: Copy) -> None:
        writer = cast(Writer, self._store.writer)
        try:
            while not await writer.beside(partial(copy.step, writer.connection)):
                # Now and then, or all of it would go to the disk at once, in the way of commits.
                if copy.unsynced >= UNSYNCED:
                    await anyio.to_thread.run_sync(copy.sync)
        finally:
            with anyio.CancelScope(shield=True), suppress(JournalUnavailable, JournalBroken):
                # A writer that has ended has closed its connection, and with it the copying.
                await writer.beside(partial(copy.leave, writer.connection))

    async def introduce(self, configuration: str) -> None:
        """See `Upkeep.introduce`."""
        self._store.configuration = configuration

    def routers(self) -> list[RouterMark]:
        """See `Upkeep.routers`: this one, the file's lock keeps others out."""
        store = self._store
        if not store.is_open:
            return []
        return [
            RouterMark(
                name=own_name(), version=__version__, node=0, configuration=store.configuration,
                started=store.opened_at, seen=store.clock.now(), live=True, own=True,
            )
        ]  # fmt: skip
