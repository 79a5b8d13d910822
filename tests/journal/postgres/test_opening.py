"""What an opening asks of a server, and leaves alone."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import structlog
from psycopg.conninfo import conninfo_to_dict

from router.clock import Clock
from router.errors import JournalError, JournalUnavailable, SchemaMismatch
from router.journal import open_journal
from router.journal.journal import JournalSettings
from router.journal.postgres import open_postgres
from router.journal.statements import migrations
from router.secret import Secret
from tests.journal.backends import Time, recorded
from tests.journal.postgres.fleet import CALM, a_router, rows
from tests.journal.postgres.server import Server
from tests.waiting import until

_SESSIONS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

_MIGRATING = "SELECT pg_advisory_xact_lock(1987212914)"
_WAITED = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
AND query_start < clock_timestamp() - interval '1 second'
"""


async def _refusal(url: str, kind: type[JournalError] = JournalError, *, may_lose: bool = True) -> str:
    with pytest.raises(kind) as caught:
        async with open_postgres(url, Clock(), may_lose=may_lose):
            pass
    assert type(caught.value) is kind
    return str(caught.value)


@pytest.mark.parametrize("commit", ["off", "local", "remote_write"])
async def test_a_server_that_can_lose_commits_is_refused(database: str, commit: str) -> None:
    """Each unsafe setting is named, and what to write for whoever wants it so."""
    rows(database, f"ALTER DATABASE {database_name(database)} SET synchronous_commit = {commit}")
    settings = rows(
        database, "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes')"
    )
    unsafe = [f"{name} = off" for name, setting in sorted(settings) if setting == "off"]

    assert await _refusal(database, may_lose=False) == (
        "this server can lose what it has acknowledged:"
        f" {', '.join([*unsafe, f'synchronous_commit = {commit}'])};"
        " set them to on, or write journal.may_lose_acknowledged_events: true"
    )
    with structlog.testing.capture_logs() as logs:
        async with a_router(database, CALM) as journal:
            await journal.ping()
    (warning,) = [entry for entry in logs if entry["event"] == "journal_may_lose_events"]
    assert warning["settings"] == [*unsafe, f"synchronous_commit = {commit}"]


def database_name(url: str) -> str:
    """The database's name for a statement."""
    ((name,),) = rows(url, "SELECT quote_ident(current_database())")
    return str(name)


async def test_a_newer_schema_is_refused_and_left_alone(database: str) -> None:
    """The message says which versions there are and what to do."""
    rows(database, "UPDATE visual_router SET version = 99")

    assert await _refusal(database, SchemaMismatch) == (
        f"the database has version 99 and this release knows versions up to {len(migrations('postgres'))};"
        " install the newer release or restore a backup"
    )
    assert rows(database, "SELECT version FROM visual_router") == [(99,)]


async def test_the_tables_of_another_program_are_left_alone(empty: str) -> None:
    """Nothing is made beside them."""
    rows(empty, "CREATE TABLE events (id int)")

    assert await _refusal(empty, SchemaMismatch) == (
        "the database holds tables of another program; name a database of its own in journal.url"
    )
    assert rows(empty, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(1,)]


async def test_a_journal_that_is_made_is_told_and_one_that_was_there_is_not(empty: str) -> None:
    """A first start and a wrong database would look alike; of the URL only host and name are told."""
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            async with a_router(empty):
                pass
    made = [line for line in logs if line["event"] == "journal_created"]

    assert [line.keys() for line in made] == [{"event", "log_level", "host", "database"}]
    assert made[0]["database"] == urlsplit(empty).path.strip("/")


async def test_routers_that_start_at_once_make_the_tables_once(empty: str) -> None:
    """Whoever comes second finds the work done; both can record."""
    async with AsyncExitStack() as stack:
        journals = []

        async def start() -> None:
            journals.append(await stack.enter_async_context(a_router(empty, CALM)))

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(start())
        for journal in journals:
            await recorded(journal, Time(), "slack")

    assert rows(empty, "SELECT version FROM visual_router") == [(len(migrations("postgres")),)]
    assert rows(empty, "SELECT count(*) FROM events") == [(3,)]


