"""A router that stops in the middle of a transaction: its locks must not outlive its lease."""

import asyncio
import signal

import psycopg

from tests.journal.postgres.fleet import a_child, a_router, rows, taken_over
from tests.waiting import until

# The router that is to freeze must not lose its lease before, however busy the machine.
_LONG = 6.0
_BLOCKED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
"""


async def test_what_a_frozen_router_holds_locked_is_taken_over_too(database: str) -> None:
    """Stopped between two statements of a settlement, with the deliveries' rows locked: others go on."""
    async with (
        a_router(database) as journal,
        a_child(database, lease=_LONG) as child,
        asyncio.TaskGroup() as group,
    ):
        await child.ask("record", "slack")
        (delivery,) = await child.ask("claim", "slack")
        with psycopg.connect(database) as blocker:
            blocker.execute("LOCK TABLE tally IN EXCLUSIVE MODE")
            settling = group.create_task(child.ask("settle"))
            await until(lambda: rows(database, _BLOCKED) == [(1,)])
            await child.freeze()

        claim = await taken_over(journal)

        assert claim.delivery.id == delivery
        child.send(signal.SIGCONT)
        assert await settling == [delivery]
