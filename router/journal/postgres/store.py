"""Store: what the four sides of the journal in a database share."""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from router.clock import Clock
from router.journal import side, store
from router.journal.journal import Stock
from router.journal.postgres.connecting import Connection, Url
from router.journal.postgres.days import Days
from router.journal.postgres.hints import Hints
from router.journal.postgres.outlook import Outlook
from router.journal.postgres.presence import Presence, Timing
from router.journal.postgres.reader import Reader
from router.journal.postgres.rows import plain
from router.journal.postgres.text import stored
from router.journal.postgres.work import Cursor, Seen, Written
from router.journal.postgres.writer import Writer
from router.journal.rows import Row
from router.journal.side import T
from router.journal.tally import Moves, Tally


class Opened(msgspec.Struct):
    """What an opening found: a session, the newest id, the whole as it is."""

    connection: Connection
    newest: int
    seen: Seen


class Store(store.Store[Cursor, Written[object]]):
    """What the four sides share here besides.

    Counts, stock and suspects are those of the whole database as of the last beat, with what this router
    changed since.
    """

    def __init__(self, url: Url, listen: Url | None, clock: Clock, timing: Timing, *, may_lose: bool) -> None:
        super().__init__(clock)
        self.url = url
        self.listen = listen
        self.timing = timing
        self.may_lose = may_lose
        self.days = Days()
        self.presence = Presence(timing, clock, self.days, hints=listen is not None)
        self.outlook = Outlook(timing.poll)
        self._hints: Hints | None = None

    def adopt(self, order: Sequence[object], opened: Opened) -> None:
        """Go to work on what an opening found; `order` is that of shared work in a transaction."""
        writer = Writer(
            self.url.connect, opened.connection, self.presence, self._applied, self.alarm.set, order
        )
        self._hints = None if self.listen is None else Hints(self.listen, self.hinted)
        self.begin(Reader(self.url), writer, opened.newest)
        self.see(opened.seen)
        self.outlook.looking(asyncio.get_running_loop().time())

    def see(self, seen: Seen) -> None:
        """Know the whole anew."""
        self.tally = Tally(seen.counts)
        self.stock = self.stock if seen.stock is None else dict(seen.stock)
        self.suspects = seen.suspects
        self.ids.move(seen.node)

    @property
    def own_now(self) -> float | None:
        """The time by which leases end, where it is not the database's."""
        return self.clock.now() if self.timing.own_clock else None

    def hinted(self) -> None:
        """Another router says that something may be due, or changed."""
        self.outlook.hinted()
        self.alarm.set()

    async def close(self) -> None:
        """Finish what waits and close every connection."""
        if self._hints is not None:
            await self._hints.close()
        if self.is_open:
            await self.reader.close()
            await self.writer.close()

    def _applied(self, written: Written[object]) -> None:
        if written.seen is not None:
            self.see(written.seen)
        elif written.moves:
            self.tally.apply(written.moves)
        self.stock.update(written.stock)
        if written.wake:
            self.alarm.set()


class Side(side.Side[Cursor, Written[object]]):
    """One side of the journal."""

    _store: Store

    def _ask(self, cursor: Cursor, sql: str, values: Sequence[object]) -> Sequence[Row]:
        return [plain(row) for row in cursor.execute(sql, [stored(value) for value in values]).fetchall()]

    def _done(self, result: T, moves: Moves, stock: Mapping[str, Stock], *, wake: bool) -> Written[T]:
        return Written(result, moves, stock, wake=wake)
