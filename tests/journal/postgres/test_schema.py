"""A database that an older release made is brought up to date, with all that is in it."""

from pathlib import Path

import psycopg
import pytest

from router.clock import Clock, first_id_at
from router.delivery import State
from router.errors import JournalUnavailable
from router.journal.journal import EventQuery
from router.journal.moving import move
from router.journal.moving.goal import Goal
from router.journal.moving.origin import open_origin
from router.journal.postgres.connecting import Url
from router.journal.postgres.days import Days
from router.journal.postgres.schema import migrate
from router.journal.statements import migrations
from tests.journal.backends import Time, claimed, recorded, settled, settlement
from tests.journal.conformance.test_long_texts import long_text
from tests.journal.moving.origins import a_journal, silent
from tests.journal.postgres.fleet import CALM, a_router, rows

_INDEXES = """
SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename !~ '[0-9]$' ORDER BY 1, 2
"""
_VERSION = "SELECT version FROM visual_router"
_EVENT = """
INSERT INTO events (id, source, provider, kind, branch, project, received_at, subject, reused, ruleset)
VALUES ({number}, 'web', 'percy', 'build', 'main', 'shop', 0, 's', false, '')
"""


@pytest.fixture
def old(empty: str) -> str:
    """A database with the tables of the first release, and an event that it recorded a day ago."""
    first = first_id_at(Clock().now() - 86_400)
    with Url(empty).connect() as connection, connection.cursor() as cursor:
        migrate(connection, migrations("postgres")[:1])
        Days().ensure([first], cursor)
        cursor.execute(_EVENT.format(number=first).encode())
    return empty


async def test_an_older_schema_becomes_the_newest(old: str, database: str) -> None:
    """The same as one that was made today; what was there is found, and what it refused is taken."""
    async with a_router(old, CALM) as journal:
        (event,) = await journal.events(EventQuery(branch="main", project="shop"))
        long = await recorded(journal, Time(), branch=long_text(), project=long_text(3000))
        found = await journal.events(EventQuery(branch=long_text()))

    assert event.branch == "main"
    assert [one.id for one in found] == [long.id]
    assert rows(old, _VERSION) == rows(database, _VERSION) == [(len(migrations("postgres")),)]
    assert rows(old, _INDEXES) == rows(database, _INDEXES)


async def test_an_index_that_an_operator_dropped_stays_so(old: str) -> None:
    """Whoever writes much and searches little."""
    rows(old, "DROP INDEX events_project")
    async with a_router(old, CALM) as journal:
        assert len(await journal.events(EventQuery(project="shop"))) == 1

    names = {row[0] for row in rows(old, "SELECT indexname FROM pg_indexes WHERE tablename = 'events'")}
    assert "events_branch" in names
    assert "events_project" not in names


async def test_whoever_reads_for_long_holds_up_the_newer_release_only(old: str) -> None:
    """While it waited, nobody could record; it tries again instead."""
    async with a_router(old, CALM, patient=True) as journal:
        pass
    rows(old, "UPDATE visual_router SET version = 1")
    with psycopg.connect(old) as other:
        other.execute("SELECT 1 FROM events")
        async with a_router(old, CALM, patient=True) as journal:
            with pytest.raises(JournalUnavailable, match=r"canceling statement due to lock timeout"):
                await journal.open()
            other.rollback()
            await journal.open()
            await recorded(journal, Time(), branch=long_text())

    assert rows(old, _VERSION) == [(len(migrations("postgres")),)]


async def test_a_move_that_an_older_release_began_comes_to_its_end(
    tmp_path: Path, time: Time, empty: str, database: str
) -> None:
    """It failed at the index of what is too long for one, whenever it was tried."""
    path = await a_journal(tmp_path, time)
    with Url(empty).connect() as connection, open_origin(path) as origin:
        migrate(connection, migrations("postgres")[:1])
        Goal(connection).begin(origin.mark())

    assert move(path, empty, silent, may_lose=True).same
    assert rows(empty, _INDEXES) == rows(database, _INDEXES)


async def test_what_is_owed_under_a_thread_of_an_older_release_is_settled(database: str) -> None:
    """One that is too long for a key: it supersedes nothing, and harms nobody."""
    time = Time()
    async with a_router(database, CALM) as journal:
        await recorded(journal, time, "slack", build="7", project="shop")
        claim = await claimed(journal, "slack")
        await recorded(journal, time, "slack", build="7", project="shop")
        rows(database, "UPDATE open_deliveries SET thread = %s", long_text(2500))
        await settled(journal, "slack", State.DELIVERED)
        await journal.settle([settlement(claim, State.PENDING, due=0.0)])

        assert not (await claimed(journal, "slack")).superseded
        assert journal.broken is None
