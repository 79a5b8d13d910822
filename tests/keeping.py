"""An intake with a quarantine over an inbox in memory, at a time that stands still."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from multidict import CIMultiDict

from router.clock import Ids
from router.errors import BadSignature, Undecodable
from router.intake import Intake
from router.journal.journal import RefusedRequest
from router.metrics import Metrics
from router.quarantine import Quarantine
from router.rules.matcher import Matcher
from router.sources.source import Source
from tests.server.edge import BODY, EVERYTHING, SIGNED, Memory, Time

NOTHING = BadSignature()


class Desk:
    """A quarantine and the intake before it, over an inbox in memory, at a time that stands still."""

    def __init__(self, again: float = 5.0) -> None:
        self.inbox = Memory()
        self.time = Time()
        self.metrics = Metrics()
        clock = self.time.clock()
        ids = Ids(clock)
        self.quarantine = Quarantine(self.inbox, clock, ids, self.metrics, again)
        self.intake = Intake(self.inbox, clock, ids, self.metrics, quarantine=self.quarantine)

    async def use(self, *sources: Source) -> None:
        """Put sources into force."""
        self.intake.use({source.name: source for source in sources}, Matcher((EVERYTHING,), "text"))

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """The quarantine's loop at work, and everything written at the end."""
        async with anyio.create_task_group() as loops:
            loops.start_soon(self.quarantine.run)
            yield
            await self.quarantine.drain()
            loops.cancel_scope.cancel()

    async def refuse(
        self, source: Source, headers: dict[str, str], body: bytes = BODY, query: dict[str, str] | None = None
    ) -> None:
        """Post what is refused."""
        with pytest.raises((BadSignature, Undecodable)):
            await self.intake.accept(source, CIMultiDict(headers), body, query or {})

    def not_kept(self, why: str, source: str = "signed") -> int:
        """How many were not kept for a reason."""
        sample = f'visual_router_quarantine_not_kept_total{{source="{source}",why="{why}"}} '
        found = [line for line in self.metrics.text().decode().splitlines() if line.startswith(sample)]
        return int(float(found[0].removeprefix(sample))) if found else 0

    def keep(self, source: Source = SIGNED, body: bytes = BODY) -> None:
        """Have one kept."""
        self.quarantine.keep(source, {}, body, {}, self.time.wall, NOTHING)

    async def refused_by(self, source: Source, headers: dict[str, str], body: bytes = BODY) -> RefusedRequest:
        """A request that a source refused."""
        async with self.writing():
            await self.refuse(source, headers, body)
        return list(self.inbox.quarantined.values())[-1]
