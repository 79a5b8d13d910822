"""Group commit: one thread that writes; all work that waits goes into one transaction.

Work waits, is gathered into a batch and begun in the loop's thread (`_hand_over`), committed in the writer's
(`_run`), and only then answered, in the loop's (`_answer`); what nobody learned of is taken back. Must not
know a database: how a batch is committed, and what the work is.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar, cast

from router.errors import JournalBroken, JournalError, JournalUnavailable, RouterError

_MOST = 256
# A commit costs as much as a dozen events: turns of the loop for which it waits while each brings more work,
# and how many pieces of work are worth one without waiting.
_TURNS, _ENOUGH = 4, 64

C = TypeVar("C")
E = TypeVar("E")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Outcome(Protocol[T_co]):
    """What a piece of work came to; takes effect with the commit."""

    @property
    def result(self) -> T_co:
        """The answer to its caller."""
        ...

    @property
    def undo(self) -> "Callable[..., Outcome[object]] | None":
        """Work that takes it back if its caller was cancelled and never learned of it."""
        ...


W = TypeVar("W", bound=Outcome[object])


class Item(Generic[C, W]):
    """A piece of work on its way; `future` is None for work that nobody waits for.

    `shared` work is run once for many items, each with its part in `entry`. Work `beside` transactions gets a
    `result`, other work is `written`; or an `error`, if it came to nothing. `quick` work holds nobody up.
    """

    __slots__ = (
        "alone", "beside", "done", "entry", "error", "future", "quick", "result", "shared", "work", "written",
    )  # fmt: skip

    def __init__(
        self,
        work: Callable[[C], W] | None = None,
        shared: Callable[[Sequence[object], C], Sequence[W]] | None = None,
        entry: object = None,
        done: Callable[[W | None], None] | None = None,
        *,
        alone: bool = False,
        quick: bool = False,
        beside: Callable[[], object] | None = None,
    ) -> None:
        self.work = work
        self.shared = shared
        self.entry = entry
        self.done = done
        self.alone = alone
        self.quick = quick
        self.beside = beside
        self.future: asyncio.Future[object] | None = None
        self.result: object = None
        self.written: W | None = None
        self.error: RouterError | None = None


def run(items: Sequence[Item[C, W]], cursor: C) -> None:
    """Run what these share, or the work of the only one."""
    first = items[0]
    if first.shared is None:
        first.written = cast("Callable[[C], W]", first.work)(cursor)
        return
    for item, written in zip(items, first.shared([item.entry for item in items], cursor), strict=True):
        item.written = written


class GroupCommit(ABC, Generic[C, W]):
    """Runs work in transactions and answers after the commit. A backend says how to `commit`.

    `applied` is told of everything that was committed, `ended` of the end, if the journal broke; both in the
    loop's thread. `order` is what of the shared work comes first in a transaction. `broken` says why nothing
    will ever be committed again, None while all is well.
    """

    def __init__(
        self, applied: Callable[[W], None], ended: Callable[[], None], order: Sequence[object] = ()
    ) -> None:
        self.broken: str | None = None
        self._applied = applied
        self._ended = ended
        self._ranks = {shared: rank for rank, shared in enumerate(order)}
        self._waiting: deque[Item[C, W]] = deque()
        # Batches for the thread; None ends it. Busy: it has one or is about to get one, or it has ended.
        self._queue: SimpleQueue[list[Item[C, W]] | None] = SimpleQueue()
        self._busy = False
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Go to work."""
        self._thread.start()

    async def write(
        self,
        work: Callable[[C], Outcome[T]],
        *,
        alone: bool = False,
        quick: bool = False,
        done: Callable[[W | None], None] | None = None,
    ) -> T:
        """Run work in the next transaction; returns when it is on disk.

        `done` is told what it came to, None if nothing was changed, whatever becomes of the caller.

        A cancelled caller does not stop it: it is committed all the same, and taken back if the work says
        how. Work that runs `alone` shares its transaction with nobody: should it be the one that the disk has
        no room for, nobody else fails with it. `quick` work may run in the loop's thread.

        Raises:
            JournalUnavailable: nothing was changed; or, of a server, nobody can say: doing it again does no
                harm.
            JournalBroken: nothing will ever be changed again.
        """
        return cast(
            T, await self._ask(Item(cast("Callable[[C], W]", work), done=done, alone=alone, quick=quick))
        )

    async def share(
        self,
        work: Callable[[Sequence[E], C], Sequence[Outcome[T]]],
        entry: E,
        done: Callable[[W | None], None] | None = None,
        *,
        quick: bool = False,
        recall: bool = False,
    ) -> T:
        """Run work in the next transaction, at once for all entries that wait for the same work.

        It may so come before other work that was asked for earlier. What counts for all entries may stand in
        what is written for the first of them. With `recall` a caller who is cancelled before its turn takes
        its entry back: what nobody counts any more may not pile up behind a disk that hangs. Else as `write`.
        """
        # Quoted: to make that type anew for each event costs more than all the rest of this.
        shared = cast("Callable[[Sequence[object], C], Sequence[W]]", work)
        return cast(T, await self._ask(Item(None, shared, entry, done, quick=quick), recall=recall))

    def submit(self, work: Callable[[C], W]) -> None:
        """Run work in the next transaction; nobody learns what became of it."""
        self._put(Item(work))

    async def beside(self, work: Callable[[], T]) -> T:
        """Run work in the thread, between two transactions; everybody waits for it meanwhile.

        It changes nothing in the journal, and what fails in it harms nothing but itself.

        Raises:
            JournalUnavailable, JournalBroken: as for `write`; the work was not begun.
            JournalError: of the work.
        """
        return cast(T, await self._ask(Item(alone=True, beside=work)))

    async def close(self) -> None:
        """Finish what waits, and end."""
        with suppress(JournalError):
            # Everything before this has been answered then, so whatever had to be taken back is in the queue.
            await self.beside(lambda: None)
        self._closing = True
        self._go_on()
        await self._over
        self._thread.join()

    async def _ask(self, item: Item[C, W], *, recall: bool = False) -> object:
        refusal = self.refusal()
        if refusal is not None:
            if item.done is not None:
                item.done(None)
            raise refusal
        future = item.future = self._loop.create_future()
        self._put(item)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._take_back(item)
            elif recall:
                self._recall(item)
            raise
        finally:
            # Else an error, which knows this frame, keeps a refused body until cycles are looked for.
            del future, item

    def _recall(self, item: Item[C, W]) -> None:
        """Take it out of those that wait, unless its turn has come."""
        try:
            self._waiting.remove(item)
        except ValueError:
            return
        if item.done is not None:
            item.done(None)

    def refusal(self) -> JournalError | None:
        """Why nothing is taken on now; None: it is."""
        return self._reason() if self._over.done() else None

    @property
    def waiting(self) -> int:
        """How much waits to be gathered."""
        return len(self._waiting)

    def _reason(self) -> JournalError:
        return JournalBroken(self.broken) if self.broken else JournalUnavailable("the journal is closed")

    def _put(self, item: Item[C, W]) -> None:
        self._waiting.append(item)
        self._go_on()

    def _go_on(self) -> None:
        """Have a batch gathered, in one of the next turns of the loop, of all that has come by then."""
        if not self._busy:
            self._busy = True
            self._loop.call_soon(self._hand_over, 0, _TURNS)

    def _hand_over(self, before: int, turns: int) -> None:
        """Give the thread what waits, once a turn brings nothing more; or None, if it is to end.

        `before` is how much waited a turn ago, `turns` how many more may go by.
        """
        waiting = len(self._waiting)
        if before < waiting < _ENOUGH and turns:
            self._loop.call_soon(self._hand_over, waiting, turns - 1)
            return
        batch = self._gather()
        if not batch and not self._closing:
            # All that waited was taken back.
            self._busy = False
            return
        try:
            if batch:
                self.begin(batch)
        finally:
            self._queue.put(batch or None)

    def _gather(self) -> list[Item[C, W]]:
        """A batch of what waits; work that is to be alone is a batch of its own."""
        waiting = self._waiting
        batch: list[Item[C, W]] = []
        while waiting and len(batch) < _MOST:
            if batch and (waiting[0].alone or batch[0].alone):
                break
            batch.append(waiting.popleft())
        return batch

    def begin(self, batch: list[Item[C, W]]) -> None:
        """Do the part that is best done in the loop's thread, before `commit` does the rest in its own.

        The two never meet: the next batch is begun when the thread is done with the last, `after` included.
        """

    # In the writer's thread; the first are the backend's.

    @abstractmethod
    def commit(self, batch: list[Item[C, W]]) -> None:
        """Run this work and commit it: each is then `written`, or has its `error`."""

    def rest(self) -> float | None:
        """Seconds after which `before` is to be called even if there is no work; None: never."""
        return None

    def before(self) -> None:
        """What must come before the next transaction."""

    def owes(self) -> bool:
        """Whether there is anything for `after`."""
        return False

    def after(self) -> None:
        """What can wait until the callers know."""

    @abstractmethod
    def shut(self) -> None:
        """Close the connection."""

    def _run(self) -> None:
        batch: list[Item[C, W]] | None = []
        ended = False
        try:
            while (batch := self._handed()) is not None:
                self.before()
                if batch:
                    self._do(batch)
                    owes = self.owes()
                    self._post(self._answer if owes else self._answer_and_go_on, batch)
                    batch = []
                    if owes:
                        self.after()
                        self._post(self._answer_and_go_on, batch)
            ended = True
        finally:
            # A fault of our own passes through, so that its traceback is seen; nobody may wait for it.
            if not ended:
                self.broken = "the journal's thread failed; its traceback says where"
            try:
                self.shut()
            finally:
                self._post(self._end, batch or [])

    def _handed(self) -> list[Item[C, W]] | None:
        """The next batch; empty: it is time for `before`; None: there will be no more."""
        try:
            return self._queue.get(timeout=self.rest())
        except Empty:
            return []

    def _do(self, batch: list[Item[C, W]]) -> None:
        if self.broken:
            for item in batch:
                item.error = JournalBroken(self.broken)
        elif batch[0].beside is None:
            self.commit(batch)
        else:
            try:
                batch[0].result = batch[0].beside()
            except JournalError as error:
                batch[0].error = error

    def sort(self, batch: list[Item[C, W]]) -> Iterable[list[Item[C, W]]]:
        """The batch in groups that are run at once; it is put in that order, and must be answered in it."""
        groups: dict[object, list[Item[C, W]]] = {}
        for item in batch:
            groups.setdefault(item.shared or item, []).append(item)
        last = len(self._ranks)
        ordered = sorted(groups.values(), key=lambda items: self._ranks.get(items[0].shared, last))
        batch[:] = chain.from_iterable(ordered)
        return ordered

    def _post(self, callback: Callable[[list[Item[C, W]]], None], batch: list[Item[C, W]]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback, batch)

    # In the loop's thread.

    def _answer_and_go_on(self, batch: list[Item[C, W]]) -> None:
        self._busy = False
        if self._waiting or self._closing:
            self._go_on()
        self._answer(batch)

    def _answer(self, batch: list[Item[C, W]]) -> None:
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
            elif written is not None:
                future.set_result(written.result)
            elif item.beside is not None and item.error is None:
                future.set_result(item.result)
            else:
                future.set_exception(item.error or self._reason())
        if self.broken:
            self._ended()

    def _take_back(self, item: Item[C, W]) -> None:
        if item.written is not None and item.written.undo is not None:
            self.submit(cast("Callable[[C], W]", item.written.undo))

    def _end(self, unanswered: list[Item[C, W]]) -> None:
        self._over.set_result(None)
        self._busy = True
        # What was handed over meanwhile was never committed.
        while not self._queue.empty():
            unanswered += self._queue.get() or []
        unanswered += self._waiting
        self._waiting.clear()
        for item in unanswered:
            item.written, item.error = None, self._reason()
        self._answer(unanswered)
