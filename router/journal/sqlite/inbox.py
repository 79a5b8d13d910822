"""Inbox on SQLite: an event, its body and what is owed for it, in one transaction."""

import hashlib
from collections.abc import Collection, Sequence
from functools import partial
from math import inf
from typing import cast

import apsw
import msgspec

from router.clock import id_text
from router.delivery import Route, State
from router.event import Event
from router.journal.journal import Receipt
from router.journal.sqlite.handover import Handover
from router.journal.sqlite.quarantine import release
from router.journal.sqlite.rows import EVENT, event_number, event_row
from router.journal.sqlite.statements import statements
from router.journal.sqlite.store import Recent, Side
from router.journal.sqlite.tally import Moves, shift
from router.journal.sqlite.writer import Written

_SQL = statements("inbox")
_SEE, _SEEN, _EVENT, _BODY = _SQL["see"], _SQL["seen"], _SQL["insert_event"], _SQL["insert_body"]
_DELIVERY, _REMEMBER = _SQL["insert_delivery"], _SQL["remember"]
_DIGEST_BYTES = 16


class Entry(msgspec.Struct, frozen=True):
    """An event on its way in: `owed` are its routes with the ids of their deliveries.

    Those of `born` are in flight from their beginning. It is a duplicate if its equal was recorded at `since`
    or later.
    """

    event: Event
    number: int
    digest: bytes
    owed: list[tuple[int, Route]]
    born: Collection[int]
    ruleset: str
    now: float
    since: float
    flag_reuse: bool
    released: str | None


class _Turn:
    """An entry that waits for its turn; None once its sender was told that it will not be recorded."""

    __slots__ = ("entry",)

    def __init__(self, entry: Entry) -> None:
        self.entry: Entry | None = entry


class Filed(msgspec.Struct, frozen=True):
    """The receipt, and the event as it was stored, None if it was not."""

    receipt: Receipt
    event: Event | None


def _record(turn: _Turn, recent: Recent, cursor: apsw.Cursor) -> Written[Filed]:
    entry = turn.entry
    if entry is None:
        return Written(Filed(Receipt("", duplicate=False), None))
    stock = {} if entry.released is None else release(entry.released, cursor)
    event = entry.event
    subject = (event.source, event.subject)
    known = cursor.execute(_SEEN, subject).fetchall() if entry.flag_reuse else []
    cursor.execute(_SEE, (*subject, entry.digest, entry.number, entry.now, entry.since))
    if not cursor.connection.changes():
        ((first, _),) = cursor.execute(_SEEN, subject).fetchall()
        receipt = Receipt(id_text(EVENT, cast(int, first)), duplicate=True)
        return Written(Filed(receipt, None), stock=stock)
    if known and known[0][1] != entry.digest:
        event = msgspec.structs.replace(event, reused=True)
    cursor.execute(_EVENT, event_row(event, entry.number, entry.ruleset))
    cursor.execute(_BODY, (entry.number, event.payload))
    moves = insert_deliveries(cursor, entry.number, event.thread, entry.owed, entry.now, entry.born)
    pending = len(entry.owed) > len(entry.born)
    if pending:
        recent.keep(entry.number, event)
    filed = Filed(Receipt(event.id, duplicate=False), event)
    return Written(filed, moves, stock, wake=pending)


def insert_deliveries(
    cursor: apsw.Cursor,
    event: int,
    thread: str | None,
    owed: Sequence[tuple[int, Route]],
    now: float,
    born: Collection[int] = (),
) -> Moves:
    """Insert deliveries, due now: pending, or those of `born` in flight; returns how the counts change."""
    moves: Moves = {}
    for number, route in owed:
        state, claim = (State.IN_FLIGHT, 1) if number in born else (State.PENDING, 0)
        cursor.execute(_DELIVERY, (number, event, route.sink, route.rule, state, now, now, claim, thread))
        shift(moves, route.sink, None, state)
    return moves


def _end(handover: Handover, written: Written[object] | None) -> None:
    handover.end(None if written is None else cast(Filed, written.result).event)


def digest_of(body: bytes) -> bytes:
    """What two equal bodies share."""
    return hashlib.sha256(body).digest()[:_DIGEST_BYTES]


def _remember(digest: str, rules: str, now: float, cursor: apsw.Cursor) -> Written[None]:
    cursor.execute(_REMEMBER, (digest, rules, now))
    return Written(None)


class SqliteInbox(Side):
    """The accept path's side."""

    async def record(
        self,
        event: Event,
        routes: Sequence[Route],
        *,
        window: float | None,
        ruleset: str,
        flag_reuse: bool = False,
        released: str | None = None,
    ) -> Receipt:
        """See `Inbox.record`. `ValueError` if the event has no id of the right form."""
        number = event_number(event.id)
        if not number:
            raise ValueError(f"'{event.id}' is not an event id")
        store = self._store
        now = store.clock.now()
        since = -inf if window is None else now - window if window > 0 else inf
        digest = digest_of(event.payload)
        owed = [(store.ids.next(), route) for route in routes]
        writer = store.writer
        handover = Handover(store, owed, now)
        turn = _Turn(
            Entry(event, number, digest, owed, handover.slots, ruleset, now, since, flag_reuse, released)
        )
        done = partial(_end, handover) if handover.slots else None
        store.asked += 1
        try:
            return (await writer.write(partial(_record, turn, store.recent), done=done)).receipt
        finally:
            # Given up or answered: behind a disk that hangs nothing may pile up that nobody counts any more.
            turn.entry = None
            store.asked -= 1
            if not store.asked:
                store.calm.set()

    async def remember(self, digest: str, rules: str) -> None:
        """See `Inbox.remember`."""
        now = self._store.clock.now()
        await self._store.writer.write(partial(_remember, digest, rules, now))
