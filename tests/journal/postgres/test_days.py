"""Retention by whole days: partitions that are dropped, and what keeps one."""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest

from router.clock import first_id_at, id_number
from router.delivery import Route, State
from router.errors import JournalUnavailable
from router.journal.journal import DeliveryQuery, EventQuery, Journal
from router.journal.postgres import Timing, open_postgres
from tests.journal.backends import START, Time, an_event, attempt_of, claimed, recorded, settled, settlement
from tests.journal.postgres.fleet import held_up, rows
from tests.waiting import turns, until

_DAY = 86_400.0
_HOUR = 3600.0
_TIMING = Timing(own_clock=True, poll=600.0, lease=600.0)
_PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass"


@pytest.fixture
def time() -> Time:
    """Half a day into a day."""
    time = Time()
    time.step(-(START % _DAY) + _DAY / 2)
    return time


@pytest.fixture
async def journal(database: str, time: Time):  # type: ignore[no-untyped-def]  # a journal
    """A router that prunes as in production."""
    async with open_postgres(database, time.clock(), may_lose=True, timing=_TIMING) as journal:
        yield journal


async def _sweep(journal: Journal, before: float) -> int:
    total = 0
    while count := await journal.prune(before, 5):
        total += count
    return total


async def _full_day(journal: Journal, time: Time) -> None:
    """Twelve events of one day, each settled at once."""
    for number in range(12):
        await recorded(journal, time, "slack", build=f"{number}")
        claim = await claimed(journal, "slack")
        done = settlement(claim, State.DELIVERED, attempt=attempt_of(claim))
        assert await journal.settle([done]) == []


async def test_a_day_goes_as_a_whole_once_all_of_it_is_old(
    journal: Journal, time: Time, database: str
) -> None:
    """Not event by event before; then with its tables, counts, and the memory for duplicates."""
    event = an_event(journal, time, subject="again")
    await journal.record(event, [], window=None, ruleset="rules")
    await _full_day(journal, time)
    ((before,),) = rows(database, _PARTITIONS)

    assert await _sweep(journal, time.wall + 6 * _HOUR) == 0
    assert len(await journal.events(EventQuery())) == 13
    assert await _sweep(journal, time.wall + _DAY) == 13

    assert rows(database, _PARTITIONS) == [(int(str(before)) - 1,)]
    assert await journal.events(EventQuery()) == []
    assert await journal.deliveries(DeliveryQuery()) == []
    assert journal.counts() == {}
    for table in ("bodies", "seen", "attempts", "latest"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(0,)]
    time.pass_by(_DAY)
    again = an_event(journal, time, subject="again")
    assert not (await journal.record(again, [], window=None, ruleset="rules")).duplicate


@pytest.mark.parametrize("late", ["open", "requeued", "added", "settled"])
async def test_one_straggler_keeps_its_day_and_only_itself(
    journal: Journal, time: Time, late: str, database: str
) -> None:
    """The other events of its day go one by one when the day had its chance; the last one takes it along."""
    await _full_day(journal, time)
    straggler = await recorded(journal, time, *([] if late == "added" else ["hook"]))
    if late == "requeued":
        await settled(journal, "hook", State.DEAD)
    time.pass_by(2 * _DAY)
    if late == "added":
        await journal.add(straggler.id, [Route("r", "hook")])
    elif late == "requeued":
        await journal.requeue(sink="hook")
    elif late == "settled":
        await settled(journal, "hook", State.DELIVERED)
    day = first_id_at(straggler.received_at)

    assert await _sweep(journal, time.wall - _HOUR) == 0
    time.pass_by(_DAY)
    border = time.wall - _HOUR if late != "settled" else time.wall - _DAY - _HOUR / 2
    if late == "settled":
        time.pass_by(2 * _DAY)
        border = straggler.received_at + 2 * _DAY
    assert await _sweep(journal, border) == (0 if late == "settled" else 12)
    kept = [event.id for event in await journal.events(EventQuery(limit=99))]
    assert straggler.id in kept
    assert rows(database, f"SELECT count(*) FROM days WHERE first <= {day} AND past > {day}") == [(1,)]

    if late != "settled":
        await settled(journal, "hook", State.DELIVERED)
    time.pass_by(9 * _DAY)
    assert await _sweep(journal, time.wall) == (13 if late == "settled" else 1)
    assert await journal.events(EventQuery()) == []
    assert await journal.deliveries(DeliveryQuery()) == []
    assert journal.counts() == {}


