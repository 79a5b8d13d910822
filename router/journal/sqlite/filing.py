"""Filing: what comes in, into the tables: events, their bodies, and what is owed for them, many at once.

Owns which event is a duplicate. Must not know who waits for it.
"""

from collections.abc import Collection, Sequence
from typing import cast

import apsw
import msgspec

from router.clock import id_text
from router.delivery import Route, State
from router.event import Event
from router.journal.journal import Receipt, Stock
from router.journal.rows import EVENT, Value, event_row
from router.journal.sqlite.bulk import Bulk
from router.journal.sqlite.quarantine import release
from router.journal.sqlite.statements import statements
from router.journal.sqlite.writer import Written
from router.journal.store import Recent
from router.journal.tally import Moves, shift

_SQL = statements("filing")
_KNOWN, _SEE = Bulk(_SQL["known"]), Bulk(_SQL["see"])
_EVENT, _BODY, _DELIVERY = (Bulk(_SQL[f"insert_{what}"]) for what in ("event", "body", "delivery"))
# SQLite copies what is bound, and a prepared statement keeps its copies until it runs again: bodies beyond
# this go one by one, or the statements of all sizes would keep dozens of them.
_SHARING = 64 << 10

_Subject = tuple[str, str]


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


class Filed(msgspec.Struct, frozen=True):
    """The receipt, and the event as it was stored, None if it was not."""

    receipt: Receipt
    event: Event | None


class _Rows:
    """What is to be inserted, and how that changes the counts."""

    def __init__(self) -> None:
        self.seen: dict[_Subject, tuple[Value, ...]] = {}
        self.events: list[tuple[Value, ...]] = []
        self.bodies: list[tuple[int, bytes]] = []
        self.deliveries: list[tuple[Value, ...]] = []
        self.moves: Moves = {}
        self.stock: dict[str, Stock] = {}
        self.pending = False


def file(recent: Recent, entries: Sequence[Entry], cursor: apsw.Cursor) -> list[Written[Filed]]:
    """Store what is no duplicate, in that order; what changes by all of it stands with the first."""
    known = _known(entries, cursor)
    rows = _Rows()
    filed = [_file(entry, known, recent, rows, cursor) for entry in entries]
    if rows.events:
        _SEE.run(cursor, list(rows.seen.values()))
        _EVENT.run(cursor, rows.events)
        _store_bodies(rows.bodies, cursor)
        _DELIVERY.run(cursor, rows.deliveries)
    first = Written(filed[0], rows.moves, rows.stock, wake=rows.pending)
    return [first, *map(Written, filed[1:])]


def _known(entries: Sequence[Entry], cursor: apsw.Cursor) -> dict[_Subject, tuple[int, bytes, float]]:
    """The last event of each subject: its number, digest and time."""
    subjects = [(entry.event.source, entry.event.subject) for entry in entries]
    found = cast(list[tuple[str, str, int, bytes, float]], _KNOWN.ask(cursor, subjects))
    return {(source, subject): (event, digest, at) for source, subject, event, digest, at in found}


def _file(
    entry: Entry,
    known: dict[_Subject, tuple[int, bytes, float]],
    recent: Recent,
    rows: _Rows,
    cursor: apsw.Cursor,
) -> Filed:
    if entry.released is not None:
        rows.stock.update(release(entry.released, cursor))
    event, number = entry.event, entry.number
    subject = (event.source, event.subject)
    last = known.get(subject)
    if last is not None:
        if last[1] == entry.digest and last[2] >= entry.since:
            return Filed(Receipt(id_text(EVENT, last[0]), duplicate=True), None)
        if entry.flag_reuse and last[1] != entry.digest:
            event = msgspec.structs.replace(event, reused=True)
    known[subject] = (number, entry.digest, entry.now)
    rows.seen[subject] = (*subject, entry.digest, number, entry.now)
    rows.events.append(event_row(event, number, entry.ruleset))
    rows.bodies.append((number, event.payload))
    if entry.owed:
        rows.deliveries += _deliveries(entry, event, rows.moves)
        if len(entry.owed) > len(entry.born):
            rows.pending = True
            recent.keep(number, event)
    return Filed(Receipt(event.id, duplicate=False), event)


def _store_bodies(bodies: Sequence[tuple[int, bytes]], cursor: apsw.Cursor) -> None:
    _BODY.run(cursor, [row for row in bodies if len(row[1]) <= _SHARING])
    for row in bodies:
        if len(row[1]) > _SHARING:
            _BODY.run(cursor, [row])


def _deliveries(entry: Entry, event: Event, moves: Moves) -> list[tuple[Value, ...]]:
    number, thread, now = entry.number, event.thread, entry.now
    rows: list[tuple[Value, ...]] = []
    for delivery, route in entry.owed:
        state, claim = (State.IN_FLIGHT, 1) if delivery in entry.born else (State.PENDING, 0)
        rows.append((delivery, number, route.sink, route.rule, state, now, now, claim, 0, 0, None, thread))
        shift(moves, route.sink, None, state)
    return rows


def insert_deliveries(
    event: int, thread: str | None, owed: Sequence[tuple[int, Route]], now: float, cursor: apsw.Cursor
) -> Moves:
    """Insert pending deliveries, due now; returns how the counts change."""
    moves: Moves = {}
    rows: list[tuple[Value, ...]] = []
    for number, route in owed:
        rows.append((number, event, route.sink, route.rule, State.PENDING, now, now, 0, 0, 0, None, thread))
        shift(moves, route.sink, None, State.PENDING)
    _DELIVERY.run(cursor, rows)
    return moves
