"""Queue on SQLite: claims and settlements, each committed before it is answered."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from math import inf
from typing import cast

import apsw
import msgspec

from router.delivery import Claim, Settlement, State
from router.journal.bites import BITE, until_done
from router.journal.journal import Batch, SinkMark
from router.journal.rows import delivery_of, event_of
from router.journal.slots import Slots
from router.journal.sqlite.bulk import Bulk
from router.journal.sqlite.moves import give_back
from router.journal.sqlite.settling import Ended, settle
from router.journal.sqlite.statements import statements
from router.journal.sqlite.store import Side
from router.journal.sqlite.writer import Written
from router.journal.store import Recent
from router.journal.tally import Moves, shift
from router.share import ALONE, Share

_SQL = statements("queue")
_ANY_SUSPECT = statements("opening")["suspects"]
_TAKE = Bulk(_SQL["take"])
_Row = tuple[int, int, str, str, str, float, float, int, int, int, str | None, None, str | None]


class Asked(msgspec.Struct, frozen=True):
    """What `claim` was asked for: sinks and their room, sinks that are probed, the time.

    `later` is when the first delivery of a sink is due that is left out, as it has nothing due now. `quick`:
    take deliveries only if all their events are in memory, else nothing.
    """

    free: dict[str, int]
    probe: list[str]
    now: float
    later: float
    recent: Recent
    suspects: bool
    quick: bool


def _claim(asked: Asked, cursor: apsw.Cursor) -> Written[Batch | None]:
    """Take what is due."""
    rows: list[_Row] = []
    left: dict[str, float] = {}
    for sink, room in asked.free.items():
        found = _rows(cursor, "pending", sink, room + 1)
        due = [row for row in found[:room] if row[5] <= asked.now]
        rows += due
        left[sink] = found[len(due)][5] if len(due) < len(found) else inf
    for sink in asked.probe:
        rows += _rows(cursor, "pending", sink, 1)
    return _take(asked, rows, left, cursor)


def _claim_suspect(asked: Asked, cursor: apsw.Cursor) -> Written[Batch | None]:
    """Take the one suspect that has been due for longest."""
    rows: list[_Row] = []
    left: dict[str, float] = {}
    for sink in asked.free:
        rows += _rows(cursor, "suspects", sink, 1)
        for row in _rows(cursor, "pending", sink, 1):
            left[sink] = row[5]
    alone = [row for row in sorted(rows, key=_order)[:1] if row[5] <= asked.now]
    return _take(asked, alone, left, cursor)


def _rows(cursor: apsw.Cursor, which: str, sink: str, limit: int) -> list[_Row]:
    return cast(list[_Row], cursor.execute(_SQL[which], (sink, limit)).fetchall())


def _order(row: _Row) -> tuple[float, int]:
    return row[5], row[0]


def _take(
    asked: Asked, rows: list[_Row], left: dict[str, float], cursor: apsw.Cursor
) -> Written[Batch | None]:
    if asked.quick and any(asked.recent.get(row[1]) is None for row in rows):
        return Written(None)
    moves: Moves = {}
    claims = []
    cleared = asked.suspects and not cursor.execute(_ANY_SUSPECT).get
    _TAKE.run(cursor, [(row[0],) for row in rows])
    for row in sorted(rows, key=_order):
        shift(moves, row[2], State.PENDING, State.IN_FLIGHT)
        claims.append(_claim_of(row, asked.recent, cursor))
    suspects = []
    times = [asked.later, *left.values()]
    for sink in (*asked.free, *asked.probe) if asked.suspects else ():
        (due, later) = cast(
            tuple[int, float | None], cursor.execute(_SQL["wait"], (sink, asked.now)).fetchall()[0]
        )
        if due:
            suspects.append(sink)
        if sink in asked.free and later is not None:
            times.append(later)
    undo = partial(give_back, [(row[0], row[7]) for row in rows]) if rows else None
    return Written(Batch(claims, _time(min(times)), suspects), moves, left=left, cleared=cleared, undo=undo)


def _time(at: float) -> float | None:
    return None if at == inf else at


def _claim_of(row: _Row, recent: Recent, cursor: apsw.Cursor) -> Claim:
    event = recent.get(row[1])
    if event is None:
        # Two looks instead of a join, which SQLite would plan anew each time: a third of the time.
        (columns,) = cursor.execute(_SQL["event"], (row[1],)).fetchall()
        ((body,),) = cursor.execute(_SQL["body"], (row[1],)).fetchall()
        event = event_of(columns, cast(bytes, body))
    # A first attempt is never superseded: that spares almost every claim the look.
    superseded = row[7] > 1 and bool(cursor.execute(_SQL["superseded"], (row[2], row[12], row[1])).fetchall())
    return Claim(delivery=delivery_of(row), event=event, superseded=superseded)


def _expedite(sink: str, now: float, cursor: apsw.Cursor) -> Written[int]:
    cursor.execute(_SQL["expedite"], (now, sink, BITE))
    changed = cursor.connection.changes()
    cursor.execute(_SQL["expedite_suspects"], (now, sink, BITE))
    changed += cursor.connection.changes()
    return Written(changed, due={sink: now} if changed else {}, wake=changed > 0)


def _mark(mark: SinkMark, cursor: apsw.Cursor) -> Written[None]:
    if mark.empty:
        cursor.execute(_SQL["unmark"], (mark.sink,))
    else:
        cursor.execute(
            _SQL["mark"], (mark.sink, mark.paused, mark.by_operator, mark.fingerprint, mark.held_until)
        )
    return Written(None)


def _marks(cursor: apsw.Cursor) -> list[SinkMark]:
    rows = cast(
        list[tuple[str, str | None, int, str, float | None]], cursor.execute(_SQL["marks"]).fetchall()
    )
    return [
        SinkMark(sink=sink, paused=paused, by_operator=bool(by), fingerprint=fingerprint, held_until=until)
        for sink, paused, by, fingerprint, until in rows
    ]


class SqliteQueue(Side):
    """The deliver path's side."""

    async def claim(
        self, free: Mapping[str, int], *, probe: Collection[str] = (), suspect: bool = False
    ) -> Batch:
        """See `Queue.claim`."""
        store = self._store
        pending = store.tally.pending
        now = store.clock.now()
        room, later = {}, inf
        for sink, count in free.items():
            if count > 0 and sink not in probe and (there := pending(sink)):
                due = store.agenda.next(sink)
                if due <= now or store.suspects:
                    room[sink] = min(count, there)
                else:
                    later = min(later, due)
        probed = [sink for sink in probe if free.get(sink, 1) > 0 and pending(sink)]
        if not room and not probed:
            return Batch([], _time(later), [])
        work = _claim_suspect if suspect else _claim
        asked = Asked(room, probed, now, later, store.recent, store.suspects, quick=False)
        # Where all that is pending is taken, what is recorded from now on comes next.
        emptied = [sink for sink, count in room.items() if count == pending(sink)]
        with store.agenda.emptied(emptied):
            batch = None
            if sum(pending(sink) for sink in (*room, *probed)) <= len(store.recent):
                # Other bodies are on the disk, and may be large: they are not read in the loop's thread.
                quick = msgspec.structs.replace(asked, quick=True)
                batch = await store.writer.write(partial(work, quick), quick=True)
            return batch or cast(Batch, await store.writer.write(partial(work, asked)))

    def offer(self, slots: Slots | None) -> None:
        """See `Queue.offer`."""
        self._store.slots = slots

    async def settle(self, settlements: Sequence[Settlement]) -> list[str]:
        """See `Queue.settle`."""
        for settlement in settlements:
            if settlement.state is State.IN_FLIGHT:
                raise ValueError(f"'{settlement.delivery_id}' cannot be settled as in flight")
        now = self._store.clock.now()
        return await self._store.writer.share(settle, Ended(settlements, now), quick=True)

    async def expedite(self, sink: str) -> int:
        """See `Queue.expedite`. In bites, so that a long queue holds up nobody else's commit."""
        now = self._store.clock.now()
        return await until_done(self._store.writer, partial(_expedite, sink, now))

    async def mark(self, mark: SinkMark) -> None:
        """See `Queue.mark`."""
        await self._store.writer.write(partial(_mark, mark))

    async def marks(self) -> list[SinkMark]:
        """See `Queue.marks`."""
        return await self._store.reader.read(_marks)

    def news(self) -> list[SinkMark]:
        """See `Queue.news`. The lock on the file keeps others out."""
        return []

    def share(self) -> Share:
        """See `Queue.share`. The whole."""
        return ALONE

    async def wait(self, timeout: float | None) -> None:
        """See `Queue.wait`."""
        alarm = self._store.alarm
        try:
            async with asyncio.timeout(timeout):
                await alarm.wait()
        except TimeoutError:
            return
        alarm.clear()

    def wake(self) -> None:
        """See `Queue.wake`."""
        self._store.alarm.set()
