"""Store: what the four sides of the journal share, and the memory of recent events."""

import asyncio
from functools import partial
from pathlib import Path

import apsw
import msgspec

from router.clock import Clock, Ids
from router.delivery import State
from router.errors import JournalUnavailable
from router.event import Event
from router.journal.journal import Slots, Stock
from router.journal.sqlite.agenda import Agenda
from router.journal.sqlite.lock import Lock
from router.journal.sqlite.reader import Reader
from router.journal.sqlite.writer import Writer, Written
from router.journal.tally import Tally

_MOST_BYTES = 4 << 20
# What an event weighs beside its body.
_OVERHEAD = 2048


class Recent:
    """Events recorded a moment ago, so that a claim need not read them; for the writer's thread only."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._events: dict[int, Event] = {}

    def keep(self, number: int, event: Event) -> None:
        """Remember an event, and forget the oldest ones beyond the bound."""
        self._forget(number)
        # A copy without what the rules decoded of the payload: that is many times its size.
        self._events[number] = msgspec.structs.replace(event)
        self._bytes += len(event.payload) + _OVERHEAD
        while self._bytes > self._most:
            self._forget(next(iter(self._events)))

    def _forget(self, number: int) -> None:
        known = self._events.pop(number, None)
        if known is not None:
            self._bytes -= len(known.payload) + _OVERHEAD

    def get(self, number: int) -> Event | None:
        """The event, if it is still remembered."""
        return self._events.get(number)


class Opened(msgspec.Struct):
    """What an opening found: the lock, two connections, the newest id, the counts; is there any suspect."""

    lock: Lock
    writing: apsw.Connection
    reading: apsw.Connection
    newest: int
    counts: list[tuple[str, State, int]]
    suspects: bool
    stock: dict[str, Stock]


class _Parts(msgspec.Struct, frozen=True):
    """What only an open journal has."""

    reader: Reader
    writer: Writer
    lock: Lock


class Store:
    """The parts of a journal, which may have to wait for its opening.

    `alarm` is set when something may have become due. `suspects`: whether any delivery was in flight at two
    crashes or more, which only an opening can find. `trouble`: why it is not open yet. `asked`: how many
    senders wait for their event to be recorded; `calm` is set when none does any more. `slots` is the
    dispatcher's standing offer. `configuration` is the digest of what is in force, for people.
    """

    def __init__(self, path: Path, vfs: str | None, clock: Clock) -> None:
        self.path = path.resolve()
        self.vfs = vfs
        self.clock = clock
        self.ids = Ids(clock)
        self.tally = Tally(())
        self.agenda = Agenda()
        self.slots: Slots | None = None
        self.stock: dict[str, Stock] = {}
        self.suspects = False
        self.configuration = ""
        self.opened_at = 0.0
        self.alarm = asyncio.Event()
        self.recent = Recent()
        self.asked = 0
        self.calm = asyncio.Event()
        self.trouble = "the journal is not open"
        self._parts: _Parts | None = None

    def adopt(self, opened: Opened) -> None:
        """Go to work on what an opening found."""
        self.ids.follow(opened.newest)
        self.opened_at = self.clock.now()
        self.tally = Tally(opened.counts)
        self.agenda = Agenda(self.tally.waiting())
        self.stock = opened.stock
        self.suspects = opened.suspects
        writer = Writer(opened.writing, self._applied, partial(self._ended, opened.lock))
        self._parts = _Parts(Reader(opened.reading), writer, opened.lock)
        self.alarm.set()

    @property
    def is_open(self) -> bool:
        """Whether an opening succeeded."""
        return self._parts is not None

    @property
    def reader(self) -> Reader:
        """The reading side. Raises `JournalUnavailable` before an opening succeeded."""
        return self._opened().reader

    @property
    def writer(self) -> Writer:
        """The writing side. Raises `JournalUnavailable` before an opening succeeded."""
        return self._opened().writer

    async def close(self) -> None:
        """Finish what waits and close both connections; the writing one last, for it empties the WAL."""
        if self._parts is not None:
            await self._parts.reader.close()
            await self._parts.writer.close()
            self._parts.lock.release()

    def _opened(self) -> _Parts:
        if self._parts is None:
            raise JournalUnavailable(self.trouble)
        return self._parts

    def _applied(self, written: Written[object]) -> None:
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


class Side:
    """One side of the journal."""

    def __init__(self, store: Store) -> None:
        self._store = store
