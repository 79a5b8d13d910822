"""Inbox on PostgreSQL: events, their bodies and what is owed for them; all that wait, in a few statements."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import cast

import msgspec

from router.clock import id_text
from router.delivery import Route, State
from router.event import Event
from router.journal.duplicates import digest_of, since
from router.journal.journal import Receipt
from router.journal.postgres.quarantine import release
from router.journal.postgres.store import Side
from router.journal.postgres.text import stored
from router.journal.postgres.work import Cursor, Written
from router.journal.rows import EVENT, event_number, event_row
from router.journal.statements import statements
from router.journal.tally import Moves, shift

_SQL = statements("postgres", "inbox")
_WIDTH = 21


class Owed(msgspec.Struct, frozen=True):
    """A delivery on its way in."""

    number: int
    event: int
    route: Route
    now: float
    thread: str | None


class Entry(msgspec.Struct, frozen=True):
    """An event on its way in: `owed` are its routes with the ids of their deliveries.

    It is a duplicate if its equal was recorded at `since` or later.
    """

    event: Event
    number: int
    digest: bytes
    owed: list[Owed]
    ruleset: str
    now: float
    since: float
    flag_reuse: bool
    released: str | None

    @property
    def subject(self) -> tuple[str, str]:
        """What no two events of one statement may share."""
        return stored(self.event.source), stored(self.event.subject)


def columns(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    """The same as arrays, one per column."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def rounds(entries: Iterable[tuple[object, int]]) -> Iterator[list[int]]:
    """The places of entries (key, place), in rounds in which no key comes twice, the first ones first."""
    rest = list(entries)
    while rest:
        taken: set[object] = set()
        now: list[int] = []
        later: list[tuple[object, int]] = []
        for key, place in rest:
            if key in taken:
                later.append((key, place))
            else:
                taken.add(key)
                now.append(place)
        yield now
        rest = later


def owe(owed: Sequence[Owed], cursor: Cursor) -> Moves:
    """Insert pending deliveries, due now; returns how the counts change."""
    if owed:
        cursor.execute(_SQL["owe"], _owed_columns(owed))
    return _moves(owed)


def _owed_columns(owed: Sequence[Owed]) -> list[list[object]]:
    rows = [
        (
            each.number,
            each.event,
            stored(each.route.sink),
            stored(each.route.rule),
            each.now,
            stored(each.thread),
        )
        for each in owed
    ]
    return columns(rows, 6)


def _moves(owed: Sequence[Owed]) -> Moves:
    moves: Moves = {}
    for each in owed:
        shift(moves, each.route.sink, None, State.PENDING)
    return moves


class PostgresInbox(Side):
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
        thread = event.thread if routes else None
        owed = [Owed(store.ids.next(), number, route, now, thread) for route in routes]
        digest, oldest = digest_of(event.payload), since(window, now)
        entry = Entry(event, number, digest, owed, ruleset, now, oldest, flag_reuse, released)
        return await store.writer.share(self.record_all, entry, recall=True)

    async def remember(self, digest: str, rules: str) -> None:
        """See `Inbox.remember`."""
        await self._store.writer.write(partial(_remember, digest, rules, self._store.clock.now()))

    def record_all(self, entries: Sequence[Entry], cursor: Cursor) -> list[Written[Receipt]]:
        """Record events, those with the same subject one after another."""
        answers: dict[int, Written[Receipt]] = {}
        fresh: list[Entry] = []
        for places in rounds((entry.subject, place) for place, entry in enumerate(entries)):
            fresh += self._look([(place, entries[place]) for place in places], answers, cursor)
        self._insert(fresh, cursor)
        return [answers[place] for place in range(len(entries))]

    def _look(
        self, entries: list[tuple[int, Entry]], answers: dict[int, Written[Receipt]], cursor: Cursor
    ) -> list[Entry]:
        """Which of these are no duplicates; no subject comes twice among them."""
        stock = {
            place: release(entry.released, cursor) for place, entry in entries if entry.released is not None
        }
        rows = [(*entry.subject, entry.digest, entry.number, entry.since) for _, entry in entries]
        found = cursor.execute(
            _SQL["see"], [max(entry.now for _, entry in entries), *columns(rows, 5)]
        ).fetchall()
        changed = dict(cast(list[tuple[int, bool]], found))
        fresh: list[Entry] = []
        for place, entry in entries:
            if entry.number in changed:
                kept = _flagged(entry, changed=changed[entry.number])
                fresh.append(kept)
                answers[place] = Written(
                    Receipt(entry.event.id, duplicate=False), _moves(entry.owed), stock.get(place, {}),
                    wake=bool(entry.owed),
                )  # fmt: skip
        repeated = [(place, entry) for place, entry in entries if entry.number not in changed]
        for place, first in _firsts(repeated, cursor):
            answers[place] = Written(Receipt(first, duplicate=True), stock=stock.get(place, {}))
        return fresh

    def _insert(self, entries: list[Entry], cursor: Cursor) -> None:
        if not entries:
            return
        rows = []
        for entry in entries:
            rows.append([stored(value) for value in event_row(entry.event, entry.number, entry.ruleset)])
            if entry.owed:
                self._store.recent.keep(entry.number, entry.event)
        owed = [each for entry in entries for each in entry.owed]
        self._store.days.ensure([number for entry in entries for number in _numbers(entry)], cursor)
        bodies = [(entry.number, entry.event.payload) for entry in entries]
        cursor.execute(_SQL["record"], [*columns(rows, _WIDTH), *columns(bodies, 2), *_owed_columns(owed)])


def _numbers(entry: Entry) -> list[int]:
    return [entry.number, *(each.number for each in entry.owed)]


def _flagged(entry: Entry, *, changed: bool) -> Entry:
    if not (changed and entry.flag_reuse):
        return entry
    return msgspec.structs.replace(entry, event=msgspec.structs.replace(entry.event, reused=True))


def _firsts(repeated: list[tuple[int, Entry]], cursor: Cursor) -> list[tuple[int, str]]:
    """Under which id each of these is known."""
    if not repeated:
        return []
    found = cursor.execute(_SQL["seen"], columns([entry.subject for _, entry in repeated], 2)).fetchall()
    firsts = {(source, subject): cast(int, event) for source, subject, event in found}
    return [(place, id_text(EVENT, firsts[entry.subject])) for place, entry in repeated]


def _remember(digest: str, rules: str, now: float, cursor: Cursor) -> Written[None]:
    cursor.execute(_SQL["remember"], (digest, stored(rules), now))
    return Written(None)
