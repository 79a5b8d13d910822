"""Routers for tests: in this process, and in others that can be killed or stopped for a while."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import msgspec
import psycopg
from msgspec.structs import replace

from router.clock import Clock
from router.delivery import Claim
from router.errors import JournalUnavailable
from router.journal.journal import Journal, JournalOpener
from router.journal.postgres import Timing, open_postgres
from tests.waiting import answered, until

ROOT = Path(__file__).parents[3]
# Short leases: tests wait for their ends. Beats come three times as often, and a transaction in which its
# router says nothing for so long is undone: who stands still for half a second hears that it is unavailable.
QUICK = Timing(lease=1.5, poll=0.05)
# Nobody's lease ends in these.
CALM = replace(QUICK, lease=600.0)


def a_router(
    url: str, timing: Timing = QUICK, *, clock: Clock | None = None, patient: bool = False
) -> JournalOpener:
    """A router of this process, on the database's clock."""
    return open_postgres(url, clock or Clock(), may_lose=True, timing=timing, patient=patient)


def rows(url: str, query: str, *values: object) -> list[tuple[object, ...]]:
    """What the database says."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


async def looked(journal: Journal, wanted: Callable[[], bool]) -> None:
    """Wait as a dispatcher does until it is true."""

    async def look() -> bool:
        await journal.wait(None)
        return wanted()

    await answered(look, lambda found: found)


async def taken_over(journal: Journal) -> Claim:
    """What another router had of the sink `slack`, once its lease has ended; asked as a dispatcher asks."""

    async def claim() -> list[Claim]:
        with suppress(JournalUnavailable):
            return (await journal.claim({"slack": 1})).claims
        return []

    (found,) = await answered(claim, bool)
    return found


class Child:
    """A router in a process of its own; see `child.py` for what it can be told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, *words: str) -> list[str]:
        """Tell it something; its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(words) + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        return cast(list[str], msgspec.json.decode(line))

    def send(self, number: signal.Signals) -> None:
        """SIGKILL, SIGCONT."""
        self._process.send_signal(number)

    async def freeze(self) -> None:
        """It does nothing more afterwards: the signal alone stops one thread after the other."""
        self.send(signal.SIGSTOP)
        threads = Path(f"/proc/{self._process.pid}/task")

        def states() -> set[str]:
            return {(one / "stat").read_text().rpartition(") ")[2][0] for one in threads.iterdir()}

        await until(lambda: states() == {"T"})

    async def end(self) -> None:
        """It is gone afterwards."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()


@asynccontextmanager
async def a_child(url: str, skew: float = 0.0, lease: float = QUICK.lease) -> AsyncIterator[Child]:
    """A router in another process, whose host's clock is wrong by so many seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.journal.postgres.child", url, str(skew), str(lease), cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ},
    )  # fmt: skip
    child = Child(process)
    try:
        yield child
    finally:
        await child.end()


async def held_up(journal: Journal) -> None:
    """A ping that finds its table locked; after a while it gives up."""
    with suppress(JournalUnavailable):
        await journal.ping()
