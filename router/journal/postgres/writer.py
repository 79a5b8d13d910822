"""Writer: how a batch is committed to the server, and the lease that goes with it.

Owns what is refused alone or done again, and reconnecting. Must not know what the work is.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from itertools import chain
from typing import cast

import psycopg

from router.delivery import State
from router.errors import JournalBroken, JournalError, JournalUnavailable
from router.journal.group_commit import GroupCommit
from router.journal.pieces import Batch, Single, run
from router.journal.postgres.connecting import Connection, begin
from router.journal.postgres.faults import AGAIN, ALONE, fault, is_over, refusal
from router.journal.postgres.work import Berth, Cursor, Moves, Written

# Work that may wait for a server that does not answer; beyond that it is refused at once.
_MOST_WAITING = 16_384
_TRIES = 5
# Seconds after a failed connection in which nobody waits for another one.
_PAUSE = 0.5

_Batch = Batch[Cursor, Written[object]]


class Writer(GroupCommit[Cursor, Written[object]]):
    """Runs work in transactions and answers after the commit; see `GroupCommit`.

    `order` is the same in every router: so that none waits for another in a circle.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        first: Connection,
        berth: Berth,
        applied: Callable[[Written[object]], None],
        ended: Callable[[], None],
        order: Sequence[object],
    ) -> None:
        super().__init__(applied, ended, order)
        self._connect = connect
        self._connection: Connection | None = first
        self._berth = berth
        # Locks end before the lease does, so that whoever takes over meets none.
        self._begin = begin(berth.every)
        self._doubt = False
        self._beat_at = time.monotonic() + berth.every
        self._quiet_until = 0.0
        self._trouble = JournalUnavailable()
        self.start()

    def refusal(self) -> JournalError | None:
        """See `GroupCommit.refusal`."""
        if self.waiting >= _MOST_WAITING:
            return JournalUnavailable(
                "the journal's server does not answer, and too much waits for it already"
            )
        return super().refusal()

    def rest(self) -> float:
        """Seconds until the next beat."""
        return max(0.0, self._beat_at - time.monotonic())

    def before(self) -> None:
        """Beat if it is time to: whoever slept for longer than its lease must learn of it first."""
        if time.monotonic() >= self._beat_at:
            self._beat()

    def commit(self, batch: _Batch) -> None:
        """See `Committer.commit`."""
        try:
            self._transact(batch)
        except psycopg.Error as error:
            self._fail(batch, self._judge(error))
        except JournalError as error:
            self._fail(batch, error)
        else:
            self._note(batch)

    def _fail(self, batch: _Batch, error: JournalError) -> None:
        for piece in chain.from_iterable(batch):
            # One each: an error grows by the frames of everybody whom it is raised to, and keeps them.
            piece.written, piece.error = None, type(error)(*error.args)
            # Work that nobody waits for is not asked for again: the next beat puts it right.
            self._doubt = self._doubt or piece.future is None

    def _note(self, batch: _Batch) -> None:
        try:
            for piece in chain.from_iterable(batch):
                if piece.written is not None and self._connection is not None:
                    self._berth.note(piece.written, self._connection)
        except psycopg.Error as error:
            self._judge(error)

    def _transact(self, batch: _Batch) -> None:
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

    def _all_at_once(self, batch: _Batch, cursor: Cursor) -> bool:
        """The usual way, in as few statements as there is different work; False: something was refused."""
        cursor.connection.execute(self._begin)
        try:
            for group in batch:
                run(group, cursor)
            self._berth.count(_sum(batch), cursor)
        except ALONE:
            cursor.execute("ROLLBACK")
            self._berth.undone()
            return False
        cursor.execute("COMMIT")
        return True

    def _one_by_one(self, batch: _Batch, cursor: Cursor) -> None:
        """Whatever is refused fails alone."""
        cursor.connection.execute(self._begin)
        for piece in chain.from_iterable(batch):
            piece.written, piece.error = None, None
            cursor.execute("SAVEPOINT piece")
            try:
                run([piece], cursor)
            except ALONE as error:
                piece.error = refusal(error)
                cursor.execute("ROLLBACK TO piece")
                self._berth.undone()
            cursor.execute("RELEASE piece")
        self._berth.count(_sum(batch), cursor)
        cursor.execute("COMMIT")

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
        beat = Single[Cursor, Written[object]](lambda cursor: self._berth.beat(cursor, again=self._doubt))
        try:
            with connection.cursor(binary=True) as cursor:
                cursor.connection.execute(self._begin)
                run([beat], cursor)
                cursor.execute("COMMIT")
        except (psycopg.Error, JournalUnavailable):
            self._doubt, self._connection = True, None
            connection.close()
            raise
        self._doubt = False
        self._beat_at = time.monotonic() + self._berth.every
        self._post(self._answer, [[beat]])

    def shut(self) -> None:
        """Give the place up, in another session if this one turns out to be broken; close the connection."""
        connection, self._connection = self._connection, None
        # Who knows that the server is away does not wait for it: the lease ends by itself.
        if connection is not None and not self._leave(connection):
            with suppress(psycopg.Error):
                self._leave(self._connect())

    def _leave(self, connection: Connection) -> bool:
        try:
            with closing(connection), connection.cursor() as cursor:
                self._berth.leave(cursor)
        except psycopg.Error as error:
            return not is_over(error)
        return True


def _sum(batch: _Batch) -> Moves:
    moves: dict[tuple[str, State], int] = {}
    for piece in chain.from_iterable(batch):
        for key, change in piece.written.moves.items() if piece.written is not None else ():
            moves[key] = moves.get(key, 0) + change
    return {key: change for key, change in moves.items() if change}
