"""Store: what the four sides of the journal in a file share."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

import apsw
import msgspec

from router.clock import FAR, Clock
from router.delivery import State
from router.errors import JournalError
from router.journal import side, store
from router.journal.journal import Stock
from router.journal.rows import Row, Value
from router.journal.side import T
from router.journal.slots import Slots
from router.journal.sqlite.agenda import Agenda
from router.journal.sqlite.lock import Lock
from router.journal.sqlite.reader import Reader
from router.journal.sqlite.setting import set_ahead
from router.journal.sqlite.writer import Writer, Written
from router.journal.tally import Moves, Tally


class Opened(msgspec.Struct):
    """What an opening found: the lock, two connections, the newest id, the counts; is there any suspect."""

    lock: Lock
    writing: apsw.Connection
    reading: apsw.Connection
    newest: int
    counts: list[tuple[str, State, int]]
    suspects: bool
    stock: dict[str, Stock]


class Store(store.Store[apsw.Cursor, Written[object]]):
    """What the four sides share here besides.

    Suspects only an opening can find. `asked`: how many senders wait for their event to be recorded; `calm`
    is set when none does any more. `slots` is the dispatcher's standing offer. `configuration` is the digest
    of what is in force, for people.
    """

    def __init__(self, path: Path, vfs: str | None, clock: Clock) -> None:
        super().__init__(clock)
        self.path = path.resolve()
        self.vfs = vfs
        self.agenda = Agenda()
        self.slots: Slots | None = None
        self.configuration = ""
        self.asked = 0
        self.calm = asyncio.Event()
        self._lock: Lock | None = None

    def adopt(self, opened: Opened) -> None:
        """Go to work on what an opening found."""
        self.tally = Tally(opened.counts)
        self.agenda = Agenda(self.tally.waiting())
        self.stock = opened.stock
        self.suspects = opened.suspects
        writer = Writer(opened.writing, self._applied, partial(self._ended, opened.lock))
        self.begin(Reader(opened.reading), writer, opened.newest)
        self._lock = opened.lock

    async def close(self) -> None:
        """Finish what waits and close both connections; the writing one last, for it empties the WAL."""
        if self._lock is not None:
            await self.reader.close()
            if self.clock.apart() > FAR:
                work = partial(set_ahead, self.clock.apart(), self.opened_at, self.clock.now())
                # Nothing more can be written; what this would have put right may be found too old.
                with suppress(JournalError):
                    await self.writer.write(work)
            await self.writer.close()
            self._lock.release()

    def _applied(self, written: Written[object]) -> None:
        # One in flight may come back untried.
        if written.cleared and not self.tally.in_flight:
            self.suspects = False
        if written.moves:
            self.tally.apply(written.moves)
        if written.moves or written.due or written.left:
            self.agenda.apply(written.moves, written.due, written.left)
        self.stock.update(written.stock)
        if written.wake:
            self.alarm.set()

    def _ended(self, lock: Lock) -> None:
        lock.suspect()
        self.alarm.set()


class Side(side.Side[apsw.Cursor, Written[object]]):
    """One side of the journal."""

    _store: Store

    def _ask(self, cursor: apsw.Cursor, sql: str, values: Sequence[object]) -> Sequence[Row]:
        return cursor.execute(sql, cast(Sequence[Value], values)).fetchall()

    def _done(self, result: T, moves: Moves, stock: Mapping[str, Stock], *, wake: bool) -> Written[T]:
        return Written(result, moves, stock, wake=wake)
