"""A process that writes to a journal until it is killed, and says what was acknowledged."""

import asyncio
import sys

from router.clock import Clock, id_text
from router.delivery import Route, Settlement, State
from router.event import Event
from router.journal.journal import Journal
from router.journal.sqlite import open_sqlite


def _say(word: str, identity: str) -> None:
    sys.stdout.write(f"{word} {identity}\n")
    sys.stdout.flush()


async def _record(journal: Journal, clock: Clock) -> None:
    while True:
        event_id = id_text("evt", journal.ids.next())
        event = Event(
            id=event_id, source="web", provider="chromatic", received_at=clock.now(), subject=event_id,
            payload=event_id.encode() * 300,
        )  # fmt: skip
        await journal.record(event, [Route("r", "slack")], window=None, ruleset="d")
        _say("recorded", event_id)


async def _deliver(journal: Journal) -> None:
    while True:
        batch = await journal.claim({"slack": 2})
        for claim in batch.claims:
            _say("claimed", claim.delivery.id)
        for claim in batch.claims:
            done = Settlement(
                delivery_id=claim.delivery.id, claim=claim.delivery.claim, state=State.DELIVERED
            )
            await journal.settle([done])
            _say("delivered", claim.delivery.id)
        if not batch.claims:
            await journal.wait(None)


async def _main(path: str) -> None:
    clock = Clock()
    async with open_sqlite(path, clock) as journal, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(_record(journal, clock))
        group.create_task(_deliver(journal))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
