"""Archive on PostgreSQL: pages of events and deliveries by index, and what an operator may do with them."""

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import cast

from router.clock import id_text
from router.delivery import Attempt, Delivery, Route, State
from router.errors import Unknown
from router.event import Event
from router.journal.bites import BITE, in_bites, onward, until_done
from router.journal.journal import DeliveryQuery, EventQuery, Judged
from router.journal.postgres.inbox import Owed, owe
from router.journal.postgres.moves import bury, bury_of, revive, revive_of
from router.journal.postgres.rows import EVENT_COLUMNS, plain, whole_event
from router.journal.postgres.store import Side
from router.journal.postgres.text import stored
from router.journal.postgres.work import Cursor, Written
from router.journal.rows import (
    DELIVERY,
    attempt_of,
    border,
    delivery_number,
    delivery_of,
    event_number,
    event_of,
    oldest_id,
    ruleset_of,
)
from router.journal.statements import statements

_SQL = statements("postgres", "archive")
_FIELDS = ("source", "provider", "kind", "status", "branch", "project")
# What may be longer than a key can hold is in its index by so many characters.
_LONG, _BEGINNING = ("branch", "project"), 500


def events_query(query: EventQuery, before: int, oldest: int) -> tuple[str, list[object]]:
    """The statement for a page of events with ids between the two, and its values."""
    terms, values = ["id < %s", "id >= %s"], list[object]((before, oldest))
    wanted = (query.source, query.provider, query.kind, query.status, query.branch, query.project)
    for field, value in zip(_FIELDS, wanted, strict=True):
        if value is not None:
            _equal(field, stored(value), terms, values)
    if query.since is not None:
        terms.append("received_at >= %s")
        values.append(query.since)
    if query.text is not None:
        terms.append("searched(title, branch, author, commit, build, project) ILIKE %s")
        values.append(_containing(stored(query.text)))
    sql = " ".join([_SQL["events"], "WHERE", " AND ".join(terms), "ORDER BY id DESC LIMIT %s"])
    return sql, [*values, query.limit]


def _equal(field: str, value: str, terms: list[str], values: list[object]) -> None:
    if field in _LONG:
        terms.append(f"left({field}, {_BEGINNING}) = %s")
        values.append(value[:_BEGINNING])
        # The whole: asked for twice, it is believed to be rare, and all of it is read and sorted.
        if len(value) < _BEGINNING:
            return
    terms.append(f"{field} = %s")
    values.append(value)


def _containing(text: str) -> str:
    for special in "\\%_":
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


def _events(query: EventQuery, before: int, oldest: int, cursor: Cursor) -> list[Event]:
    return [event_of(plain(row)) for row in cursor.execute(*events_query(query, before, oldest)).fetchall()]


def _event(number: int, cursor: Cursor) -> Judged | None:
    for row in cursor.execute(_SQL["event"], (number,)).fetchall():
        return Judged(whole_event(row), ruleset_of(plain(row[:EVENT_COLUMNS])))
    return None


def _deliveries(query: DeliveryQuery, before: int, cursor: Cursor) -> list[Delivery]:
    """Open and settled ones, each newest first by an index; the pages are merged."""
    terms, values = ["id < %s"], list[object]((before,))
    if query.sink is not None:
        terms.append("sink = %s")
        values.append(stored(query.sink))
    if query.event_id is not None:
        terms.append("event = %s")
        values.append(event_number(query.event_id))
    tables = ["open", "settled"]
    if query.state is not None:
        terms.append(f"state = '{query.state}'")
        tables = ["settled" if query.state in (State.DELIVERED, State.DEAD) else "open"]
    if query.created_since is not None:
        terms.append("created_at >= %s")
        values.append(query.created_since)
    if query.settled_since is not None:
        terms.append("settled_at >= %s")
        values.append(query.settled_since)
        tables = [table for table in tables if table == "settled"]
    found: list[tuple[object, ...]] = []
    for table in tables:
        sql = " ".join([_SQL[table], "WHERE", " AND ".join(terms), "ORDER BY id DESC LIMIT %s"])
        found += cursor.execute(sql, [*values, query.limit]).fetchall()
    found.sort(key=_number, reverse=True)
    return [delivery_of(plain(row)) for row in found[: query.limit]]


