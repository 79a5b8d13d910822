"""Writer: the one thread of this router that writes. Group commit, and the lease that goes with it.

Owns the order: all work that waits goes into one transaction, the server says that it is committed, and only
then the callers learn of it. Owns reconnecting too. Must not know what the work is.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar, cast

import psycopg

from router.delivery import State
from router.errors import JournalBroken, JournalError, JournalUnavailable
from router.journal.postgres.connecting import Connection, begin
from router.journal.postgres.faults import AGAIN, ALONE, fault, is_over, refusal
from router.journal.postgres.work import Berth, Crew, Cursor, Moves, Work, Written

_MOST = 256
# Work that may wait for a server that does not answer; beyond that it is refused at once.
_MOST_WAITING = 16_384
_TRIES = 5
# Seconds after a failed connection in which nobody waits for another one.
_PAUSE = 0.5

T = TypeVar("T")
E = TypeVar("E")


class _Item:
    """A piece of work on its way; `future` is None for work that nobody waits for."""

    __slots__ = ("alone", "crew", "entry", "error", "future", "written")

    def __init__(
        self,
        crew: Crew[object, object],
        entry: object,
        future: "asyncio.Future[object] | None",
        *,
        alone: bool = False,
    ) -> None:
        self.crew = crew
        self.entry = entry
        self.alone = alone
        self.future = future
        self.written: Written[object] | None = None
        self.error: JournalError | None = None


def _each(works: Sequence[object], cursor: Cursor) -> list[Written[object]]:
    """The crew of work that is done one by one."""
    return [cast(Work[object], work)(cursor) for work in works]


class Writer:
    """Runs work in transactions and answers after the commit.

    `applied` is told of every piece of work that was committed, in the loop's thread. `crews` is the order in
    which their work is done within a transaction, the same in every router: so that none waits for another in
    a circle. `broken` says why nothing will ever be committed again, None while all is well.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        first: Connection,
        berth: Berth,
        crews: Sequence[Crew[object, object]],
        applied: Callable[[Written[object]], None],
        ended: Callable[[], None],
    ) -> None:
        self.broken: str | None = None
        self._connect = connect
        self._connection: Connection | None = first
        self._berth = berth
        # Locks end before the lease does, so that whoever takes over meets none.
        self._begin = begin(berth.every)
        self._ranks = {crew: rank for rank, crew in enumerate(crews)}
        self._applied = applied
        self._ended = ended
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._closing = False
        self._next: _Item | None = None
        self._doubt = False
        self._beat_at = time.monotonic() + berth.every
        self._quiet_until = 0.0
        self._trouble = JournalUnavailable()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def write(self, work: Work[T], *, alone: bool = False) -> T:
        """Run work in the next transaction; returns when it is committed.

        A cancelled caller does not stop it: it is committed all the same, and taken back if the work says
        how. Work that runs `alone` shares its transaction with nobody.

        Raises:
            JournalUnavailable: nothing was changed, or nobody can say: doing it again does no harm.
            JournalBroken: nothing will ever be changed again.
        """
        return cast(T, await self._ask(_each, work, alone=alone))

    async def join(self, crew: Crew[E, T], entry: E) -> T:
        """As `write`, in the statements that do the same for others at this moment."""
        return cast(T, await self._ask(cast(Crew[object, object], crew), entry))

    async def _ask(self, crew: Crew[object, object], entry: object, *, alone: bool = False) -> object:
        if self._over.done():
            raise self._reason()
        if self._queue.qsize() >= _MOST_WAITING:
            raise JournalUnavailable(
                "the journal's server does not answer, and too much waits for it already"
            )
        future: asyncio.Future[object] = self._loop.create_future()
        item = _Item(crew, entry, future, alone=alone)
        self._queue.put(item)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._take_back(item)
            raise
        finally:
            # Else an error, which knows this frame, keeps a refused body until cycles are looked for.
            del future, item

    async def close(self) -> None:
        """Finish what waits, give the place up, close the connection."""
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
            while not self._closing:
                batch = self._gather()
                # Before that: whoever slept for longer than its lease must learn of it first.
                if time.monotonic() >= self._beat_at:
                    self._beat()
                if batch:
                    self._commit(batch)
                    self._post(self._answer, batch)
                    batch = []
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
        while not self._closing and len(batch) < _MOST:
            try:
                if batch:
                    item = self._queue.get_nowait()
                else:
                    item = self._queue.get(timeout=max(0.0, self._beat_at - time.monotonic()))
            except Empty:
                break
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
        try:
            self._transact(batch)
        except psycopg.Error as error:
            self._fail(batch, self._judge(error))
        except JournalError as error:
            self._fail(batch, error)
        else:
            self._note(batch)

    def _fail(self, batch: list[_Item], error: JournalError) -> None:
        for item in batch:
            # One each: an error grows by the frames of everybody whom it is raised to, and keeps them.
            item.written, item.error = None, type(error)(*error.args)
            # Nobody else would do again what nobody waits for: the next beat puts it right.
            self._doubt = self._doubt or item.future is None

    def _note(self, batch: list[_Item]) -> None:
        try:
            for item in batch:
                if item.written is not None and self._connection is not None:
                    self._berth.note(item.written, self._connection)
        except psycopg.Error as error:
            self._judge(error)

    def _transact(self, batch: list[_Item]) -> None:
        tried = 0
        while True:
            tried += 1
            connection = self._connected()
            with connection.cursor(binary=True) as cursor:
                try:
                    if not self._all_at_once(batch, cursor):
                        self._one_by_one(batch, cursor)
                except AGAIN:
                    if tried == _TRIES:
                        raise
                    cursor.execute("ROLLBACK")
                    self._berth.undone()
                else:
                    return

    def _all_at_once(self, batch: list[_Item], cursor: Cursor) -> bool:
        """The usual way, in as few statements as there are crews; False: something was refused."""
        crews: dict[Crew[object, object], list[_Item]] = {}
        for item in batch:
            crews.setdefault(item.crew, []).append(item)
        cursor.connection.execute(self._begin)
        try:
            for crew in sorted(crews, key=self._rank):
                items = crews[crew]
                for item, written in zip(items, crew([item.entry for item in items], cursor), strict=True):
                    item.written = written
            self._berth.count(_sum(batch), cursor)
        except ALONE:
            cursor.execute("ROLLBACK")
            self._berth.undone()
            return False
        cursor.execute("COMMIT")
        return True

    def _one_by_one(self, batch: list[_Item], cursor: Cursor) -> None:
        """Whatever is refused fails alone."""
        cursor.connection.execute(self._begin)
        for item in sorted(batch, key=lambda item: self._rank(item.crew)):
            item.written, item.error = None, None
            cursor.execute("SAVEPOINT item")
            try:
                (item.written,) = item.crew([item.entry], cursor)
            except ALONE as error:
                item.error = refusal(error)
                cursor.execute("ROLLBACK TO item")
                self._berth.undone()
            cursor.execute("RELEASE item")
        self._berth.count(_sum(batch), cursor)
        cursor.execute("COMMIT")

    def _rank(self, crew: Crew[object, object]) -> int:
        return self._ranks.get(crew, len(self._ranks))

    def _connected(self) -> Connection:
        """The session, a new one if need be; the first thing in a new one is a beat.

        Raises:
            JournalUnavailable: there is none now.
        """
        if self._connection is not None:
            return self._connection
        if time.monotonic() < self._quiet_until:
            raise JournalUnavailable(str(self._trouble))
        self._connection = self._connect()
        self._doubt = True
        self._renew()
        return self._connection

    def _judge(self, error: psycopg.Error) -> JournalError:
        """What an error means for everybody; afterwards the session is in no transaction, or left."""
        meaning = fault(error)
        self._berth.undone()
        connection, self._connection = self._connection, None
        if isinstance(meaning, JournalBroken):
            self.broken = str(meaning)
        if connection is not None and not is_over(error):
            with suppress(psycopg.Error):
                connection.execute("ROLLBACK")
                self._connection = connection
                return meaning
        if connection is not None:
            connection.close()
        self._trouble = JournalUnavailable(str(meaning))
        # A session that broke may be followed by one at once; a server that cannot be had may not.
        self._quiet_until = time.monotonic() + _PAUSE if connection is None else 0.0
        self._beat_at = time.monotonic() + _PAUSE
        return meaning

    def _beat(self) -> None:
        """Renew the lease, or try to; what cannot be reached is tried again soon."""
        try:
            self._quiet_until = 0.0
            if self._connection is None:
                self._connected()
            else:
                self._renew()
        except psycopg.Error as error:
            self._judge(error)
        except JournalUnavailable as error:
            self._trouble = error
        if self.broken:
            self._post(self._answer, [])

    def _renew(self) -> None:
        connection = cast(Connection, self._connection)
        # If this fails, soon again; nobody writes in a session whose first beat failed.
        self._beat_at = time.monotonic() + _PAUSE
        item = _Item(_each, lambda cursor: self._berth.beat(cursor, again=self._doubt), None)
        try:
            with connection.cursor(binary=True) as cursor:
                cursor.connection.execute(self._begin)
                (item.written,) = item.crew([item.entry], cursor)
                cursor.execute("COMMIT")
        except (psycopg.Error, JournalUnavailable):
            self._doubt, self._connection = True, None
            connection.close()
            raise
        self._doubt = False
        self._beat_at = time.monotonic() + self._berth.every
        self._post(self._answer, [item])

    def _shut(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error), self._connection.cursor() as cursor:
                self._berth.leave(cursor)
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
            self._queue.put(_Item(_each, item.written.undo, None))

    def _end(self, unanswered: list[_Item]) -> None:
        self._over.set_result(None)
        behind = [self._queue.get() for _ in range(self._queue.qsize())]
        unanswered += [item for item in behind if item is not None]
        for item in unanswered:
            item.written, item.error = None, self._reason()
        self._answer(unanswered)


def _sum(batch: Sequence[_Item]) -> Moves:
    moves: dict[tuple[str, State], int] = {}
    for item in batch:
        for key, change in item.written.moves.items() if item.written is not None else ():
            moves[key] = moves.get(key, 0) + change
    return {key: change for key, change in moves.items() if change}
