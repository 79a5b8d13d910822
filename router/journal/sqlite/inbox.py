"""Inbox on SQLite: an event, its body and what is owed for it, in one transaction."""

from collections.abc import Sequence
from functools import partial
from typing import cast

import apsw

from router.delivery import Route
from router.event import Event
from router.journal.duplicates import digest_of, since
from router.journal.journal import Receipt
from router.journal.rows import event_number
from router.journal.sqlite.filing import Entry, Filed, file
from router.journal.sqlite.handover import Handover
from router.journal.sqlite.statements import statements
from router.journal.sqlite.store import Side, Store
from router.journal.sqlite.writer import Written

_SQL = statements("inbox")
# Bodies beyond this take too long to copy for the thread of the loop.
_SMALL = 16 << 10


def _end(handover: Handover, written: Written[object] | None) -> None:
    handover.end(None if written is None else cast(Filed, written.result).event)


def _remember(digest: str, rules: str, now: float, cursor: apsw.Cursor) -> Written[None]:
    cursor.execute(_SQL["remember"], (digest, rules, now))
    return Written(None)


class SqliteInbox(Side):
    """The accept path's side."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._file = partial(file, store.recent)

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
        digest, oldest = digest_of(event.payload), since(window, now)
        owed = [(store.ids.next(), route) for route in routes]
        writer = store.writer
        handover = Handover(store, owed, now)
        entry = Entry(event, number, digest, owed, handover.slots, ruleset, now, oldest, flag_reuse, released)
        done = partial(_end, handover) if handover.slots else None
        store.asked += 1
        try:
            quick = len(event.payload) <= _SMALL
            return (await writer.share(self._file, entry, done, quick=quick, recall=True)).receipt
        finally:
            store.asked -= 1
            if not store.asked:
                store.calm.set()

    async def remember(self, digest: str, rules: str) -> None:
        """See `Inbox.remember`."""
        now = self._store.clock.now()
        await self._store.writer.write(partial(_remember, digest, rules, now))
