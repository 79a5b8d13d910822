"""Inbox on SQLite: an event, its body and what is owed for it, in one transaction."""

import hashlib
from collections.abc import Sequence
from functools import partial
from math import inf
from typing import cast

import apsw
import msgspec

from router.clock import id_text
from router.delivery import Route, State
from router.event import Event
from router.journal.journal import Receipt
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

    It is a duplicate if its equal was recorded at `since` or later.
    """

    event: Event
    number: int
    digest: bytes
    owed: list[tuple[int, Route]]
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


def _record(turn: _Turn, recent: Recent, cursor: apsw.Cursor) -> Written[Receipt]:
    entry = turn.entry
    if entry is None:
        return Written(Receipt("", duplicate=False))
    stock = {} if entry.released is None else release(entry.released, cursor)
    event = entry.event
    subject = (event.source, event.subject)
    known = cursor.execute(_SEEN, subject).fetchall() if entry.flag_reuse else []
    cursor.execute(_SEE, (*subject, entry.digest, entry.number, entry.now, entry.since))
    if not cursor.connection.changes():
        ((first, _),) = cursor.execute(_SEEN, subject).fetchall()
        return Written(Receipt(id_text(EVENT, cast(int, first)), duplicate=True), stock=stock)
    if known and known[0][1] != entry.digest:
        event = msgspec.structs.replace(event, reused=True)
    cursor.execute(_EVENT, event_row(event, entry.number, entry.ruleset))
    cursor.execute(_BODY, (entry.number, event.payload))
    moves = insert_deliveries(cursor, entry.number, event.thread, entry.owed, entry.now)
    if moves:
        recent.keep(entry.number, event)
    return Written(Receipt(event.id, duplicate=False), moves, stock, wake=bool(moves))


def insert_deliveries(
    cursor: apsw.Cursor, event: int, thread: str | None, owed: Sequence[tuple[int, Route]], now: float
) -> Moves:
    """Insert pending deliveries, due now; returns how the counts change."""
    moves: Moves = {}
    for number, route in owed:
        cursor.execute(_DELIVERY, (number, event, route.sink, route.rule, now, now, thread))
        shift(moves, route.sink, None, State.PENDING)
    return moves


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
        turn = _Turn(Entry(event, number, digest, owed, ruleset, now, since, flag_reuse, released))
        store.asked += 1
        try:
            return await store.writer.write(partial(_record, turn, store.recent))
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
