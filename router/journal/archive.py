"""Archive: pages of events and deliveries, and what an operator may do with them.

Owns the conditions that a question makes, and how a page is put together. Must not know a dialect.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar, cast

import msgspec

from router.clock import id_text
from router.delivery import Attempt, Delivery, Route, State
from router.errors import Unknown
from router.event import Event
from router.journal.bites import BITE, in_bites, onward, until_done
from router.journal.journal import DeliveryQuery, EventQuery, Judged
from router.journal.pieces import C, Outcome, W
from router.journal.rows import (
    DELIVERY,
    Row,
    Value,
    attempt_of,
    border,
    delivery_number,
    delivery_of,
    event_number,
    event_of,
    oldest_id,
    ruleset_of,
    text_of,
)
from router.journal.side import Side
from router.journal.tally import Moves

FILTERS = ("source", "provider", "kind", "status", "branch", "project")

# Of a text in a page, in characters: nobody reads more in a list, and fifty events whose sender wrote
# megabytes would fill the memory. One event is told whole.
SHOWN = 4096
_COLUMNS = (
    "id", "source", "provider", "event", "kind", "status", "provider_status", "branch", "commit", "project",
    "build", "changes", "author", "title", "url", "pull_request", "labels", "received_at", "subject",
    "reused", "ruleset",
)  # fmt: skip
_LONG = ("event", "provider_status", "branch", "commit", "project", "build", "author", "title", "url")

# Conditions, each with the values in it.
Terms = list[tuple[str, tuple[Value, ...]]]
Statement = tuple[str, list[Value]]


def _shown(column: str) -> str:
    """A column of a page of events. What is short is not cut: SQLite would do so at a NUL."""
    name = f'"{column}"'
    if column not in _LONG:
        return name
    return f"CASE WHEN octet_length({name}) > {SHOWN} THEN substr({name}, 1, {SHOWN}) ELSE {name} END"


_EVENTS = f"SELECT {', '.join(map(_shown, _COLUMNS))} FROM events"  # noqa: S608  # our names


class Dialect(msgspec.Struct, frozen=True):
    """How a backend says what all of them say.

    `sql`: its statements; `mark` stands for a value. `looks`: the parts in which deliveries are looked for,
    so that an index serves each newest first: a table, by the name of its statement, and states in it.
    """

    sql: Mapping[str, str]
    mark: str
    looks: Sequence[tuple[str, Sequence[State]]]
    equal: Callable[[str, str], Terms]
    containing: Callable[[str], Terms]

    def events(self, query: EventQuery, before: int, oldest: int, limit: int) -> Statement:
        """For a page of events with ids between the two."""
        terms = self._terms(("id <", before), ("id >=", oldest), ("received_at >=", query.since))
        for field in FILTERS:
            wanted = cast(str | None, getattr(query, field))
            terms += [] if wanted is None else self.equal(field, wanted)
        terms += [] if query.text is None else self.containing(query.text)
        return self._page(_EVENTS, terms, limit)

    def deliveries(self, query: DeliveryQuery, before: int) -> Iterator[Statement]:
        """For pages of deliveries, which are to be merged."""
        terms = self._terms(
            ("id <", before),
            ("sink =", query.sink),
            ("event =", None if query.event_id is None else event_number(query.event_id)),
            ("created_at >=", query.created_since),
            ("settled_at >=", query.settled_since),
        )
        for table, states in self.looks:
            wanted = [state for state in states if query.state in (None, state)]
            if not wanted or (table == "open" and query.settled_since is not None):
                continue
            # Not a value: it decides which index serves.
            state: Terms = [(f"state = '{wanted[0]}'", ())] if len(wanted) == 1 else []
            yield self._page(self.sql[table], terms + state, query.limit)

    def _terms(self, *asked: tuple[str, Value]) -> Terms:
        return [(f"{what} {self.mark}", (value,)) for what, value in asked if value is not None]

    def _page(self, start: str, terms: Terms, limit: int) -> Statement:
        where = " AND ".join(term for term, _ in terms)
        values = [value for _, some in terms for value in some]
        return f"{start} WHERE {where} ORDER BY id DESC LIMIT {self.mark}", [*values, limit]


def escaped(text: str) -> str:
    """The pattern of what has this text somewhere in it."""
    for special in "\\%_":
        text = text.replace(special, f"\\{special}")
    return f"%{text}%"


def number_of(row: Row) -> int:
    """The number that a row begins with."""
    return cast(int, row[0])


class ArchiveSide(Side[C, W]):
    """The operators' side. A backend says how deliveries are moved and added."""

    _dialect: ClassVar[Dialect]

    async def events(self, query: EventQuery) -> list[Event]:
        """See `Archive.events`."""
        oldest = 0 if query.since is None else oldest_id(query.since, self._store.clock)
        return await self._pages(query, border(event_number, query.before), oldest)

    async def _pages(self, query: EventQuery, before: int, oldest: int) -> list[Event]:
        return await self._read(event_of, *self._dialect.events(query, before, oldest, query.limit))

    async def event(self, event_id: str) -> Judged | None:
        """See `Archive.event`."""
        found = await self._read(_judged, self._dialect.sql["event"], [event_number(event_id)])
        return found[0] if found else None

    async def deliveries(self, query: DeliveryQuery) -> list[Delivery]:
        """See `Archive.deliveries`."""
        before = border(delivery_number, query.before)
        return await self._store.reader.read(partial(self._deliveries, query, before))

    def _deliveries(self, query: DeliveryQuery, before: int, cursor: C) -> list[Delivery]:
        pages = self._dialect.deliveries(query, before)
        found = [row for page in pages for row in self._ask(cursor, *page)]
        found.sort(key=number_of, reverse=True)
        return [delivery_of(row) for row in found[: query.limit]]

    async def attempts(self, delivery_ids: Sequence[str]) -> dict[str, list[Attempt]]:
        """See `Archive.attempts`."""
        return await self._store.reader.read(partial(self._attempts, delivery_ids))

    def _attempts(self, delivery_ids: Sequence[str], cursor: C) -> dict[str, list[Attempt]]:
        found: dict[str, list[Attempt]] = {delivery_id: [] for delivery_id in delivery_ids}
        numbers = {delivery_number(delivery_id): delivery_id for delivery_id in delivery_ids}
        for row in self._attempts_of(list(numbers), cursor):
            found[numbers[number_of(row)]].append(attempt_of(row[1:]))
        return found

    async def rules(self, digest: str) -> str | None:
        """See `Archive.rules`."""
        found = await self._read(text_of, self._dialect.sql["rules"], [digest])
        return found[0] if found else None

    async def requeue(self, *, ids: Sequence[str] = (), sink: str | None = None) -> int:
        """See `Archive.requeue`."""
        store = self._store
        now = store.clock.now()
        numbers = [delivery_number(each) for each in ids]
        revived = await in_bites(store.writer, numbers, lambda bite, cursor: self._revive(bite, now, cursor))
        if sink is not None:
            revived += await onward(
                store.writer, lambda after, cursor: self._revive_of(sink, after, now, cursor)
            )
        return revived

    async def discard(self, *, ids: Sequence[str] = (), sink: str | None = None, reason: str) -> int:
        """See `Archive.discard`."""
        store = self._store
        now = store.clock.now()
        numbers = [delivery_number(each) for each in ids]
        buried = await in_bites(
            store.writer, numbers, lambda bite, cursor: self._bury(bite, reason, now, cursor)
        )
        if sink is not None:
            # Not until nothing is left: what is owed meanwhile, all the time, is none of these.
            work = partial(self._bury_of, sink, reason, now)
            buried += await until_done(store.writer, work, least=BITE)
        return buried

    async def add(self, event_id: str, routes: Sequence[Route]) -> list[str]:
        """See `Archive.add`."""
        store = self._store
        owed = [(store.ids.next(), route) for route in routes]
        return await store.writer.write(partial(self._add, event_id, owed, store.clock.now()))

    def _add(
        self, event_id: str, owed: Sequence[tuple[int, Route]], now: float, cursor: C
    ) -> Outcome[list[str]]:
        number, sql = event_number(event_id), self._dialect.sql
        found = self._ask(cursor, sql["one"], [number])
        if not found:
            raise Unknown(f"no event '{event_id}'")
        taken = {row[0] for row in self._ask(cursor, sql["sinks"], [number, number])}
        missing = {
            route.sink: (delivery, route) for delivery, route in reversed(owed) if route.sink not in taken
        }
        new = sorted(missing.values(), key=lambda pair: pair[0])
        moves = self._owe(number, event_of(found[0]).thread, new, now, cursor)
        return self._done([id_text(DELIVERY, delivery) for delivery, _ in new], moves, {}, wake=bool(new))

    @abstractmethod
    def _attempts_of(self, deliveries: Sequence[int], cursor: C) -> Sequence[Row]:
        """The attempts of these, each behind its delivery's number; those of one oldest first."""

    @abstractmethod
    def _revive(self, numbers: Sequence[int], now: float, cursor: C) -> Outcome[int]:
        """Dead to pending, due now, with a fresh schedule; returns how many of these were dead."""

    @abstractmethod
    def _revive_of(self, sink: str, after: int, now: float, cursor: C) -> Outcome[tuple[int, int | None]]:
        """Revive a bite of a sink's dead deliveries beyond an id; how many, and where to go on if at all."""

    @abstractmethod
    def _bury(self, numbers: Sequence[int], reason: str, now: float, cursor: C) -> Outcome[int]:
        """Pending to dead; returns how many of these were pending."""

    @abstractmethod
    def _bury_of(self, sink: str, reason: str, now: float, cursor: C) -> Outcome[int]:
        """Bury a bite of a sink's pending deliveries; returns how many."""

    @abstractmethod
    def _owe(
        self, event: int, thread: str | None, owed: Sequence[tuple[int, Route]], now: float, cursor: C
    ) -> Moves:
        """Insert pending deliveries, due now; returns how the counts change."""


def _judged(row: Row) -> Judged:
    return Judged(event_of(row[:-1], bytes(cast(bytes, row[-1]))), ruleset_of(row))
