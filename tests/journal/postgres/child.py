"""A router without a dispatcher, told line by line what to do.

Started as `python -m tests.journal.postgres.child URL SKEW LEASE`. Each line is a list of texts (record SINK;
claim SINK; settle; now) and is answered by one.
"""

import asyncio
import sys
import time
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from router import logs
from router.clock import Clock, id_text
from router.delivery import Claim, Route, Settlement, State
from router.errors import JournalUnavailable
from router.event import Event
from router.journal.postgres import PostgresJournal, open_postgres
from tests.journal.postgres.fleet import QUICK


class Router:
    """A journal and the claims that it gave."""

    def __init__(self, journal: PostgresJournal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._claims: list[Claim] = []

    async def do(self, what: str, sink: str = "") -> list[str]:
        """One line."""
        journal = self._journal
        if what == "record":
            event = Event(
                id=id_text("evt", journal.ids.next()), source="web", provider="chromatic", kind="build",
                received_at=self._clock.now(), payload=b"{}", subject="one",
            )  # fmt: skip
            receipt = await journal.record(event, [Route("r", sink)], window=0, ruleset="rules")
            return [receipt.id]
        if what == "claim":
            self._claims = (await journal.claim({sink: 100})).claims
            return [claim.delivery.id for claim in self._claims]
        if what == "settle":
            settlements = [
                Settlement(delivery_id=each.delivery.id, claim=each.delivery.claim, state=State.DELIVERED)
                for each in self._claims
            ]
            while True:
                # As the dispatcher does it: until the journal takes it.
                with suppress(JournalUnavailable):
                    return await journal.settle(settlements)
        return [str(self._clock.now())]


async def _main(url: str, skew: float, lease: float) -> None:
    clock = Clock(lambda: time.time() + skew)
    async with open_postgres(url, clock, may_lose=True, timing=replace(QUICK, lease=lease)) as journal:
        router = Router(journal, clock)
        while line := await asyncio.to_thread(sys.stdin.readline):
            answer = await router.do(*msgspec.json.decode(line, type=list[str]))
            sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    # Standard output is for answers.
    logs.configure(json=True, stream=sys.stderr)
    asyncio.run(_main(sys.argv[1], *map(float, sys.argv[2:])))
