"""Store: what the four sides of the journal share."""

import asyncio

import msgspec

from router.clock import Clock, Ids
from router.errors import JournalUnavailable
from router.journal.journal import Stock
from router.journal.postgres.connecting import Url
from router.journal.postgres.days import Days
from router.journal.postgres.hints import Hints
from router.journal.postgres.outlook import Outlook
from router.journal.postgres.presence import Presence, Timing
from router.journal.postgres.reader import Reader
from router.journal.postgres.work import Seen, Written
from router.journal.postgres.writer import Writer
from router.journal.sqlite.store import Recent
from router.journal.tally import Tally


class Parts(msgspec.Struct, frozen=True):
    """What only an open journal has."""

    reader: Reader
    writer: Writer
    hints: Hints | None


class Store:
    """The parts of a journal, which may have to wait for its opening.

    `alarm` is set when something may have become due. `trouble`: why it is not open yet. Counts and stock are
    those of the whole database as of the last beat, with what this router changed since.
    """

    def __init__(self, url: Url, listen: Url | None, clock: Clock, timing: Timing, *, may_lose: bool) -> None:
        self.url = url
        self.listen = listen
        self.clock = clock
        self.timing = timing
        self.may_lose = may_lose
        self.ids = Ids(clock)
        self.days = Days()
        self.presence = Presence(timing, clock, self.days, hints=listen is not None)
        self.outlook = Outlook(timing.poll)
        self.recent = Recent()
        self.tally = Tally(())
        self.stock: dict[str, Stock] = {}
        self.suspects = False
        self.opened_at = 0.0
        self.alarm = asyncio.Event()
        self.trouble = "the journal is not open"
        self._parts: Parts | None = None

    def adopt(self, parts: Parts, newest: int, seen: Seen) -> None:
        """Go to work on what an opening found."""
        self.ids.follow(newest)
        self.opened_at = self.clock.now()
        self.see(seen)
        self.outlook.looking(asyncio.get_running_loop().time())
        self._parts = parts
        self.alarm.set()

    def see(self, seen: Seen) -> None:
        """Know the whole anew."""
        self.tally = Tally(seen.counts)
        self.stock = self.stock if seen.stock is None else dict(seen.stock)
        self.suspects = seen.suspects
        self.ids.move(seen.node)

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
        if self._parts is not None:
            if self._parts.hints is not None:
                await self._parts.hints.close()
            await self._parts.reader.close()
            await self._parts.writer.close()

    def applied(self, written: Written[object]) -> None:
        """Learn what was committed."""
        if written.seen is not None:
            self.see(written.seen)
        elif written.moves:
            self.tally.apply(written.moves)
        self.stock.update(written.stock)
        if written.wake:
            self.alarm.set()

    def _opened(self) -> Parts:
        if self._parts is None:
            raise JournalUnavailable(self.trouble)
        return self._parts


class Side:
    """One side of the journal."""

    def __init__(self, store: Store) -> None:
        self._store = store
