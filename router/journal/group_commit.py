"""Group commit: all work that waits goes into one transaction. All of this happens in the loop's thread.

Owns how work is gathered into batches, of which the writer's thread has one at a time (`committer.py`), and
how it is answered; what nobody learned of is taken back. Must not know a database.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import TypeVar, cast

from router.errors import JournalBroken, JournalError, JournalUnavailable
from router.journal.committer import Committer
from router.journal.pieces import Batch, Beside, C, Group, Outcome, Piece, Shared, Single, W

_MOST = 256
# A commit costs as much as a dozen events: turns of the loop for which it waits while each brings more work,
# and how many pieces of work are worth one without waiting.
_TURNS, _ENOUGH = 4, 64

E = TypeVar("E")
T = TypeVar("T")


class GroupCommit(Committer[C, W]):
    """Runs work in transactions and answers after the commit.

    `applied` is told of everything that was committed, `ended` of the end, if the journal broke. `order` is
    what of the shared work comes first in a transaction.
    """

    def __init__(
        self, applied: Callable[[W], None], ended: Callable[[], None], order: Sequence[object] = ()
    ) -> None:
        super().__init__()
        self._applied = applied
        self._ended = ended
        self._ranks = {work: rank for rank, work in enumerate(order)}
        self._waiting: deque[Piece[C, W]] = deque()
        # The thread has a batch or is about to get one, or it has ended.
        self._busy = False
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._closing = False

    def start(self) -> None:
        """Go to work."""
        self._thread.start()

    async def write(self, work: Callable[[C], Outcome[T]], *, alone: bool = False, quick: bool = False) -> T:
        """Run work in the next transaction; returns when it is on disk.

        A cancelled caller does not stop it: it is committed all the same, and taken back if the work says
        how. Work that runs `alone` shares its transaction with nobody: should it be the one that the disk has
        no room for, nobody else fails with it. `quick` work may run in the loop's thread.

        Raises:
            JournalUnavailable: nothing was changed; or, of a server, nobody can say: doing it again does no
                harm.
            JournalBroken: nothing will ever be changed again.
        """
        single = cast("Callable[[C], W]", work)
        return cast(T, await self._ask(Single(single, alone=alone, quick=quick)))

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
        what is written for the first of them. `done` is told what it came to, None if nothing was changed,
        whatever becomes of the caller. With `recall` a caller who is cancelled before its turn takes its
        entry back: what nobody counts any more may not pile up behind a disk that hangs. Else as `write`.
        """
        # Quoted: to make that type anew for each event costs more than all the rest of this.
        shared = cast("Callable[[Sequence[object], C], Sequence[W]]", work)
        return cast(T, await self._ask(Shared(shared, entry, done=done, quick=quick), recall=recall))

    def submit(self, work: Callable[[C], W]) -> None:
        """Run work in the next transaction; nobody learns what became of it."""
        self._put(Single(work))

    async def beside(self, work: Callable[[], T]) -> T:
        """Run work in the thread, between two transactions; everybody waits for it meanwhile.

        It changes nothing in the journal, and what fails in it harms nothing but itself.

        Raises:
            JournalUnavailable, JournalBroken: as for `write`; the work was not begun.
            JournalError: of the work.
        """
        return cast(T, await self._ask(Beside(work, alone=True)))

    async def close(self) -> None:
        """Finish what waits, and end."""
        with suppress(JournalError):
            # Everything before this has been answered then, so whatever had to be taken back is in the queue.
            await self.beside(lambda: None)
        self._closing = True
        self._go_on()
        await self._over
        self._thread.join()

    async def _ask(self, piece: Piece[C, W], *, recall: bool = False) -> object:
        refusal = self.refusal()
        if refusal is not None:
            if piece.done is not None:
                piece.done(None)
            raise refusal
        future = piece.future = self._loop.create_future()
        self._put(piece)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._take_back(piece)
            elif recall:
                self._recall(piece)
            raise
        finally:
            # Else an error, which knows this frame, keeps a refused body until cycles are looked for.
            del future, piece

    def _recall(self, piece: Piece[C, W]) -> None:
        """Take it out of those that wait, unless its turn has come."""
        try:
            self._waiting.remove(piece)
        except ValueError:
            return
        if piece.done is not None:
            piece.done(None)

    def refusal(self) -> JournalError | None:
        """Why nothing is taken on now; None: it is."""
        return self._reason() if self._over.done() else None

    @property
    def waiting(self) -> int:
        """How much waits to be gathered."""
        return len(self._waiting)

    def _reason(self) -> JournalError:
        return JournalBroken(self.broken) if self.broken else JournalUnavailable("the journal is closed")

    def _put(self, piece: Piece[C, W]) -> None:
        self._waiting.append(piece)
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

    def _gather(self) -> Batch[C, W]:
        """A batch of what waits; work that is to be alone is a batch of its own."""
        waiting, ranks = self._waiting, self._ranks
        groups: dict[object, Group[C, W]] = {}
        alone = False
        for _ in range(min(len(waiting), _MOST)):
            if groups and (alone or waiting[0].alone):
                break
            piece = waiting.popleft()
            alone = piece.alone
            groups.setdefault(piece.work if isinstance(piece, Shared) else piece, []).append(piece)
        if not ranks:
            return list(groups.values())
        return [groups[key] for key in sorted(groups, key=lambda key: ranks.get(key, len(ranks)))]

    def begin(self, batch: Batch[C, W]) -> None:
        """Do the part that is best done in the loop's thread, before `commit` does the rest in its own.

        The two never meet: the next batch is begun when the thread is done with the last, `after` included.
        """

    def _answer_and_go_on(self, batch: Batch[C, W]) -> None:
        self._busy = False
        if self._waiting or self._closing:
            self._go_on()
        self._answer(batch)

    def _answer(self, batch: Batch[C, W]) -> None:
        for piece in chain.from_iterable(batch):
            written, future = piece.written, piece.future
            if written is not None:
                self._applied(written)
            if piece.done is not None:
                piece.done(written)
            if future is None:
                continue
            if future.done():
                self._take_back(piece)
            elif written is not None:
                future.set_result(written.result)
            elif piece.error is None and isinstance(piece, Beside):
                future.set_result(piece.result)
            else:
                future.set_exception(piece.error or self._reason())
        if self.broken:
            self._ended()

    def _take_back(self, piece: Piece[C, W]) -> None:
        if piece.written is not None and piece.written.undo is not None:
            self.submit(cast("Callable[[C], W]", piece.written.undo))

    def _end(self, unanswered: Batch[C, W]) -> None:
        self._over.set_result(None)
        self._busy = True
        # What was handed over meanwhile was never committed.
        while not self._queue.empty():
            unanswered += self._queue.get() or []
        unanswered.append([*self._waiting])
        self._waiting.clear()
        for piece in chain.from_iterable(unanswered):
            piece.written, piece.error = None, self._reason()
        self._answer(unanswered)
