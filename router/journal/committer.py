"""Committer: the thread that writes. But for the making, all of this happens in that thread.

Owns what it does between two batches, and its end. Must not know how a batch comes about, who is answered,
or a database.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from queue import Empty, SimpleQueue
from typing import Generic

from router.errors import JournalBroken, JournalError
from router.journal.pieces import Batch, Beside, C, W


class Committer(ABC, Generic[C, W]):
    """Commits the batches in its queue, and posts them to the loop's thread. A backend says how to `commit`.

    `broken` says why nothing will ever be committed again, None while all is well.
    """

    def __init__(self) -> None:
        self.broken: str | None = None
        self._loop = asyncio.get_running_loop()
        # None ends the thread.
        self._queue: SimpleQueue[Batch[C, W] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    # What a backend says, in the order in which it is called.

    def rest(self) -> float | None:
        """Seconds after which `before` is to be called even if there is no work; None: never."""
        return None

    def before(self) -> None:
        """What must come before the next transaction."""

    @abstractmethod
    def commit(self, batch: Batch[C, W]) -> None:
        """Run this work and commit it: each piece is then `written`, or has its `error`."""

    def owes(self) -> bool:
        """Whether there is anything for `after`."""
        return False

    def after(self) -> None:
        """What can wait until the callers know."""

    @abstractmethod
    def shut(self) -> None:
        """Close the connection."""

    # What is posted to the loop's thread.

    @abstractmethod
    def _answer(self, batch: Batch[C, W]) -> None:
        """Tell everybody what became of it."""

    @abstractmethod
    def _answer_and_go_on(self, batch: Batch[C, W]) -> None:
        """The same, and the thread is free for the next batch."""

    @abstractmethod
    def _end(self, unanswered: Batch[C, W]) -> None:
        """There will be no more; this was never committed."""

    def _post(self, callback: Callable[[Batch[C, W]], None], batch: Batch[C, W]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback, batch)

    def _run(self) -> None:
        batch: Batch[C, W] | None = []
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

    def _handed(self) -> Batch[C, W] | None:
        """The next batch; empty: it is time for `before`; None: there will be no more."""
        try:
            return self._queue.get(timeout=self.rest())
        except Empty:
            return []

    def _do(self, batch: Batch[C, W]) -> None:
        first = batch[0][0]
        if self.broken:
            for piece in chain.from_iterable(batch):
                piece.error = JournalBroken(self.broken)
        elif isinstance(first, Beside):
            try:
                first.result = first.work()
            except JournalError as error:
                first.error = error
        else:
            self.commit(batch)
