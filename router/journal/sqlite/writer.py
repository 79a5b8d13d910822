"""Writer: how a batch is committed to the file, over the one connection that writes.

Owns in which thread its rows are written, what is refused alone, what a failed sync means, and checkpoints.
Must not know what the work is.
"""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Generic, TypeVar

import apsw
import msgspec

from router.delivery import State
from router.errors import JournalBroken
from router.journal.group_commit import GroupCommit
from router.journal.journal import Stock
from router.journal.pieces import Batch, run
from router.journal.sqlite.faults import ALONE, fault, refusal

# Pages in the WAL after which it is copied into the main file: 2 MiB. Commits wait for that: the more is
# copied at once, the later the one event in a hundred arrives.
_CHECKPOINT = 512
# Milliseconds to wait for another process that writes to the file: nobody should.
PATIENCE_MS = 1000
# Seconds that `begin` may take, and for which it leaves the work to the thread after it took longer.
_LONG, _AWAY = 0.05, 10.0

T_co = TypeVar("T_co", covariant=True)


class Written(msgspec.Struct, Generic[T_co], frozen=True):
    """What a piece of work came to; takes effect with the commit.

    `moves` is how the counts change; `stock` what the quarantine holds of a source now; `wake` says that
    something may be due; `due` is when what became pending is due, by sink, if not at once; `left` the time
    before which a claim left nothing due, by sink; `cleared` says that a claim found no suspect pending;
    `undo` is work that takes it back if its caller was cancelled and never learned of it.
    """

    result: T_co
    moves: Mapping[tuple[str, State], int] = {}
    stock: Mapping[str, Stock] = {}
    wake: bool = False
    due: Mapping[str, float] = {}
    left: Mapping[str, float] = {}
    cleared: bool = False
    undo: "Callable[[apsw.Cursor], Written[object]] | None" = None


_Batch = Batch[apsw.Cursor, Written[object]]


class Writer(GroupCommit[apsw.Cursor, Written[object]]):
    """Runs work in transactions and answers after the sync; `connection` is for work `beside` them."""

    def __init__(
        self,
        connection: apsw.Connection,
        applied: Callable[[Written[object]], None],
        ended: Callable[[], None],
    ) -> None:
        super().__init__(applied, ended)
        self.connection = connection
        self._cursor = connection.cursor()
        # What `begin` came to: True, the rows are written; False, something was refused; None, nothing.
        self._begun: bool | None = None
        self._error: apsw.Error | None = None
        self._away_until = 0.0
        self._pages = 0
        self._made_room = False
        self._copy_at = _CHECKPOINT
        # Own checkpoints instead of automatic ones: those hide a failed sync, and hold up answers.
        connection.set_wal_hook(self._count_pages)
        self.start()

    def begin(self, batch: _Batch) -> None:
        """Run what is quick here, and leave the commit, which waits for the disk, to the thread.

        There each statement would have to get the interpreter back from the busy thread of the loop, which
        costs more than the statement. Not where the disk turned out to be slow to read from: `_LONG` seconds
        are too much of everybody's time, and for the next `_AWAY` the thread does it all.
        """
        now = self._loop.time()
        if self.broken or now < self._away_until or not all(one.quick for group in batch for one in group):
            return
        try:
            self.connection.set_busy_timeout(0)
            self._begun = self._run_all(batch)
        except apsw.Error as error:
            # Another process that writes is waited for by the thread, which has the patience.
            if self.connection.in_transaction or not isinstance(error, apsw.BusyError):
                self._error = error
        finally:
            self.connection.set_busy_timeout(PATIENCE_MS)
        if self._loop.time() - now > _LONG:
            self._away_until = now + _AWAY

    def commit(self, batch: _Batch) -> None:
        """See `Committer.commit`."""
        try:
            if self._error is not None:
                raise self._error
            if self._begun is None:
                self._begun = self._run_all(batch)
            if self._begun:
                self._cursor.execute("COMMIT")
            else:
                self._one_by_one(batch)
        except apsw.Error as error:
            self._roll_back(batch, error)
        finally:
            self._begun = self._error = None

    def _run_all(self, batch: _Batch) -> bool:
        """The usual way, without the price of savepoints; False: something was refused, nothing changed."""
        cursor = self._cursor
        cursor.execute("BEGIN IMMEDIATE")
        try:
            for group in batch:
                run(group, cursor)
        except ALONE:
            cursor.execute("ROLLBACK")
            return False
        return True

    def _one_by_one(self, batch: _Batch) -> None:
        """Whatever is refused fails alone."""
        cursor = self._cursor
        cursor.execute("BEGIN IMMEDIATE")
        for piece in chain.from_iterable(batch):
            piece.written = None
            cursor.execute("SAVEPOINT piece")
            try:
                run([piece], cursor)
            except ALONE as error:
                piece.error = refusal(error)
                cursor.execute("ROLLBACK TO piece")
            cursor.execute("RELEASE piece")
        cursor.execute("COMMIT")

    def _roll_back(self, batch: _Batch, error: apsw.Error) -> None:
        self._judge(error)
        if self.connection.in_transaction:
            self._cursor.execute("ROLLBACK")
        for piece in chain.from_iterable(batch):
            piece.written = None
            piece.error = JournalBroken(self.broken) if self.broken else fault(error)
        if isinstance(error, apsw.FullError):
            self._make_room()

    def _make_room(self) -> None:
        """On a full disk: what the log holds may fit into the main file, which makes room in the log.

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

    def owes(self) -> bool:
        """Whether the log has grown long."""
        if self._pages < _CHECKPOINT:
            self._copy_at = _CHECKPOINT
        return self._pages >= self._copy_at and not self.broken

    def after(self) -> None:
        """Copy the log into the main file."""
        self._copy(apsw.SQLITE_CHECKPOINT_PASSIVE)
        # A reader, a backup for example, may keep the log from starting over: not again each commit.
        self._copy_at = self._pages + _CHECKPOINT

    def _copy(self, mode: int) -> bool:
        try:
            self.connection.wal_checkpoint(mode=mode)
        except apsw.Error as error:
            self._judge(error)
            return False
        return True

    def shut(self) -> None:
        """Copy the log into the main file, and close the connection."""
        if self.broken or not self._copy(apsw.SQLITE_CHECKPOINT_TRUNCATE):
            # The log stays: the next opening reads it, and copies it if it can.
            self.connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self.connection.close()
