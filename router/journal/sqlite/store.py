"""What the four sides of the journal share, and the memory of recent events."""

import asyncio

import apsw
import msgspec

from router.clock import Clock, Ids
from router.delivery import State
from router.event import Event
from router.journal.sqlite.lock import Lock
from router.journal.sqlite.reader import Reader
from router.journal.sqlite.tally import Tally
from router.journal.sqlite.writer import Writer, Written

_MOST_BYTES = 4 << 20


class Recent:
    """Events recorded a moment ago, so that a claim need not read them; for the writer's thread only."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._events: dict[int, Event] = {}

    def keep(self, number: int, event: Event) -> None:
        """Remember an event, and forget the oldest ones beyond the bound."""
        self._bytes -= len(self._events.pop(number).payload) if number in self._events else 0
        # A copy without what the rules decoded of the payload: that is many times its size.
        self._events[number] = msgspec.structs.replace(event)
        self._bytes += len(event.payload)
        while self._bytes > self._most:
            oldest = next(iter(self._events))
            self._bytes -= len(self._events.pop(oldest).payload)

    def get(self, number: int) -> Event | None:
        """The event, if it is still remembered."""
        return self._events.get(number)


class Opened(msgspec.Struct):
    """What an opening found: both connections, the newest id, the counts, whether there is any suspect."""

    writing: apsw.Connection
    reading: apsw.Connection
    newest: int
    counts: list[tuple[str, State, int]]
    suspects: bool


class Store:
    """The parts of an open journal.

    `alarm` is set when something may have become due. `suspects`: whether any delivery was in flight at two
    crashes or more, which only an opening can find.
    """

    def __init__(self, lock: Lock, vfs: str | None, clock: Clock, opened: Opened) -> None:
        self.path = lock.journal
        self.vfs = vfs
        self.clock = clock
        self.ids = Ids(clock, opened.newest)
        self.tally = Tally(opened.counts)
        self.suspects = opened.suspects
        self.alarm = asyncio.Event()
        self.recent = Recent()
        self.reader = Reader(opened.reading)
        self.writer = Writer(opened.writing, self._applied, self._ended)
        self._lock = lock

    async def close(self) -> None:
        """Finish what waits and close both connections; the writing one last, for it empties the WAL."""
        await self.reader.close()
        await self.writer.close()

    def _applied(self, written: Written[object]) -> None:
        if written.moves:
            self.tally.apply(written.moves)
        if written.wake:
            self.alarm.set()

    def _ended(self) -> None:
        self._lock.suspect()
        self.alarm.set()


class Side:
    """One side of the journal."""

    def __init__(self, store: Store) -> None:
        self._store = store
