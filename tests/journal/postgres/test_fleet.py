"""Several routers on one database: nothing twice, nothing forgotten, nobody in charge."""

import asyncio
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
import structlog

from router.clock import Clock
from router.delivery import Route, State
from router.errors import JournalError
from router.journal.fleet import own_name
from router.journal.journal import DeliveryQuery, EventQuery, Journal
from router.journal.sqlite import open_sqlite
from tests.journal.backends import Time, an_event, recorded, settlement
from tests.journal.postgres.fleet import CALM, a_child, a_router, rows, taken_over
from tests.waiting import answered, until

# It must not end before somebody's work is done, however busy the machine; and yet a test waits for its end.
_LONG = 5.0
_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
_DIE = """
WITH gone AS (DELETE FROM open_deliveries WHERE state = 'in_flight' RETURNING *)
INSERT INTO settled_deliveries
SELECT id, event, sink, rule, 'dead', due, created_at, claim, failures, crashes, 'gone', 0 FROM gone
"""


@pytest.fixture
async def fleet(database: str):  # type: ignore[no-untyped-def]  # journals
    """Three routers at work."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(a_router(database, CALM)) for _ in range(3)]


async def test_of_equal_events_at_several_routers_one_is_stored(fleet: list[Journal], database: str) -> None:
    """All are answered with the same id, whichever router was faster."""
    time = Time()

    async def record(journal: Journal, subject: str) -> tuple[str, str, bool]:
        event = an_event(journal, time, subject=subject)
        receipt = await journal.record(event, [Route("r", "slack")], window=None, ruleset="rules")
        return subject, receipt.id, receipt.duplicate

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(record(journal, f"build {number}"))
            for number in range(20)
            for journal in [*fleet, *fleet[::-1]]
        ]
    receipts = [task.result() for task in tasks]

    assert len({(subject, first) for subject, first, _ in receipts}) == 20
    assert sum(not duplicate for _, _, duplicate in receipts) == 20
    assert rows(database, "SELECT count(*), count(DISTINCT subject) FROM events") == [(20, 20)]


async def test_two_routers_that_back_up_to_one_file_leave_a_whole_one(
    fleet: list[Journal], tmp_path: Path
) -> None:
    """On one host: whoever is done first has the name, the others are refused."""
    for _ in range(100):
        await recorded(fleet[0], Time(), payload=bytes(50_000))
    folder = tmp_path / "copies"
    folder.mkdir()
    target = folder / "copy.db"

    async def said(journal: Journal) -> str:
        try:
            await journal.backup(str(target))
        except JournalError as error:
            return str(error)
        return "done"

    async with asyncio.TaskGroup() as group:
        every = [group.create_task(said(journal)) for journal in fleet]

    assert sorted(one.result() for one in every) == [f"'{target}' exists already"] * 2 + ["done"]
    assert list(folder.iterdir()) == [target]
    async with open_sqlite(target, Clock()) as copy:
        assert len(await copy.events(EventQuery(limit=200))) == 100


async def test_what_another_router_holds_does_not_end_a_discard(fleet: list[Journal], database: str) -> None:
    """It is passed over; all the rest goes, in however many bites."""
    await recorded(fleet[0], Time(), "slack")
    rows(
        database,
        "INSERT INTO open_deliveries SELECT id + n, event, sink, rule, state, due, created_at, claim,"
        " failures, crashes FROM open_deliveries, generate_series(1, 2499) AS n",
    )
    with psycopg.connect(database) as other:
        other.execute("SELECT id FROM open_deliveries ORDER BY id LIMIT 10 FOR UPDATE")

        assert await fleet[1].discard(sink="slack", reason="gone") == 2490

    assert await fleet[1].discard(sink="slack", reason="gone") == 10
    assert rows(database, "SELECT count(*) FROM open_deliveries") == [(0,)]


async def test_what_dies_while_others_are_brought_back_is_left_dead(
    fleet: list[Journal], database: str
) -> None:
    """It was pending when the requeue looked at its event: that is not held against retention."""
    time = Time()
    journal = fleet[0]
    for _ in range(2):
        await recorded(journal, time, "slack")
    first, second = (await journal.claim({"slack": 2})).claims
    await journal.settle([settlement(first, State.DEAD, reason="404")])
    with psycopg.connect(database) as other:
        other.execute("SELECT 1 FROM events FOR UPDATE")
        async with asyncio.TaskGroup() as group:
            requeue = group.create_task(journal.requeue(ids=[first.delivery.id, second.delivery.id]))
            await until(lambda: rows(database, _WAITING) == [(1,)])
            other.execute(_DIE)
            other.commit()

    assert requeue.result() == 1
    assert journal.broken is None
    assert rows(database, "SELECT count(*) FROM settled_deliveries WHERE state = 'dead'") == [(1,)]
    assert await journal.requeue(ids=[second.delivery.id]) == 1


async def test_no_delivery_is_claimed_by_two_routers(fleet: list[Journal]) -> None:
    """Claims at the same moment share what there is."""
    time = Time()
    for _ in range(60):
        await recorded(fleet[0], time, "slack")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(journal.claim({"slack": 7})) for journal in fleet * 4]
    claims = [claim.delivery.id for task in tasks for claim in task.result().claims]

    assert len(claims) == len(set(claims))
    assert len(claims) <= 60
    left = [claim for journal in fleet for claim in (await journal.claim({"slack": 60})).claims]
    assert len(claims) + len(left) == 60


async def test_ids_of_several_routers_never_meet(fleet: list[Journal]) -> None:
    """Each has a number of its own in them, also when one took the place of another."""
    ids = [journal.ids.next() for journal in fleet for _ in range(1000)]

    assert len(ids) == len(set(ids))


async def test_what_one_router_recorded_another_delivers(fleet: list[Journal]) -> None:
    """Whole, and the first one may know it: settled is settled for all."""
    one, other, _ = fleet
    event = await recorded(one, Time(), "slack", payload=b'{"n": 1}')

    batch = await answered(lambda: other.claim({"slack": 1}), lambda batch: bool(batch.claims))
    await other.settle([settlement(batch.claims[0], State.DELIVERED)])

    assert batch.claims[0].event == event
    (delivery,) = await one.deliveries(DeliveryQuery())
    assert delivery.state is State.DELIVERED


async def test_counts_are_those_of_the_whole_fleet(database: str) -> None:
    """A beat later at the latest."""
    async with a_router(database) as one, a_router(database) as other:
        for journal in (one, one, other):
            await recorded(journal, Time(), "slack")

        for journal in (one, other):
            await until(lambda journal=journal: journal.counts() == {("slack", State.PENDING): 3})


async def test_a_killed_routers_work_is_taken_over(database: str) -> None:
    """Once its lease has ended: pending again, one crash older, under the next claim number; it is said."""
    async with a_router(database) as journal:
        async with a_child(database) as child:
            await child.ask("record", "slack")
            (delivery,) = await child.ask("claim", "slack")
            ((name,),) = rows(database, "SELECT name FROM router WHERE name <> %s", own_name())
            child.send(signal.SIGKILL)
            with structlog.testing.capture_logs() as logs:
                claim = await taken_over(journal)

        assert logs == [{"event": "router_gone", "log_level": "warning", "router": name, "taken_over": 1}]
        assert (claim.delivery.id, claim.delivery.claim, claim.delivery.crashes) == (delivery, 2, 1)
        assert len(rows(database, "SELECT id FROM router")) == 1


async def test_a_router_that_was_away_too_long_cannot_settle_what_it_lost(database: str) -> None:
    """It is told so, and goes on as a new router; who took over settles."""
    async with a_router(database) as journal, a_child(database, lease=_LONG) as child:
        await child.ask("record", "slack")
        (delivery,) = await child.ask("claim", "slack")
        await child.freeze()
        claim = await taken_over(journal)
        child.send(signal.SIGCONT)

        assert await child.ask("settle") == [delivery]
        assert await journal.settle([settlement(claim, State.DELIVERED)]) == []
        await child.ask("record", "slack")
        assert len(await child.ask("claim", "slack")) == 1
        assert await child.ask("settle") == []
        assert len(rows(database, "SELECT id FROM router")) == 2


async def test_a_busy_router_keeps_what_it_has(database: str) -> None:
    """However long an attempt takes: its lease is renewed."""
    async with a_router(database) as journal, a_child(database, lease=_LONG) as child:
        await child.ask("record", "slack")
        await child.ask("claim", "slack")
        ((first,),) = rows(database, "SELECT max(lease_until) FROM router")

        def renewed() -> bool:
            ((now,),) = rows(database, "SELECT extract(epoch FROM clock_timestamp())::float8")
            return float(str(now)) > float(str(first)) + 1

        await until(renewed)

        assert (await journal.claim({"slack": 1})).claims == []
        assert await child.ask("settle") == []


@pytest.mark.parametrize("skew", [-7200.0, 86_400.0])
async def test_the_databases_clock_decides(database: str, skew: float) -> None:
    """A router on a host with a wrong clock records what is due now, and holds no lease longer."""
    clock = Clock()
    async with a_router(database, clock=clock) as journal, a_child(database, skew) as child:
        await child.ask("record", "slack")
        (now,) = await child.ask("now")

        assert abs(float(now) - clock.now()) < 60
        (event,) = await journal.events(EventQuery())
        assert abs(event.received_at - clock.now()) < 60
        assert len((await journal.claim({"slack": 1})).claims) == 1
        ((longest,),) = rows(database, "SELECT max(lease_until) - min(lease_until) FROM router")
        assert float(str(longest)) < 60


@pytest.mark.parametrize(("skew", "said"), [(-420.0, [-420]), (30.0, [])])
async def test_a_host_with_a_wrong_clock_is_told(database: str, skew: float, said: list[int]) -> None:
    """What it receives bears that time, and what it signs, so that receivers refuse it."""
    with structlog.testing.capture_logs() as logs:
        async with a_router(database, clock=Clock(lambda: time.time() + skew)) as journal:
            await journal.ping()

    assert [round(one["seconds"], -1) for one in logs if one["event"] == "clock_apart"] == said


async def test_a_host_whose_clock_is_set_while_it_works_is_told(database: str) -> None:
    """With one of its next heartbeats; and that it is right again."""
    skews, said = [0.0], ["clock_apart", "clock_agrees"]
    clock = Clock(lambda: time.time() + skews[-1])
    with structlog.testing.capture_logs() as logs:
        async with a_router(database, clock=clock):
            # The heartbeat of a host that nobody set leaves it to the database too.
            assert not clock.own
            for skew in (3600.0, 0.0):
                skews.append(skew)
                await until(lambda: logs[-1]["event"] == said[len(skews) - 2])

    assert [one["event"] for one in logs if one["event"].startswith("clock")] == said
