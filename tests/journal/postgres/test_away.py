"""The server goes away and comes back: nothing is lost, nothing hangs, nobody has to do anything."""

import asyncio
import math
import os
import signal
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from anyio.lowlevel import checkpoint
from msgspec.structs import replace

from router.clock import Clock
from router.delivery import State
from router.errors import JournalUnavailable
from router.journal.journal import DeliveryQuery, EventQuery, Journal
from router.journal.postgres import open_postgres
from tests.journal.backends import Time, attempt_of, claimed, recorded, settlement
from tests.journal.postgres.fleet import CALM, a_router, rows
from tests.journal.postgres.server import Server
from tests.waiting import answered, turns, until


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own, which the test may stop."""
    server = Server().start()
    yield server
    server.remove()


async def _answers(journal: Journal) -> bool:
    try:
        await journal.ping()
    except JournalUnavailable:
        return False
    return True


async def test_a_crash_of_the_server_loses_nothing_and_heals_by_itself(server: Server) -> None:
    """While it is away everything is refused as unavailable; afterwards all goes on where it was."""
    async with a_router(server.url, CALM) as journal:
        before = await recorded(journal, Time(), "slack")
        claim = await claimed(journal, "slack")
        server.stop(signal.SIGQUIT)

        for work in (
            recorded(journal, Time(), "slack"),
            journal.claim({"slack": 1}),
            journal.settle([settlement(claim, State.DELIVERED)]),
            journal.events(EventQuery()),
            journal.ping(),
        ):
            with pytest.raises(JournalUnavailable):
                await work
        assert journal.broken is None

        server.start()
        await answered(lambda: _answers(journal), bool)
        after = await recorded(journal, Time(), "slack")
        assert await journal.settle([settlement(claim, State.DELIVERED, attempt=attempt_of(claim))]) == []
        assert (await claimed(journal, "slack")).event == after
        assert [event.id for event in await journal.events(EventQuery())] == [after.id, before.id]


async def test_whoever_waits_is_woken_when_the_server_is_back(server: Server) -> None:
    """Nothing else has to happen: the router looks for it by itself."""
    async with a_router(server.url, replace(CALM, poll=600.0)) as journal:
        await journal.wait(None)
        server.stop(signal.SIGQUIT)
        assert not await _answers(journal)
        server.start()

        await journal.wait(None)

        await answered(lambda: _answers(journal), bool)


async def test_a_flood_meets_a_bound_while_the_server_is_away(server: Server) -> None:
    """What waits is refused, not kept: memory does not grow with what cannot be written."""
    async with a_router(server.url, CALM) as journal:
        server.stop(signal.SIGQUIT)
        refused = 0

        async def record() -> None:
            nonlocal refused
            try:
                await recorded(journal, Time(), "slack", payload=b"x" * 10_000)
            except JournalUnavailable:
                refused += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(2000):
                group.create_task(record())

        assert refused == 2000


@contextmanager
def _frozen(server: Server) -> Iterator[None]:
    """The routers' sessions do nothing meanwhile, and say nothing."""
    found = rows(server.url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'visual-router'")
    sessions = [int(str(session)) for (session,) in found]
    for session in sessions:
        os.kill(session, signal.SIGSTOP)
    try:
        yield
    finally:
        for session in sessions:
            os.kill(session, signal.SIGCONT)


async def test_what_was_given_up_while_the_server_hangs_is_neither_kept_nor_recorded(server: Server) -> None:
    """Senders who were told 503 leave nothing behind: else a server that hangs would fill the memory."""
    time = Time()

    async def give_up() -> None:
        body = b'{"a":"%b"}' % bytes(1 << 20)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(recorded(journal, time, "slack", payload=body))
            await turns(3)
            task.cancel()

    tracemalloc.start()
    try:
        async with a_router(server.url, CALM) as journal, asyncio.TaskGroup() as group:
            with _frozen(server):
                first = group.create_task(recorded(journal, time, "slack"))
                await turns()
                before, _ = tracemalloc.get_traced_memory()
                for _ in range(20):
                    await give_up()
                after, _ = tracemalloc.get_traced_memory()

            await journal.ping()
            assert [event.id for event in await journal.events(EventQuery())] == [first.result().id]
            assert after - before < 4 << 20
    finally:
        tracemalloc.stop()


async def test_a_flood_meets_a_bound_while_the_server_hangs(server: Server) -> None:
    """Beyond 16,384 pieces of work that wait, the next is refused at once, and the others are done later."""
    refusals: list[str] = []

    async def ask(journal: Journal) -> None:
        try:
            await journal.settle([])
        except JournalUnavailable as error:
            refusals.append(str(error))

    async with a_router(server.url, CALM) as journal, asyncio.TaskGroup() as group:
        with _frozen(server):
            for _ in range(18_000):
                group.create_task(ask(journal))
            await checkpoint()
            await checkpoint()
            kept = 18_000 - len(refusals)

    assert 16_384 <= kept < 18_000
    assert len(refusals) == 18_000 - kept
    assert {*refusals} == {"the journal's server does not answer, and too much waits for it already"}


async def test_a_lost_session_is_replaced(database: str) -> None:
    """One that the server ended is answered for at most once."""
    async with a_router(database, CALM) as journal:
        await recorded(journal, Time(), "slack")
        await journal.events(EventQuery())
        rows(database, _CUT)

        await answered(lambda: _answers(journal), bool)

        assert len(await journal.events(EventQuery())) == 1


async def test_whoever_stops_with_a_broken_session_leaves_at_once_all_the_same(database: str) -> None:
    """Nobody had noticed yet that the server ended it; others need not wait for the end of the lease."""
    async with a_router(database, CALM) as journal:
        await recorded(journal, Time(), "slack")
        await claimed(journal, "slack")
        rows(database, _CUT)

    assert rows(database, "SELECT lease_until FROM router") == [(-math.inf,)]


async def test_whoever_stops_while_the_server_is_away_just_stops(server: Server) -> None:
    """Noticed or not: its place is given up when its lease ends."""
    async with a_router(server.url, CALM) as unaware, a_router(server.url, CALM) as aware:
        await unaware.ping()
        server.stop(signal.SIGQUIT)
        await answered(lambda: _answers(aware), lambda good: not good)

    server.start()
    assert rows(server.url, "SELECT count(*) FROM router WHERE lease_until > 0") == [(2,)]


_CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_TAKE = """
UPDATE open_deliveries SET state = 'in_flight', claim = claim + 1, router = (SELECT id FROM router)
WHERE sink = 'b'
"""
_AGAIN = "BEGIN; SET TRANSACTION READ WRITE; ALTER DATABASE {} RESET default_transaction_read_only; COMMIT"


async def test_what_a_lost_answer_claimed_is_given_back(database: str) -> None:
    """A claim that was committed when its connection broke: nobody has it, and it blames nobody."""
    async with a_router(database, CALM) as journal:
        await recorded(journal, Time(), "a", "b")
        mine = await claimed(journal, "a")
        rows(database, _TAKE)
        rows(database, _CUT)

        await answered(lambda: _answers(journal), bool)
        (delivery,) = await journal.deliveries(DeliveryQuery(sink="b"))

        assert (delivery.state, delivery.crashes) == (State.PENDING, 0)
        assert await journal.settle([settlement(mine, State.DELIVERED)]) == []


async def test_a_server_turned_standby_is_unavailable_not_broken(database: str) -> None:
    """After a failover the old address may lead to a server that cannot write."""
    name = rows(database, "SELECT quote_ident(current_database())")[0][0]
    async with a_router(database, CALM) as journal:
        rows(database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        rows(database, _CUT)
        await answered(lambda: _answers(journal), lambda good: not good)
        assert journal.broken is None

        rows(database, _AGAIN.format(name))
        await answered(lambda: _answers(journal), bool)


async def test_a_query_that_finds_no_session_says_why(server: Server) -> None:
    """In the server's own words: that it lets nobody in is another trouble than that it is away."""
    rows(server.url, "CREATE ROLE guest LOGIN SUPERUSER")
    async with a_router(f"{server.url}&user=guest", CALM) as journal:
        rows(server.url, "ALTER ROLE guest NOLOGIN")

        with pytest.raises(JournalUnavailable) as caught:
            await journal.events(EventQuery())

        assert str(caught.value) == (
            "the journal cannot be read now: connection failed: connection to server on socket"
            f' "{server.folder}/.s.PGSQL.5432" failed: FATAL:  role "guest" is not permitted to log in'
        )


async def test_of_several_hosts_the_one_that_answers_is_used(server: Server) -> None:
    """The first is not there; the second is the journal."""
    url = f"postgresql://vr@/postgres?host={server.folder}/gone,{server.folder}&port=5432,5432"
    async with open_postgres(url, Clock(), may_lose=True, timing=CALM) as journal:
        await recorded(journal, Time(), "slack")
        await until(lambda: journal.counts() == {("slack", State.PENDING): 1})
