"""Ledger: what became of claims, on its way into the journal.

Owns when it is written: all that ended in one turn of the loop at once, tried until the journal takes it. A
slot stays taken till then: a crash repeats no more than was in flight. Must not know how anything ended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import msgspec
import structlog

from router.delivery import Settlement
from router.dispatch.outlet import Outlet
from router.errors import JournalUnavailable
from router.journal.journal import Queue

log = structlog.get_logger(__name__)

JOURNAL_RETRY = 1.0

T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True):
    """A settlement, and the sink whose slot it frees, None if it took none.

    `learnt_at`: a pause or a hold began then, which must outlive the process; `recovered`: everything held of
    the sink is due.
    """

    settlement: Settlement
    outlet: Outlet | None
    learnt_at: float | None = None
    recovered: bool = False


class Ledger:
    """Writes entries as tasks of a group; `freed` is told which sinks have a slot again."""

    def __init__(self, journal: Queue, freed: Callable[[Iterable[Outlet]], None]) -> None:
        self._journal = journal
        self._freed = freed
        self._group: asyncio.TaskGroup | None = None
        self._entered: list[Entry] = []
        self._writing: dict[asyncio.Task[None], Sequence[Entry]] = {}

    def open(self, group: asyncio.TaskGroup) -> None:
        """Write in this group from now on."""
        self._group = group

    def enter(self, entry: Entry) -> None:
        """Have this written, with whatever else ends in this turn of the loop."""
        self._entered.append(entry)
        if len(self._entered) == 1:
            asyncio.get_running_loop().call_soon(self.turn)

    @property
    def empty(self) -> bool:
        """Whether everything is written."""
        return not self._entered and not self._writing

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What is being written."""
        return list(self._writing)

    async def strike(self) -> list[Settlement]:
        """Write no more; the settlements that may not be in the journal."""
        left = [entry.settlement for batch in (*self._writing.values(), self._entered) for entry in batch]
        tasks, self._entered = self.tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        return left

    def turn(self) -> None:
        """Begin to write what was entered."""
        if self._entered and self._group is not None:
            batch, self._entered = self._entered, []
            self._writing[self._group.create_task(self._write(batch))] = batch

    async def _write(self, batch: Sequence[Entry]) -> None:
        settlements = [entry.settlement for entry in batch]
        # Before another router may take the delivery up again.
        for entry in batch:
            if entry.outlet is not None and entry.learnt_at is not None:
                await self._remember(entry.outlet, entry.learnt_at)
        for lost in await _written("settlement", lambda: self._journal.settle(settlements)):
            log.warning("claim_lost", delivery=lost)
        outlets = [entry.outlet for entry in batch if entry.outlet is not None]
        for outlet in outlets:
            outlet.gate.leave()
        for entry in batch:
            if entry.outlet is not None and entry.recovered:
                await self._expedite(entry.outlet.sink.name)
        task = asyncio.current_task()
        if task is not None:
            del self._writing[task]
        # Many of one sink often end together.
        self._freed({*outlets})

    async def _remember(self, outlet: Outlet, at: float) -> None:
        """Make what was learnt about a sink outlive the process, and let other routers know."""
        # An operator may have ended it meanwhile; then there is nothing to remember, or to forget.
        mark = outlet.mark(at)
        if mark.empty:
            return
        await _written("mark", lambda: self._journal.mark(mark))
        now = outlet.mark(at)
        if now != mark:
            # It ended while it was being written: the journal must not keep the old pause for ever.
            await _written("mark", lambda: self._journal.mark(now))

    async def _expedite(self, sink: str) -> None:
        """Make all due that waited for an open sink."""
        due = await _written("recovery", lambda: self._journal.expedite(sink))
        log.info("sink_recovered", sink=sink, deliveries_due=due)


async def _written(what: str, write: Callable[[], Awaitable[T]]) -> T:
    """The result of a write, tried until the journal takes it.

    What was delivered but not recorded must not be sent again by this process.
    """
    told = ""
    while True:
        try:
            return await write()
        except JournalUnavailable as error:
            if told != str(error):
                told = str(error)
                log.warning("write_postponed", what=what, reason=told)
            await asyncio.sleep(JOURNAL_RETRY)