async def _longer_than_a_roles_limit(url: str, held: str, work: Coroutine[object, object, None]) -> None:
    """Do it, and let one of its statements take a second where the limit is half of one."""
    rows(url, f"ALTER DATABASE {database_name(url)} SET statement_timeout = 500")
    with psycopg.connect(url) as other:
        other.execute(held.encode())
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work)
            await until(lambda: task.done() or bool(rows(url, _WAITED)))
            other.rollback()


async def test_a_roles_limit_does_not_end_a_migration(empty: str) -> None:
    """It is meant for people's statements: a release that changes a large journal would never start."""

    async def start() -> None:
        async with a_router(empty, CALM) as journal:
            await journal.ping()

    await _longer_than_a_roles_limit(empty, _MIGRATING, start())


async def test_a_roles_limit_does_not_end_a_backup(database: str, tmp_path: Path) -> None:
    """Of a large journal there would never be one."""
    async with a_router(database, CALM) as journal:
        work = journal.backup(str(tmp_path / "copy.db"))
        await _longer_than_a_roles_limit(database, "LOCK TABLE attempts", work)

    assert (tmp_path / "copy.db").exists()


async def test_an_unreadable_url_is_not_repeated() -> None:
    """There may be a password in it."""
    assert await _refusal("postgresql://user:geheim@host/db?nonsense=1") == (
        "journal.url cannot be read as a PostgreSQL URL; write postgresql://user@host/database"
    )


async def test_a_server_that_is_not_there_is_waited_for(database: str, tmp_path: Path) -> None:
    """By whoever is patient; until then nothing can be recorded."""
    nowhere = f"postgresql://vr@/db?host={tmp_path}"
    with pytest.raises(JournalUnavailable):
        async with a_router(nowhere):
            pass
    async with a_router(nowhere, patient=True) as journal:
        with pytest.raises(JournalUnavailable) as caught:
            await journal.ping()
        with pytest.raises(JournalUnavailable):
            await journal.open()

        assert str(caught.value).startswith("the journal cannot be opened now: ")
        assert journal.broken is None
        assert journal.counts() == {}
        await journal.wait(0.001)


@pytest.mark.parametrize("secret", [False, True])
async def test_the_configuration_names_the_database(database: str, *, secret: bool) -> None:
    """By its URL or a reference; opened twice it is opened once."""
    settings = JournalSettings(
        url=Secret("env:URL", database) if secret else database,
        listen_url=database,
        may_lose_acknowledged_events=True,
    )
    async with open_journal(settings, Clock()) as journal:
        await journal.open()
        await recorded(journal, Time(), "slack")

    assert rows(database, "SELECT count(*) FROM events") == [(1,)]


async def test_a_router_leaves_nothing_behind(database: str) -> None:
    """Its row and its sessions end with it."""
    async with a_router(database, CALM) as journal:
        await journal.marks()
        assert rows(database, "SELECT count(*) FROM router") == [(1,)]

    assert rows(database, "SELECT count(*) FROM router") == [(0,)]
    await until(lambda: rows(database, _SESSIONS) == [(0,)])


_OTHERWISE = """
CREATE FUNCTION current_setting(name text) RETURNS text LANGUAGE sql RETURN
  CASE WHEN name = '{name}' THEN '{value}' ELSE pg_catalog.current_setting(name) END;
"""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("server_version_num", "130012", "PostgreSQL 13 is too old for a journal; use 14 or newer"),
        (
            "server_encoding",
            "LATIN1",
            "the database has the encoding 'LATIN1'; create one with encoding UTF8",
        ),
    ],
)
async def test_a_server_that_cannot_hold_a_journal_is_refused(
    database: str, name: str, value: str, message: str
) -> None:
    """The message says what it takes."""
    rows(database, _OTHERWISE.format(name=name, value=value))
    rows(database, f"ALTER DATABASE {database_name(database)} SET search_path = public, pg_catalog")

    assert await _refusal(database) == message


