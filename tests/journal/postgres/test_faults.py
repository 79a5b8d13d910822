"""What the server's errors come to: refused alone, tried again, unavailable, or broken."""

import asyncio
import resource
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from router.clock import Clock
from router.delivery import State
from router.errors import JournalBroken, JournalError, JournalUnavailable
from router.journal.journal import EventQuery, Journal
from router.journal.postgres import open_postgres
from router.journal.postgres.text import read, stored
from tests.journal.backends import Time, an_event, recorded
from tests.journal.conformance.test_long_texts import long_text
from tests.journal.conformance.test_quarantine import kept
from tests.journal.postgres.fleet import CALM, QUICK, a_router, held_up, rows
from tests.waiting import turns, until

# Refuses so many inserts with an error of that kind: what a sequence counts no rollback takes back.
_TRIP = """
CREATE SEQUENCE tripped;
CREATE FUNCTION trip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('tripped') <= {times} THEN RAISE EXCEPTION 'tripped' USING ERRCODE = '{code}'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER trip BEFORE INSERT ON seen FOR EACH ROW EXECUTE FUNCTION trip();
"""


@pytest.fixture
async def journal(database: str) -> AsyncIterator[Journal]:
    """A router with nobody beside it."""
    async with a_router(database, CALM) as journal:
        yield journal


def _trip(database: str, code: str, times: int) -> None:
    rows(database, _TRIP.format(code=code, times=times))


@pytest.mark.parametrize("code", ["40P01", "40001"])
async def test_two_routers_in_each_others_way_are_not_noticed(
    journal: Journal, database: str, code: str
) -> None:
    """The server ends one of them; it does the same again."""
    _trip(database, code, 3)

    await recorded(journal, Time(), "slack")

    assert journal.counts() == {("slack", State.PENDING): 1}


@pytest.mark.parametrize("code", ["40P01", "55P03", "53100", "57014", "42501"])
async def test_what_may_heal_is_unavailable(journal: Journal, database: str, code: str) -> None:
    """Nothing was changed, and when it is over all goes on in the same session."""
    _trip(database, code, 5)
    with pytest.raises(JournalUnavailable) as caught:
        await recorded(journal, Time(), "slack")
    assert str(caught.value) == f"the journal cannot be written now: tripped ({code})"
    rows(database, "DROP TRIGGER trip ON seen")

    await recorded(journal, Time(), "slack")

    assert rows(database, "SELECT count(*) FROM events") == [(1,)]


# A constraint, and an index with a key that is too long for it.
_REFUSALS = {
    "23514": "ALTER TABLE events ADD CHECK (length(title) < 4000)",
    "54000": "CREATE INDEX events_title ON events (title)",
}


@pytest.mark.parametrize("code", sorted(_REFUSALS))
async def test_a_value_that_is_refused_is_refused_alone(journal: Journal, database: str, code: str) -> None:
    """With the server's words; the others of its transaction are stored."""
    rows(database, _REFUSALS[code])
    time = Time()
    errors: list[str] = []

    async def record(title: str) -> None:
        try:
            await recorded(journal, time, "slack", title=title, subject=title[:9])
        except JournalError as error:
            errors.append(str(error))

    async with asyncio.TaskGroup() as group:
        for title in ("a", "b", long_text(), "c"):
            group.create_task(record(title))
        # Shares its transaction with nobody, whatever comes before and behind it.
        group.create_task(kept(journal, time))

    assert len(errors) == 1
    assert errors[0].startswith("the journal refused a value: ")
    assert errors[0].endswith(f"({code})")
    assert [event.title for event in await journal.events(EventQuery())] == ["c", "b", "a"]
    assert rows(database, "SELECT count(*) FROM quarantine") == [(1,)]


async def test_a_journal_without_its_tables_is_broken(journal: Journal, database: str) -> None:
    """No waiting mends that: the process has to end, and says why."""
    await journal.wait(None)
    rows(database, "DROP TABLE seen")
    with pytest.raises(JournalBroken) as caught:
        await recorded(journal, Time(), "slack")
    await journal.wait(None)

    assert str(caught.value) == journal.broken
    assert journal.broken == ('the journal cannot be written: relation "seen" does not exist (42P01)')
    with pytest.raises(JournalBroken):
        await journal.ping()