async def test_the_days_to_come_are_made_ahead(journal: Journal, time: Time, database: str) -> None:
    """A router that is at work at midnight has tomorrow's tables; one that was not makes them at once."""
    tomorrow = first_id_at(time.wall + _DAY)
    assert rows(database, f"SELECT count(*) FROM days WHERE first <= {tomorrow} AND past > {tomorrow}") == [
        (1,)
    ]

    time.pass_by(30 * _DAY)
    event = await recorded(journal, time, "slack")
    await settled(journal, "slack", State.DELIVERED)

    assert await journal.event(event.id) is not None


_HELD = "SELECT * FROM events FOR NO KEY UPDATE"
_REVIVED = """
WITH dead AS (DELETE FROM settled_deliveries RETURNING *)
INSERT INTO open_deliveries (id, event, sink, rule, state, due, created_at, claim, failures, crashes)
SELECT id, event, sink, rule, 'pending', 0, 0, claim, 0, 0 FROM dead
"""
_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def test_what_another_router_requeues_at_this_moment_is_not_pruned(
    journal: Journal, time: Time, database: str
) -> None:
    """Retention waits for it, looks again, and finds the event owed."""
    event = await recorded(journal, time, "slack")
    await settled(journal, "slack", State.DEAD)
    time.pass_by(1)
    exact = Timing(own_clock=True, poll=600.0, lease=600.0, grain=0)
    async with open_postgres(database, time.clock(), may_lose=True, timing=exact) as pruning:
        with psycopg.connect(database) as other:
            other.execute(_HELD)
            other.execute(_REVIVED)
            async with asyncio.TaskGroup() as group:
                task = group.create_task(pruning.prune(time.wall, 9))
                await until(lambda: rows(database, _WAITING) != [(0,)])
                other.commit()

    assert task.result() == 0
    assert [each.id for each in await journal.events(EventQuery())] == [event.id]
    assert [each.event_id for each in await journal.deliveries(DeliveryQuery())] == [event.id]


async def test_a_day_that_somebody_reads_is_left_for_later(
    journal: Journal, time: Time, database: str
) -> None:
    """A long backup, for example: nobody who records has to wait behind retention."""
    await recorded(journal, time)
    with psycopg.connect(database) as other:
        other.execute("SELECT count(*) FROM events")
        with pytest.raises(JournalUnavailable):
            await journal.prune(time.wall + 2 * _DAY, 9)
        await recorded(journal, time)

    assert await _sweep(journal, time.wall + 2 * _DAY) == 2


async def test_a_partition_has_the_day_in_its_name(journal: Journal, time: Time, database: str) -> None:
    """So that an operator sees what is what."""
    event = await recorded(journal, time)
    names = {str(row[0]) for row in rows(database, "SELECT tableoid::regclass::text FROM events")}

    assert names == {f"events_{datetime.fromtimestamp(time.wall, UTC):%Y%m%d}"}
    assert id_number("evt", event.id) in {row[0] for row in rows(database, "SELECT id FROM events")}


_LOOKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND state = 'idle' AND query = 'ROLLBACK'
"""


async def test_what_is_requeued_before_its_day_is_dropped_keeps_it(
    journal: Journal, time: Time, database: str
) -> None:
    """Retention had found the whole day to be old; it looks again when it has it to itself."""
    event = await recorded(journal, time, "slack")
    await settled(journal, "slack", State.DEAD)
    time.pass_by(2 * _DAY)
    await journal.ping()
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE pulse")
        async with asyncio.TaskGroup() as group:
            group.create_task(held_up(journal))
            await until(lambda: rows(database, _WAITING) == [(1,)])
            group.create_task(journal.requeue(sink="slack"))
            task = group.create_task(journal.prune(time.wall, 9))
            await until(lambda: rows(database, _LOOKED) == [(1,)])
            await turns()
            other.commit()

    assert task.result() == 0
    assert [each.id for each in await journal.events(EventQuery())] == [event.id]