async def test_whoever_may_not_make_the_text_search_is_told_who_can(empty: str) -> None:
    """The extension belongs to the server's contrib package, and to the database's owner."""
    role = f"vr_nobody_{os.getpid()}"
    rows(empty, f"CREATE ROLE {role} LOGIN")
    rows(empty, f"GRANT CREATE ON SCHEMA public TO {role}")
    try:
        refusal = await _refusal(f"{empty}&user={role}")
    finally:
        rows(empty, f"DROP OWNED BY {role}")
        rows(empty, f"DROP ROLE {role}")

    assert refusal == (
        'the journal\'s tables cannot be made: permission denied to create extension "pg_trgm"; install'
        " PostgreSQL's contrib package, and let the database's owner run CREATE EXTENSION pg_trgm"
    )
    assert rows(empty, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


async def test_whoever_may_not_make_tables_is_told_who_can(empty: str) -> None:
    """Since PostgreSQL 15 that is the database's owner alone; a router waits for it."""
    role = f"vr_guest_{os.getpid()}"
    rows(empty, f"CREATE ROLE {role} LOGIN")
    rows(empty, "REVOKE CREATE ON SCHEMA public FROM public")
    try:
        refusal = await _refusal(f"{empty}&user={role}", JournalUnavailable)
    finally:
        rows(empty, f"DROP ROLE {role}")

    assert refusal == (
        "the journal's tables cannot be made now: permission denied for schema public;"
        " let the router's role own the database"
    )


async def test_several_hosts_without_a_synchronous_standby_are_pointed_out(database: str) -> None:
    """A standby that takes over may lack what was acknowledged."""
    host = str(conninfo_to_dict(database)["host"])
    several = database.replace(f"host={host}", f"host={host},{host}").replace("port=5432", "port=5432,5432")
    with structlog.testing.capture_logs() as logs:
        async with a_router(several) as journal:
            await journal.ping()

    assert [entry["reason"] for entry in logs if entry["event"] == "failover_may_lose_events"] == [
        "journal.url names several hosts, but synchronous_standby_names is empty:"
        " a standby that takes over may lack the newest acknowledged events"
    ]


async def test_hints_that_are_lost_are_said_and_not_needed(database: str) -> None:
    """The router looks by itself, a little later."""
    with structlog.testing.capture_logs() as logs:
        async with open_postgres(database, Clock(), listen_url=database, may_lose=True) as journal:
            listening = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN visual_router'"
            await until(lambda: rows(database, listening) == [(1,)])
            rows(database, _CUT_LISTENER)
            await until(lambda: any(entry["event"] == "hints_lost" for entry in logs))
            await recorded(journal, Time(), "slack")

    assert rows(database, "SELECT count(*) FROM events") == [(1,)]


_CUT_LISTENER = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN visual_router'"


def test_without_its_driver_the_configuration_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation for SQLite alone has none, and needs none."""
    for name in [name for name in sys.modules if name.startswith("router.journal.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(JournalError) as caught:
        open_journal(JournalSettings(url="postgresql://vr@/db"), Clock())

    assert str(caught.value) == (
        "journal.url needs the driver of PostgreSQL; run: pip install 'visual-router[postgres]'"
    )


def test_another_module_that_is_missing_is_not_blamed_on_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told to install what is there."""
    for name in [name for name in sys.modules if name.startswith("router.journal.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "router.journal.postgres.opening", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        open_journal(JournalSettings(url="postgresql://vr@/db"), Clock())

    assert caught.value.name == "router.journal.postgres.opening"


async def test_a_durable_server_needs_no_word() -> None:
    """Nothing is accepted that need not be."""
    server = Server({"fsync": "on", "full_page_writes": "on"}).start()
    try:
        with structlog.testing.capture_logs() as logs:
            async with open_postgres(server.url, Clock()) as journal:
                await recorded(journal, Time(), "slack")
        assert [line["event"] for line in logs] == ["journal_created"]
    finally:
        server.remove()