async def test_a_beat_that_finds_the_journal_broken_tells_whoever_waits(database: str) -> None:
    """Nobody need write for it to be found out."""
    async with a_router(database, replace(QUICK, poll=600.0)) as journal:
        await journal.wait(None)
        rows(database, "DROP TABLE tally")

        await until(lambda: journal.broken is not None)

        await journal.wait(None)


def _left(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_query_that_fails_says_so(journal: Journal, database: str, tmp_path: Path) -> None:
    """As a journal's error, not a driver's."""
    rows(database, "DROP TABLE rulesets")

    with pytest.raises(JournalBroken, match=r"^the journal cannot be read: relation"):
        await journal.rules("d")
    with pytest.raises(JournalBroken, match=r"^the journal cannot be read: relation"):
        await journal.backup(str(tmp_path / "copy"))
    assert _left(tmp_path) == []


async def test_a_closed_journal_is_unavailable(database: str) -> None:
    """For reading and for writing."""
    async with a_router(database, CALM) as journal:
        pass

    for work in (journal.ping(), journal.events(EventQuery())):
        with pytest.raises(JournalUnavailable, match=r"^the journal is closed$"):
            await work


async def test_with_256_routers_at_work_another_one_has_to_wait(database: str) -> None:
    """Ids have room for no more."""
    rows(
        database,
        "INSERT INTO router (node, name, version, configuration, started, seen, lease_until)"
        " SELECT n, 'x', '1', '', 0, 0, 'infinity' FROM generate_series(0, 255) AS n",
    )
    with pytest.raises(JournalUnavailable, match=r"^256 routers are at work on this journal already$"):
        async with a_router(database):
            pass
    async with a_router(database, patient=True) as journal:
        rows(database, "DELETE FROM router WHERE node = 77")
        await journal.open()
        await recorded(journal, Time(), "slack")

    assert rows(database, "SELECT count(*) FROM events") == [(1,)]


async def test_a_router_whose_place_was_taken_waits_for_another(database: str) -> None:
    """It found its lease over and every place taken: unavailable until one is free."""
    async with a_router(database, replace(QUICK, poll=600.0)) as journal:
        rows(
            database,
            "BEGIN; DELETE FROM router;"
            " INSERT INTO router (node, name, version, configuration, started, seen, lease_until)"
            " SELECT n, 'x', '1', '', 0, 0, 'infinity' FROM generate_series(0, 255) AS n; COMMIT",
        )

        async def refused() -> str:
            try:
                await journal.ping()
            except JournalUnavailable as error:
                return str(error)
            return ""

        async with asyncio.timeout(60):
            while await refused() != "256 routers are at work on this journal already":
                await journal.wait(0.05)
        assert journal.broken is None
        rows(database, "DELETE FROM router WHERE node = 77")
        async with asyncio.timeout(60):
            while await refused():
                await journal.wait(0.05)
        await recorded(journal, Time(), "slack")

    assert rows(database, "SELECT count(*) FROM router") == [(255,)]


# Whoever takes a place has chosen it, and waits.
_MEET = """
BEGIN;
LOCK TABLE router IN SHARE ROW EXCLUSIVE MODE;
CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$;
DELETE FROM router;
INSERT INTO router (node, name, version, configuration, started, seen, lease_until)
SELECT n, 'x', '1', '', 0, 0, 'infinity' FROM generate_series(0, 255) AS n WHERE n <> 77;
CREATE TRIGGER meet BEFORE INSERT ON router FOR EACH ROW EXECUTE FUNCTION meet();
COMMIT
"""


async def test_two_routers_that_come_back_at_once_do_not_take_the_same_place(database: str) -> None:
    """Both found their leases over, and one place free: one has it, the other waits for another."""
    timing = replace(QUICK, poll=600.0)

    async def said(journal: Journal) -> str:
        try:
            await journal.ping()
        except JournalUnavailable as error:
            return str(error)
        return ""

    async with a_router(database, timing) as one, a_router(database, timing) as other:
        with psycopg.connect(database) as meeting:
            meeting.execute("SELECT pg_advisory_xact_lock(1)")
            rows(database, _MEET)
            await until(lambda: rows(database, _WAITING) == [(2,)])
            meeting.commit()

        async with asyncio.timeout(60):
            while sorted([await said(one), await said(other)]) != [
                "", "256 routers are at work on this journal already",
            ]:  # fmt: skip
                await one.wait(0.05)

        assert (one.broken, other.broken) == (None, None)
    assert rows(database, "SELECT count(*) FROM router") == [(255,)]


@pytest.mark.parametrize(
    "text", ["", "plain", "\x00", "a\x00b\x00", "\U0010ffff", "\U0010ffff0\x00\U0010ffff1"]
)
def test_any_text_survives(database: str, text: str) -> None:
    """Also what the database cannot hold, and what stands for it."""
    assert read(stored(text)) == text
    with psycopg.connect(database) as connection:
        ((found,),) = connection.execute("SELECT %s::text", (stored(text),)).fetchall()
    assert read(found) == text
    assert stored(None) is None


async def test_what_is_looked_for_goes_the_way_of_what_is_stored(journal: Journal) -> None:
    """A title with a NUL is found by that NUL."""
    event = an_event(journal, Time(), title="a\x00b", branch="x\x00")
    await journal.record(event, [], window=0, ruleset="rules")

    assert [each.id for each in await journal.events(EventQuery(text="A\x00B"))] == [event.id]
    assert [each.id for each in await journal.events(EventQuery(branch="x\x00"))] == [event.id]
    assert await journal.events(EventQuery(text="0")) == []


async def test_a_value_that_sqlite_does_not_take_ends_the_backup(
    journal: Journal, database: str, tmp_path: Path
) -> None:
    """Whoever changed the database by hand hears of it; no half copy is left."""
    await recorded(journal, Time())
    rows(database, "UPDATE events SET received_at = 'NaN'")

    with pytest.raises(JournalError, match=r"^cannot write '.*/copy': .*received_at"):
        await journal.backup(str(tmp_path / "copy"))
    assert _left(tmp_path) == []


async def test_a_backup_that_finds_no_room_leaves_nothing_behind_and_says_why(
    journal: Journal, tmp_path: Path
) -> None:
    """Not that there was nothing to undo, which is what SQLite says last."""
    await recorded(journal, Time(), payload=bytes(4 << 20))

    bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, bounds[1]))
    try:
        with pytest.raises(JournalError) as caught:
            await journal.backup(str(tmp_path / "copy"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bounds)

    assert str(caught.value) == f"cannot write '{tmp_path}/copy': disk I/O error (SQLITE_IOERR_WRITE)"
    assert _left(tmp_path) == []


_MUTE = """
CREATE FUNCTION pg_notify(channel text, payload text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53000'; END $$;
"""


async def test_a_hint_that_cannot_be_given_harms_nobody(database: str) -> None:
    """What was recorded is recorded; the others look by themselves."""
    name = rows(database, "SELECT quote_ident(current_database())")[0][0]
    rows(database, _MUTE)
    rows(database, f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    async with (
        open_postgres(database, Clock(), listen_url=database, may_lose=True, timing=QUICK),
        open_postgres(database, Clock(), listen_url=database, may_lose=True, timing=QUICK) as journal,
    ):
        for _ in range(3):
            await recorded(journal, Time(), "slack")
        await journal.ping()

    assert rows(database, "SELECT count(*) FROM events") == [(3,)]


async def test_a_wrong_clock_is_set_by_the_database(database: str) -> None:
    """Whatever the host believes."""
    host = Clock()
    clock = Clock(lambda: host.wall() + 7200)
    async with a_router(database, CALM, clock=clock):
        assert abs(clock.now() - host.now()) < 600


_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_fault_of_our_own_leaves_nobody_waiting(journal: Journal, database: str) -> None:
    """Whoever waits is told, whatever it waits for; the process has to end."""
    told: list[str] = []

    async def ask(work: Awaitable[object]) -> None:
        try:
            await work
        except JournalBroken as error:
            told.append(str(error))

    await journal.ping()
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE pulse")
        async with asyncio.TaskGroup() as group:
            group.create_task(held_up(journal))
            await until(lambda: rows(database, _WAITING) == [(1,)])
            group.create_task(ask(journal.mark(None)))  # type: ignore[arg-type]  # the fault
            group.create_task(ask(kept(journal, Time())))
            group.create_task(ask(journal.settle([])))
            await turns()
            other.commit()

    assert told == ["the journal's thread failed; its traceback says where"] * 3
    assert journal.broken == told[0]
    await journal.wait(None)
