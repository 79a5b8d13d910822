"""Through pgbouncer in transaction mode, where every transaction may meet another session."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from router.clock import Clock
from router.delivery import State
from router.journal.journal import DeliveryQuery, EventQuery, Journal
from router.journal.postgres import open_postgres
from tests.journal.backends import Time, attempt_of, recorded, settlement
from tests.journal.postgres.fleet import CALM, QUICK, a_router, rows
from tests.journal.postgres.pooler import BOUNCER, a_pooler
from tests.waiting import until

pytestmark = pytest.mark.skipif(BOUNCER is None, reason="pgbouncer is not installed")


@pytest.fixture
def pooled(empty: str) -> Iterator[str]:
    """An empty database behind a pooler."""
    with a_pooler(empty) as url:
        yield url


async def _ready(url: str) -> None:
    def answers() -> bool:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            return False
        return True

    await until(answers)


async def test_two_routers_share_three_sessions(pooled: str, empty: str, tmp_path: Path) -> None:
    """Tables made, events recorded, claimed, settled, found, backed up and pruned; none lost or doubled."""
    await _ready(pooled)
    time = Time()
    delivered: list[str] = []

    async def work(journal: Journal) -> None:
        for number in range(20):
            await recorded(journal, time, "slack", title=f"number {number}")
            for claim in (await journal.claim({"slack": 3})).claims:
                done = settlement(claim, State.DELIVERED, attempt=attempt_of(claim))
                assert await journal.settle([done]) == []
                delivered.append(claim.event.id)
            assert await journal.events(EventQuery(text=f"number {number}"))

    async with AsyncExitStack() as stack:
        journals = [await stack.enter_async_context(a_router(pooled, CALM)) for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for journal in journals * 2:
                group.create_task(work(journal))
        for claim in (await journals[0].claim({"slack": 99})).claims:
            delivered.append(claim.event.id)
            await journals[0].settle([settlement(claim, State.DELIVERED)])

        assert 80 == len(delivered) == len(set(delivered))
        assert len(await journals[1].deliveries(DeliveryQuery(state=State.DELIVERED, limit=99))) == 80
        await journals[0].backup(str(tmp_path / "copy.db"))
        await journals[0].prune(4e9, 10)
        assert rows(empty, "SELECT count(*) FROM events") == [(0,)]


async def test_hints_go_past_the_pooler(pooled: str, empty: str) -> None:
    """A router that would not look for ten minutes hears of what another one recorded."""
    await _ready(pooled)
    timing = replace(QUICK, poll=600.0)
    async with (
        open_postgres(pooled, Clock(), listen_url=empty, may_lose=True, timing=timing) as one,
        open_postgres(pooled, Clock(), listen_url=empty, may_lose=True, timing=timing) as other,
    ):
        heard = False

        async def listen() -> None:
            nonlocal heard
            while not (await other.claim({"slack": 1})).claims:
                await other.wait(None)
            heard = True

        async with asyncio.TaskGroup() as group:
            group.create_task(listen())
            # Hints are sent by whoever knows of another router, which a beat may have to tell it first.
            while not heard:
                await recorded(one, Time(), "slack")
                await one.wait(0.05)