def _number(row: tuple[object, ...]) -> int:
    return cast(int, row[0])


def _attempts(delivery_ids: Sequence[str], cursor: Cursor) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = {delivery_id: [] for delivery_id in delivery_ids}
    numbers = {delivery_number(delivery_id): delivery_id for delivery_id in delivery_ids}
    if numbers:
        for row in cursor.execute(_SQL["attempts"], (list(numbers),)).fetchall():
            found[numbers[_number(row)]].append(attempt_of(plain(row[1:])))
    return found


def _rules(digest: str, cursor: Cursor) -> str | None:
    for row in cursor.execute(_SQL["rules"], (digest,)).fetchall():
        return cast(str, plain(row)[0])
    return None


def _add(event_id: str, owed: Sequence[tuple[int, Route]], now: float, cursor: Cursor) -> Written[list[str]]:
    number = event_number(event_id)
    # Locked: of two who add to the same event the second one sees what the first added.
    found = cursor.execute(_SQL["one"], (number,)).fetchall()
    if not found:
        raise Unknown(f"no event '{event_id}'")
    taken = {plain(row)[0] for row in cursor.execute(_SQL["sinks"], {"event": number}).fetchall()}
    missing = {route.sink: (delivery, route) for delivery, route in reversed(owed) if route.sink not in taken}
    thread = event_of(plain(found[0])).thread
    new = sorted(missing.values(), key=lambda pair: pair[0])
    moves = owe([Owed(delivery, number, route, now, thread) for delivery, route in new], cursor)
    return Written([id_text(DELIVERY, delivery) for delivery, _ in new], moves, wake=bool(new))


class PostgresArchive(Side):
    """The operators' side."""

    async def events(self, query: EventQuery) -> list[Event]:
        """See `Archive.events`."""
        before = border(event_number, query.before)
        oldest = 0 if query.since is None else oldest_id(query.since, self._store.clock)
        return await self._store.reader.read(partial(_events, query, before, oldest))

    async def event(self, event_id: str) -> Judged | None:
        """See `Archive.event`."""
        return await self._store.reader.read(partial(_event, event_number(event_id)))

    async def deliveries(self, query: DeliveryQuery) -> list[Delivery]:
        """See `Archive.deliveries`."""
        before = border(delivery_number, query.before)
        return await self._store.reader.read(partial(_deliveries, query, before))

    async def attempts(self, delivery_ids: Sequence[str]) -> dict[str, list[Attempt]]:
        """See `Archive.attempts`."""
        return await self._store.reader.read(partial(_attempts, delivery_ids))

    async def rules(self, digest: str) -> str | None:
        """See `Archive.rules`."""
        return await self._store.reader.read(partial(_rules, digest))

    async def requeue(self, *, ids: Sequence[str] = (), sink: str | None = None) -> int:
        """See `Archive.requeue`."""
        store = self._store
        now = store.clock.now()
        numbers = [delivery_number(each) for each in ids]
        revived = await in_bites(store.writer, numbers, lambda bite, cursor: revive(bite, now, cursor))
        if sink is not None:
            revived += await onward(store.writer, lambda after, cursor: revive_of(sink, after, now, cursor))
        return revived

    async def discard(self, *, ids: Sequence[str] = (), sink: str | None = None, reason: str) -> int:
        """See `Archive.discard`."""
        store = self._store
        now = store.clock.now()
        numbers = [delivery_number(each) for each in ids]
        buried = await in_bites(store.writer, numbers, lambda bite, cursor: bury(bite, reason, now, cursor))
        if sink is not None:
            # Not until nothing is left: what is owed meanwhile, all the time, is none of these.
            work = partial(bury_of, sink, inf, BITE, reason, now)
            buried += await until_done(store.writer, work, least=BITE)
        return buried

    async def add(self, event_id: str, routes: Sequence[Route]) -> list[str]:
        """See `Archive.add`."""
        store = self._store
        owed = [(store.ids.next(), route) for route in routes]
        return await store.writer.write(partial(_add, event_id, owed, store.clock.now()))
