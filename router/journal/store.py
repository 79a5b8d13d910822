"""Store: what the four sides of a journal share, whatever it stores in; and the memory of recent events.

Must not know a database.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import anyio
import anyio.to_thread

from router.clock import Clock, Ids
from router.errors import JournalUnavailable
from router.event import Event
from router.journal.group_commit import GroupCommit
from router.journal.journal import Stock
from router.journal.pieces import C, W
from router.journal.tally import Tally

_MOST_BYTES = 4 << 20
# What an event weighs beside its body.
_OVERHEAD = 2048


class Recent:
    """Events recorded a moment ago, so that a claim need not read them.

    For the writer's work only; how many they are anybody may ask.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._events: dict[int, Event] = {}

    def keep(self, number: int, event: Event) -> None:
        """Remember an event, and forget the oldest ones beyond the bound."""
        self._forget(number)
        self._events[number] = event.undecoded()
        self._bytes += len(event.payload) + _OVERHEAD
        while self._bytes > self._most:
            self._forget(next(iter(self._events)))

    def _forget(self, number: int) -> None:
        known = self._events.pop(number, None)
        if known is not None:
            self._bytes -= len(known.payload) + _OVERHEAD

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._events)

    def get(self, number: int) -> Event | None:
        """The event, if it is still remembered."""
        return self._events.get(number)


C_co = TypeVar("C_co", covariant=True)
T = TypeVar("T")


class Reads(Protocol[C_co]):
    """Runs queries, each against one state of the journal."""

    async def read(self, query: Callable[[C_co], T]) -> T:
        """Run a query and return what it made of the rows. Raises `JournalUnavailable`."""
        ...

    async def close(self) -> None:
        """End. Nobody waits for what may still run: it need not be finished."""
        ...


class Store(ABC, Generic[C, W]):
    """The parts of a journal, which may have to wait for its opening: a reader, a writer.

    `alarm` is set when something may have become due. `suspects`: whether any delivery may have been in
    flight at two crashes or more. `trouble`: why it is not open yet.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ids = Ids(clock)
        self.tally = Tally(())
        self.stock: dict[str, Stock] = {}
        self.suspects = False
        self.opened_at = 0.0
        self.alarm = asyncio.Event()
        self.recent = Recent()
        self.trouble = "the journal is not open"
        self._parts: tuple[Reads[C], GroupCommit[C, W]] | None = None

    async def open(self, opening: Callable[[], T], adopt: Callable[[T], None]) -> None:
        """Open it, off the loop's thread, if it is not open; then go to work on what was found.

        Raises:
            JournalUnavailable: not now.
            JournalError: of the opening.
        """
        if self.is_open:
            return
        # Shielded: a cancelled opening must not leave a lock or a session behind that nobody closes.
        with anyio.CancelScope(shield=True):
            try:
                opened = await anyio.to_thread.run_sync(opening)
            except JournalUnavailable as error:
                self.trouble = str(error)
                raise
            adopt(opened)

    def begin(self, reader: Reads[C], writer: GroupCommit[C, W], newest: int) -> None:
        """Be open from now on; `newest` is the newest id there is."""
        self.ids.follow(newest)
        self.opened_at = self.clock.now()
        self._parts = (reader, writer)
        self.alarm.set()

    @abstractmethod
    async def close(self) -> None:
        """Finish what waits and close every connection."""

    @property
    def is_open(self) -> bool:
        """Whether an opening succeeded."""
        return self._parts is not None

    @property
    def reader(self) -> Reads[C]:
        """The reading side. Raises `JournalUnavailable` before an opening succeeded."""
        return self._opened()[0]

    @property
    def writer(self) -> GroupCommit[C, W]:
        """The writing side. Raises `JournalUnavailable` before an opening succeeded."""
        return self._opened()[1]

    def _opened(self) -> tuple[Reads[C], GroupCommit[C, W]]:
        if self._parts is None:
            raise JournalUnavailable(self.trouble)
        return self._parts
