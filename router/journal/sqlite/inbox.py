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
from router.journal.sqlite.rows import EVENT, event_number, event_row
from router.journal.sqlite.statements import statements
from router.journal.sqlite.store import Recent, Side
from router.journal.sqlite.tally import Moves, shift
from router.journal.sqlite.writer import Written

_SQL = statements("inbox")
_SEE, _SEEN, _EVENT, _BODY = _SQL["see"], _SQL["seen"], _SQL["insert_event"], _SQL["insert_body"]
_DELIVERY, _REMEMBER = _SQL["insert_delivery"], _SQL["remember"]
_DIGEST_BYTES = 16


class Entry:
    """An event on its way in, with everything its rows are made of."""

    __slots__ = ("digest", "event", "flag_reuse", "now", "number", "owed", "recent", "ruleset", "since")

    def __init__(self, event: Event, owed: list[tuple[int, Route]], ruleset: str, now: float) -> None:
        self.event = event
        self.number = event_number(event.id)
        if not self.number:
            raise ValueError(f"'{event.id}' is not an event id")
        self.owed = owed
        self.ruleset = ruleset
        self.now = now
        self.digest = hashlib.sha256(event.payload).digest()[:_DIGEST_BYTES]

    def write(self, recent: Recent, since: float, flag_reuse: bool, cursor: apsw.Cursor) -> Written[Receipt]:  # noqa: FBT001 - bound by partial
        """Insert it, unless its subject's last body is the same and was recorded at `since` or later."""
        event = self.event
        known = cursor.execute(_SEEN, (event.source, event.subject)).fetchone() if flag_reuse else None
        cursor.execute(_SEE, (event.source, event.subject, self.digest, self.number, self.now, since))
        if not cursor.connection.changes():
            row = cursor.execute(_SEEN, (event.source, event.subject)).fetchall()[0]
            return Written(Receipt(id_text(EVENT, cast(int, row[0])), duplicate=True))
        if known is not None and known[1] != self.digest:
            event = msgspec.structs.replace(event, reused=True)
        cursor.execute(_EVENT, event_row(event, self.number, self.ruleset))
        cursor.execute(_BODY, (self.number, event.payload))
        moves = insert_deliveries(cursor, self.number, event.thread, self.owed, self.now)
        if moves:
            recent.keep(self.number, event)
        return Written(Receipt(event.id, duplicate=False), moves, wake=bool(moves))


def insert_deliveries(
    cursor: apsw.Cursor, event: int, thread: str | None, owed: Sequence[tuple[int, Route]], now: float
) -> Moves:
    """Insert pending deliveries, due now; returns how the counts change."""
    moves: Moves = {}
    for number, route in owed:
        cursor.execute(_DELIVERY, (number, event, route.sink, route.rule, now, now, thread))
        shift(moves, route.sink, None, State.PENDING)
    return moves


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
    ) -> Receipt:
        """See `Inbox.record`."""
        store = self._store
        now = store.clock.now()
        entry = Entry(event, [(store.ids.next(), route) for route in routes], ruleset, now)
        since = -inf if window is None else now - window if window > 0 else inf
        return await store.writer.write(partial(entry.write, store.recent, since, flag_reuse))

    async def remember(self, digest: str, rules: str) -> None:
        """See `Inbox.remember`."""
        now = self._store.clock.now()
        await self._store.writer.write(partial(_remember, digest, rules, now))
