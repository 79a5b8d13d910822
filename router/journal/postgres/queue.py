"""Queue on PostgreSQL: claims that no two routers share, and settlements, committed before the answer."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import cast

import msgspec

from router.delivery import Claim, Settlement, State
from router.errors import JournalError
from router.event import Event
from router.journal.bites import BITE, until_done
from router.journal.journal import Batch, SinkMark
from router.journal.postgres.inbox import columns, rounds
from router.journal.postgres.moves import give_back
from router.journal.postgres.outlook import look, marks_of
from router.journal.postgres.rows import plain, whole_event
from router.journal.postgres.store import Side
from router.journal.postgres.text import stored
from router.journal.postgres.work import Cursor, Written
from router.journal.rows import attempt_row, delivery_number, delivery_of, event_number
from router.journal.slots import Slots
from router.journal.statements import statements
from router.journal.tally import Moves, shift
from router.share import Share

_SQL = statements("postgres", "queue")
_HINT = statements("postgres", "presence")["hint"]
# Seconds that a process must live before a suspect is tried in it: longer than an attempt usually may take
# (15 s), so that what dies of another cause all the time, or is killed in a loop, blames nobody.
_TRIAL_AFTER = 30.0
_SUPERSEDED = 12
_INFINITE = float("inf")


class Asked(msgspec.Struct, frozen=True):
    """What `claim` was asked for: sinks and their room, sinks that are probed, the time.

    `suspects`: whether there may be any; `trial_at`: when the first one may be tried here.
    """

    free: dict[str, int]
    probe: list[str]
    now: float
    suspects: bool
    trial_at: float


def _later(one: float | None, other: float | None) -> float | None:
    return min((at for at in (one, other) if at is not None), default=None)


def _number(row: tuple[object, ...]) -> tuple[float, int]:
    return cast(float, row[5]), cast(int, row[0])


def _mark(mark: SinkMark, cursor: Cursor) -> Written[None]:
    if mark.empty:
        cursor.execute(_SQL["unmark"], (stored(mark.sink),))
    else:
        values = (mark.sink, mark.paused, mark.by_operator, mark.fingerprint, mark.held_until)
        cursor.execute(_SQL["mark"], [stored(value) for value in values])
    # With the commit, and without the pause that other hints keep: none may be left out.
    cursor.execute(_HINT)
    return Written(None)


def _expedite(sink: str, now: float, cursor: Cursor) -> Written[int]:
    asked = {"sink": stored(sink), "now": now, "limit": BITE}
    # One for each index: without one every bite would read the whole table.
    changed = sum(cursor.execute(_SQL[each], asked).rowcount for each in ("expedite", "expedite_suspects"))
    return Written(changed, wake=changed > 0)


class PostgresQueue(Side):
    """The deliver path's side."""

    async def claim(
        self, free: Mapping[str, int], *, probe: Collection[str] = (), suspect: bool = False
    ) -> Batch:
        """See `Queue.claim`. What other routers are claiming at this moment is passed over."""
        store = self._store
        room = {sink: count for sink, count in free.items() if count > 0 and sink not in probe}
        probed = [sink for sink in probe if free.get(sink, 1) > 0]
        if not room and not probed:
            return Batch([], None, [])
        trial_at = store.opened_at + _TRIAL_AFTER
        asked = Asked(room, probed, store.clock.now(), store.suspects, trial_at)
        return await store.writer.write(partial(self._claim_suspect if suspect else self._claim, asked))

    def _claim(self, asked: Asked, cursor: Cursor) -> Written[Batch]:
        """Take what is due."""
        sinks, until = [*asked.free, *asked.probe], [asked.now] * len(asked.free)
        rooms = [*asked.free.values(), *(1 for _ in asked.probe)]
        until += [_INFINITE] * len(asked.probe)
        rows = cursor.execute(
            _SQL["claim"],
            {"sinks": [stored(sink) for sink in sinks], "rooms": rooms, "until": until,
             "router": self._store.presence.number},
        ).fetchall()  # fmt: skip
        next_due = self._next_due(asked, rows, cursor)
        return self._taken(asked, rows, next_due, cursor)

    def _next_due(self, asked: Asked, rows: Sequence[tuple[object, ...]], cursor: Cursor) -> float | None:
        """Where there was no room for more, more may be due already; elsewhere only later.

        What is due and was not taken is being taken by another router.
        """
        if not asked.free:
            return None
        taken: dict[object, int] = {}
        for row in rows:
            taken[row[2]] = taken.get(row[2], 0) + 1
        sinks = [stored(sink) for sink in asked.free]
        after = [
            -_INFINITE if taken.get(stored(sink)) == room else asked.now for sink, room in asked.free.items()
        ]
        return cast(float | None, cursor.execute(_SQL["next_due"], (sinks, after)).fetchall()[0][0])

    def _claim_suspect(self, asked: Asked, cursor: Cursor) -> Written[Batch]:
        """Take the one suspect that has been due for longest."""
        sinks = [stored(sink) for sink in asked.free]
        rows: list[tuple[object, ...]] = []
        if asked.now >= asked.trial_at:
            rows = cursor.execute(
                _SQL["claim_suspect"],
                {"sinks": sinks, "now": asked.now, "router": self._store.presence.number},
            ).fetchall()
        after = [-_INFINITE] * len(sinks)
        next_due = cast(float | None, cursor.execute(_SQL["next_due"], (sinks, after)).fetchall()[0][0])
        return self._taken(asked, rows, next_due, cursor)

    def _taken(
        self, asked: Asked, rows: Sequence[tuple[object, ...]], next_due: float | None, cursor: Cursor
    ) -> Written[Batch]:
        moves: Moves = {}
        rows = sorted((plain(row) for row in rows), key=_number)
        events = self._events({cast(int, row[1]) for row in rows}, cursor)
        claims = []
        for row in rows:
            shift(moves, cast(str, row[2]), State.PENDING, State.IN_FLIGHT)
            event = events[cast(int, row[1])]
            claims.append(Claim(delivery=delivery_of(row), event=event, superseded=bool(row[_SUPERSEDED])))
        suspects, later = self._suspects(asked, cursor) if asked.suspects else ([], None)
        mine = [(cast(int, row[0]), cast(int, row[7])) for row in rows]
        undo = partial(give_back, self._store.presence, mine) if mine else None
        return Written(Batch(claims, _later(next_due, later), suspects), moves, taken=mine, undo=undo)

    def _events(self, numbers: Collection[int], cursor: Cursor) -> dict[int, Event]:
        """These events, whole; most were recorded a moment ago, here."""
        found = {number: event for number in numbers if (event := self._store.recent.get(number)) is not None}
        missing = [number for number in numbers if number not in found]
        if missing:
            for row in cursor.execute(_SQL["events"], (missing,)).fetchall():
                event = whole_event(row)
                found[event_number(event.id)] = event
        return found

    def _suspects(self, asked: Asked, cursor: Cursor) -> tuple[list[str], float | None]:
        """The sinks that have a suspect due, and when the next one is. None is before `trial_at`."""
        values = {"sinks": [stored(sink) for sink in (*asked.free, *asked.probe)], "now": asked.now}
        due: list[str] = []
        next_due: float | None = None
        for row in cursor.execute(_SQL["suspects"], values).fetchall():
            sink, one, at = cast(tuple[str, bool | None, float | None], plain(row))
            if one and asked.now < asked.trial_at:
                at = asked.trial_at
            elif one:
                due.append(sink)
            if sink in asked.free and at is not None:
                next_due = _later(next_due, max(at, asked.trial_at))
        return due, next_due

    def offer(self, slots: Slots | None) -> None:
        """See `Queue.offer`. Left alone: what is due at a sink, other routers know as well."""

    async def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        """See `Queue.settle`."""
        for settlement in settlements:
            if settlement.state is State.IN_FLIGHT:
                raise ValueError(f"'{settlement.delivery_id}' cannot be settled as in flight")
        return await self._store.writer.share(self.settle_all, settlements)

    def settle_all(self, entries: Sequence[Sequence[Settlement]], cursor: Cursor) -> list[Written[list[str]]]:
        """Settle what several callers bring, those of the same delivery one after another."""
        flat = [(owner, settlement) for owner, entry in enumerate(entries) for settlement in entry]
        current: dict[int, str] = {}
        for places in rounds((settlement.delivery_id, place) for place, (_, settlement) in enumerate(flat)):
            self._settle_round([(place, flat[place][1]) for place in places], current, cursor)
        self._tried([(place, settlement) for place, (_, settlement) in enumerate(flat)], current, cursor)
        answers: list[tuple[list[str], Moves, list[tuple[int, int]]]] = [([], {}, []) for _ in entries]
        for place, (owner, settlement) in enumerate(flat):
            stale, moves, dropped = answers[owner]
            dropped.append((delivery_number(settlement.delivery_id), settlement.claim))
            if place in current:
                shift(moves, current[place], State.IN_FLIGHT, settlement.state)
            else:
                stale.append(settlement.delivery_id)
        return [
            Written(stale, moves, dropped=dropped, wake=any(state is State.PENDING for _, state in moves))
            for stale, moves, dropped in answers
        ]

    def _settle_round(
        self, entries: list[tuple[int, Settlement]], current: dict[int, str], cursor: Cursor
    ) -> None:
        """No delivery comes twice among these; `current` learns the sinks of those that were settled."""
        places = {delivery_number(settlement.delivery_id): place for place, settlement in entries}
        rows: list[tuple[object, ...]] = []
        final = [settlement for _, settlement in entries if settlement.state is not State.PENDING]
        if final:
            ids = [delivery_number(settlement.delivery_id) for settlement in final]
            self._store.days.ensure((number for number in ids if number), cursor)
            values = {
                "ids": ids, "claims": [each.claim for each in final],
                "states": [str(each.state) for each in final], "failures": [each.failures for each in final],
                "reasons": [stored(each.reason) for each in final], "now": self._store.clock.now(),
            }  # fmt: skip
            rows += cursor.execute(_SQL["settle"], values).fetchall()
        back = [
            (delivery_number(each.delivery_id), each.claim, float(each.due), each.failures,
             stored(each.reason), each.attempt is not None)
            for _, each in entries if each.state is State.PENDING
        ]  # fmt: skip
        if back:
            rows += cursor.execute(_SQL["put_back"], columns(back, 6)).fetchall()
        for number, sink, _ in (plain(row) for row in rows):
            current[places[cast(int, number)]] = cast(str, sink)

    def _tried(self, flat: list[tuple[int, Settlement]], current: dict[int, str], cursor: Cursor) -> None:
        """Keep the attempts, also those under a claim that was lost, as long as the delivery is known."""
        stale = {
            delivery_number(each.delivery_id)
            for place, each in flat
            if place not in current and each.attempt is not None
        }
        known = set()
        if stale:
            known = {row[0] for row in cursor.execute(_SQL["known"], {"ids": list(stale)}).fetchall()}
        rows = []
        for place, each in flat:
            number = delivery_number(each.delivery_id)
            if each.attempt is not None and (place in current or number in known):
                _, claim, started, seconds, *rest = attempt_row(number, each.attempt)
                texts = [stored(value) for value in rest]
                rows.append((number, claim, float(cast(float, started)), float(cast(float, seconds)), *texts))
        if rows:
            self._store.days.ensure((cast(int, row[0]) for row in rows), cursor)
            cursor.execute(_SQL["tried"], columns(rows, 8))

    async def expedite(self, sink: str) -> int:
        """See `Queue.expedite`. In bites, so that a long queue holds up nobody else's commit."""
        now = self._store.clock.now()
        return await until_done(self._store.writer, partial(_expedite, sink, now))

    async def mark(self, mark: SinkMark) -> None:
        """See `Queue.mark`."""
        await self._store.writer.write(partial(_mark, mark))
        self._store.outlook.note(mark)

    async def marks(self) -> list[SinkMark]:
        """See `Queue.marks`."""
        return await self._store.reader.read(marks_of)

    def news(self) -> list[SinkMark]:
        """See `Queue.news`."""
        return self._store.outlook.news()

    def share(self) -> Share:
        """See `Queue.share`. A router that died has its share until its lease ends."""
        return self._store.outlook.share

    async def wait(self, timeout: float | None) -> None:
        """See `Queue.wait`. Returns every half second too: other routers act without a word."""
        store = self._store
        rest = store.outlook.rest(asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(rest if timeout is None else min(timeout, rest)):
                await store.alarm.wait()
        except TimeoutError:
            pass
        else:
            store.alarm.clear()
        await self._look_round()

    async def _look_round(self) -> None:
        """Look at the others, if it is time to; a database that is away is the next claim's trouble."""
        store, now = self._store, asyncio.get_running_loop().time()
        if not store.is_open or store.outlook.rest(now):
            return
        store.outlook.looking(now)
        presence = store.presence
        with suppress(JournalError):
            # Alone: what others do in the same transaction is not counted yet.
            glimpse = await store.writer.write(
                lambda cursor: look(presence.number, presence.node, store.own_now, cursor), alone=True
            )
            presence.meet(glimpse.share.of - 1)
            store.outlook.see(glimpse)

    def wake(self) -> None:
        """See `Queue.wake`."""
        self._store.alarm.set()
