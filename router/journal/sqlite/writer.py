"""Writer: the one thread that writes, over the one connection that does. Group commit.

Owns the order: all work that waits goes into one transaction, the commit is synced, and only then the
callers learn of it. Must not know what the work is.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from queue import SimpleQueue
from typing import Generic, TypeVar, cast

import apsw
import msgspec

from router.delivery import State
from router.errors import JournalBroken, JournalError, JournalUnavailable
from router.journal.journal import Stock
from router.journal.sqlite.faults import ALONE, fault, refusal

# Pages in the WAL after which it is copied into the main file: 16 MiB.
_CHECKPOINT = 4096
_MOST = 256

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
E = TypeVar("E")


class Written(msgspec.Struct, Generic[T_co], frozen=True):
    """What a piece of work came to; takes effect with the commit.

    `moves` is how the counts change; `stock` what the quarantine holds of a source now; `wake` says that
    something may be due; `due` when what became pending is due, by sink, if not at once; `left` is before
    when a claim left nothing due; `undo` is work that takes it back if its caller was cancelled and never
    learned of it.
    """

    result: T_co
    moves: Mapping[tuple[str, State], int] = {}
    stock: Mapping[str, Stock] = {}
    wake: bool = False
    due: Mapping[str, float] = {}
    left: Mapping[str, float] = {}
    undo: "Callable[[apsw.Cursor], Written[object]] | None" = None


Work = Callable[[apsw.Cursor], Written[T]]
# Work for many at once: an answer for each, in their order.
SharedWork = Callable[[Sequence[E], apsw.Cursor], Sequence[Written[T]]]
Done = Callable[[Written[object] | None], None]


class _Item:
    """A piece of work on its way; `future` is None for work that nobody waits for.

    What shares its work with others, `shared`, has its own part in `entry`.
    """

    __slots__ = ("alone", "bare", "done", "entry", "error", "future", "shared", "work", "written")

    def __init__(
        self,
        work: Work[object] | None,
        future: "asyncio.Future[object] | None",
        done: Done | None = None,
        *,
        alone: bool = False,
        bare: bool = False,
    ) -> None:
        self.work = work
        self.shared: SharedWork[object, object] | None = None
        self.entry: object = None
        self.alone = alone
        self.bare = bare
        self.future = future
        self.done = done
        self.written: Written[object] | None = None
        self.error: JournalError | None = None


def _run(items: Sequence[_Item], cursor: apsw.Cursor) -> None:
    """Run what these share, or the work of the only one."""
    first = items[0]
    if first.shared is None:
        first.written = cast("Work[object]", first.work)(cursor)
        return
    for item, written in zip(items, first.shared([item.entry for item in items], cursor), strict=True):
        item.written = written


def _sorted(batch: list[_Item]) -> Iterable[list[_Item]]:
    """The batch by what is run at once; it is put into that order, in which it must be answered, too."""
    groups: dict[object, list[_Item]] = {}
    for item in batch:
        groups.setdefault(item.shared or item, []).append(item)
    batch[:] = chain.from_iterable(groups.values())
    return groups.values()


class Writer:
    """Runs work in transactions and answers after the sync.

    `applied` is told of every piece of work that was committed, `ended` of the writer's end; both in the
    loop's thread. `broken` says why nothing will ever be committed again, None while all is well.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        applied: Callable[[Written[object]], None],
        ended: Callable[[], None],
    ) -> None:
        self.broken: str | None = None
        self._connection = connection
        self._cursor = connection.cursor()
        self._applied = applied
        self._ended = ended
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._closing = False
        self._next: _Item | None = None
        self._pages = 0
        self._made_room = False
        self._copy_at = _CHECKPOINT
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        # Own checkpoints instead of automatic ones: those hide a failed sync, and hold up answers.
        connection.set_wal_hook(self._count_pages)
        self._thread.start()

    async def write(
        self, work: Work[T], *, alone: bool = False, bare: bool = False, done: Done | None = None
    ) -> T:
        """Run work in the next transaction; returns when it is on disk.

        `done` is told what it came to, None if nothing was changed, whatever becomes of the caller.

        A cancelled caller does not stop it: it is committed all the same, and taken back if the work says
        how. Work that runs `alone` shares its transaction with nobody: should it be the one that the disk has
        no room for, nobody else fails with it. `bare`: in no transaction at all; see `beside`.

        Raises:
            JournalUnavailable: nothing was changed.
            JournalBroken: nothing will ever be changed again.
        """
        item = _Item(work, self._loop.create_future(), done, alone=alone, bare=bare)
        return cast(T, await self._written(item))

    async def share(self, work: SharedWork[E, T], entry: E, done: Done | None = None) -> T:
        """Run work in the next transaction, at once for all entries that wait for the same work.

        It may so come before other work that was asked for earlier. What counts for all entries may stand in
        what is written for the first of them. Else as `write`.
        """
        item = _Item(None, self._loop.create_future(), done)
        # Quoted: to make that type anew for each event costs more than all the rest of this.
        item.shared, item.entry = cast("SharedWork[object, object]", work), entry
        return cast(T, await self._written(item))

    async def _written(self, item: _Item) -> object:
        future = item.future
        if self._over.done() or future is None:
            if item.done is not None:
                item.done(None)
            raise self._reason()
        self._queue.put(item)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._take_back(item)
            raise

    def submit(self, work: Work[object]) -> None:
        """Run work in the next transaction; nobody learns what became of it."""
        self._queue.put(_Item(work, None))

    async def beside(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run work with the writing connection between two transactions; everybody waits for it meanwhile.

        It changes nothing in the journal, and what fails in it harms nothing but itself.

        Raises:
            JournalUnavailable, JournalBroken: as for `write`; the work was not begun.
            JournalError: of the work.
        """
        return await self.write(lambda _: Written(work(self._connection)), alone=True, bare=True)

    async def close(self) -> None:
        """Finish what waits, copy the WAL into the main file, close the connection."""
        with suppress(JournalError):
            # Everything before this has been answered then, so whatever had to be taken back is in the queue.
            await self.write(lambda _: Written(None))
        self._queue.put(None)
        await self._over
        self._thread.join()

    def _reason(self) -> JournalError:
        return JournalBroken(self.broken) if self.broken else JournalUnavailable("the journal is closed")

    # In the writer's thread.

    def _run(self) -> None:
        batch: list[_Item] = []
        try:
            while batch := self._gather():
                self._commit(batch)
                self._post(self._answer, batch)
                self._checkpoint()
        finally:
            # A fault of our own passes through, so that its traceback is seen; nobody may wait for it.
            if self._next is not None:
                batch.append(self._next)
            if batch:
                self.broken = "the journal's thread failed; its traceback says where"
            try:
                self._shut()
            finally:
                self._post(self._end, batch)

    def _gather(self) -> list[_Item]:
        batch: list[_Item] = []
        if self._next is not None:
            alone, self._next = self._next, None
            return [alone]
        while not self._closing and len(batch) < _MOST and not (batch and self._queue.empty()):
            item = self._queue.get()
            if item is None:
                self._closing = True
            elif item.alone:
                if not batch:
                    return [item]
                self._next = item
                break
            else:
                batch.append(item)
        return batch

    def _commit(self, batch: list[_Item]) -> None:
        if self.broken:
            for item in batch:
                item.error = JournalBroken(self.broken)
            return
        if batch[0].bare:
            self._run_bare(batch[0])
            return
        try:
            if not self._all_at_once(batch):
                self._one_by_one(batch)
        except apsw.Error as error:
            self._roll_back(batch, error)

    def _run_bare(self, item: _Item) -> None:
        try:
            _run([item], self._cursor)
        except JournalError as error:
            item.error = error

    def _all_at_once(self, batch: list[_Item]) -> bool:
        """The usual way, without the price of savepoints; False: something was refused, nothing changed."""
        cursor = self._cursor
        cursor.execute("BEGIN IMMEDIATE")
        try:
            for items in _sorted(batch):
                _run(items, cursor)
        except ALONE:
            cursor.execute("ROLLBACK")
            return False
        cursor.execute("COMMIT")
        return True

    def _one_by_one(self, batch: list[_Item]) -> None:
        """Whatever is refused fails alone."""
        cursor = self._cursor
        cursor.execute("BEGIN IMMEDIATE")
        for item in batch:
            item.written = None
            cursor.execute("SAVEPOINT item")
            try:
                _run([item], cursor)
            except ALONE as error:
                item.error = refusal(error)
                cursor.execute("ROLLBACK TO item")
            cursor.execute("RELEASE item")
        cursor.execute("COMMIT")

    def _roll_back(self, batch: list[_Item], error: apsw.Error) -> None:
        self._judge(error)
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")
        for item in batch:
            item.written = None
            item.error = JournalBroken(self.broken) if self.broken else fault(error)
        if isinstance(error, apsw.FullError):
            self._make_room()

    def _make_room(self) -> None:
        """On a full disk: what the log holds may fit into the main file, and then its own room is free again.

        Deliveries under way can be settled so. Once until something was written: else a flood of requests
        would keep a full disk busy.
        """
        if not self._made_room:
            self._made_room = True
            self._copy(apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _judge(self, error: apsw.Error) -> None:
        meaning = fault(error)
        if isinstance(meaning, JournalBroken):
            self.broken = str(meaning)
            # A checkpoint has no caller who would learn of it.
            self._post(self._answer, [])

    def _count_pages(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        self._made_room = False
        return apsw.SQLITE_OK

    def _checkpoint(self) -> None:
        if self._pages < _CHECKPOINT:
            self._copy_at = _CHECKPOINT
        elif self._pages >= self._copy_at and not self.broken:
            self._copy(apsw.SQLITE_CHECKPOINT_PASSIVE)
            # A reader, a backup for example, may keep the log from starting over: not again each commit.
            self._copy_at = self._pages + _CHECKPOINT // 4

    def _copy(self, mode: int) -> bool:
        try:
            self._connection.wal_checkpoint(mode=mode)
        except apsw.Error as error:
            self._judge(error)
            return False
        return True

    def _shut(self) -> None:
        if self.broken or not self._copy(apsw.SQLITE_CHECKPOINT_TRUNCATE):
            # The log stays: the next opening reads it, and copies it if it can.
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._connection.close()

    def _post(self, callback: Callable[[list[_Item]], None], batch: list[_Item]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback, batch)

    # In the loop's thread.

    def _answer(self, batch: list[_Item]) -> None:
        for item in batch:
            written, future = item.written, item.future
            if written is not None:
                self._applied(written)
            if item.done is not None:
                item.done(written)
            if future is None:
                continue
            if future.done():
                self._take_back(item)
            elif written is None:
                future.set_exception(item.error or self._reason())
            else:
                future.set_result(written.result)
        if self.broken:
            self._ended()

    def _take_back(self, item: _Item) -> None:
        if item.written is not None and item.written.undo is not None:
            self.submit(item.written.undo)

    def _end(self, unanswered: list[_Item]) -> None:
        self._over.set_result(None)
        behind = [self._queue.get() for _ in range(self._queue.qsize())]
        unanswered += [item for item in behind if item is not None]
        for item in unanswered:
            item.written, item.error = None, self._reason()
        self._answer(unanswered)
