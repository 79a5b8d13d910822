"""What is not moved, and into what nothing is moved: both are left as they are, and the reason is told."""

from pathlib import Path

import apsw
import pytest

from router.errors import JournalBroken, JournalError, JournalLocked, SchemaMismatch
from router.journal.moving import move
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.lock import Lock
from router.journal.sqlite.schema import migrate
from router.journal.sqlite.statements import migrations
from tests.journal.backends import Time, recorded
from tests.journal.moving.origins import a_journal, moved, rows_of, silent
from tests.journal.postgres.fleet import CALM, a_router, rows


def refused(path: Path, url: str, kind: type[JournalError] = JournalError, *, may_lose: bool = True) -> str:
    """Why a move is refused."""
    with pytest.raises(kind) as caught:
        move(path, url, silent, may_lose=may_lose)
    assert type(caught.value) is kind
    return str(caught.value)


def changed(path: Path, *statements: str) -> Path:
    """A journal that somebody wrote to."""
    connection = apsw.Connection(str(path))
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return path


def hurt_the_head(path: Path) -> None:
    """Say in it that pages are larger than the whole file is."""
    content = bytearray(path.read_bytes())
    content[16:18] = b"\0\1"
    path.write_bytes(content)


async def test_a_journal_that_a_daemon_has_is_not_moved(tmp_path: Path, time: Time, target: str) -> None:
    """What it records meanwhile would be missing; and no daemon gets one that is being moved."""
    path = tmp_path / "journal.db"
    async with open_sqlite(path, time.clock()):
        assert refused(path, target, JournalLocked) == f"'{path}' is in use by a daemon; stop that one first"

    def start(kind: str, there: int, total: int) -> None:
        with pytest.raises(JournalLocked):
            Lock.take(path)

    assert move(path, target, start, may_lose=True).same
    Lock.take(path).release()


def test_what_is_no_journal_is_not_moved(tmp_path: Path, target: str) -> None:
    """Nothing, an empty file, the tables of another program, one of a newer release."""
    names = ("absent", "empty", "text", "other", "newer")
    absent, empty, text, other, newer = (tmp_path / name for name in names)
    empty.touch()
    text.write_text("text " * 1000)
    changed(other, "CREATE TABLE t (x)")
    changed(newer, "PRAGMA user_version = 99")

    assert refused(absent, target) == f"there is no file '{absent}'; name the journal that is to be moved"
    assert refused(empty, target, SchemaMismatch) == (
        f"'{empty}' is empty; name the journal that is to be moved"
    )
    assert refused(text, target, SchemaMismatch) == (
        f"'{text}' is no journal; name the journal that is to be moved"
    )
    assert refused(other, target, SchemaMismatch) == (
        f"'{other}' is not a journal of this program; name another file in journal.url"
    )
    assert refused(newer, target, SchemaMismatch) == (
        f"'{newer}' has version 99 and this release knows versions up to {len(migrations())};"
        " install the newer release or restore a backup"
    )


async def test_a_journal_whose_head_is_damaged_is_told_by_name(
    tmp_path: Path, time: Time, target: str
) -> None:
    """Nothing in it can be read."""
    path = await a_journal(tmp_path, time)
    # Its log goes into the file, whose head counts then.
    hurt_the_head(changed(path, "PRAGMA user_version"))

    assert refused(path, target, JournalBroken) == (
        f"'{path}' is damaged: database disk image is malformed (SQLITE_CORRUPT);"
        " restore a backup as the README says"
    )


async def test_a_suspicious_journal_is_checked_first(tmp_path: Path, time: Time, target: str) -> None:
    """A sync failed under its last daemon, and not every page need be there."""
    path = await a_journal(tmp_path, time, many=10)
    lock = Lock.take(path)
    lock.suspect()
    lock.release()
    assert move(path, target, silent, may_lose=True).same
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, 'sink TEXT', 'sink INT') WHERE name = 'open_deliveries'"
    )
    connection.close()

    assert refused(path, target, JournalBroken) == (
        f"'{path}' is damaged; visual-router verify says how, then move a backup"
    )


async def test_a_journal_that_changed_is_not_moved_on(tmp_path: Path, time: Time, target: str) -> None:
    """What was moved of it before may be out of date; half or whole, the target is named as what it is."""
    path = await a_journal(tmp_path, time)
    rows_ = "SELECT origin, finished IS NULL FROM moving"

    class Enough(Exception):
        pass

    def stop(kind: str, there: int, total: int) -> None:
        if kind == "bodies":
            raise Enough

    with pytest.raises(Enough):
        move(path, target, stop, may_lose=True)
    before = rows(target, rows_)
    async with open_sqlite(path, time.clock()) as journal:
        await recorded(journal, time, "slack", subject="news")
    half = refused(path, target)
    rows(target, "UPDATE moving SET finished = 1")

    assert half == (
        "the target holds a part of another journal, or this one changed since that was moved;"
        " name an empty database"
    )
    assert refused(path, target) == (
        "another journal was moved into the target, or this one changed since; name an empty database"
    )
    assert rows(target, "SELECT origin FROM moving") == [(before[0][0],)]
    assert rows(target, "SELECT count(*) FROM events WHERE subject = 'news'") == [(0,)]


async def test_a_journal_that_is_written_to_meanwhile_is_found_out(
    tmp_path: Path, time: Time, target: str
) -> None:
    """By a program that does not ask for the lock; the target is never opened then."""
    path = await a_journal(tmp_path, time)

    def write(kind: str, there: int, total: int) -> None:
        if kind == "latest" and there:
            changed(path, "UPDATE marks SET paused = 'no'")

    assert refused_while(path, target, write) == (
        f"'{path}' was written to meanwhile; name an empty database and move it again"
    )
    assert rows(target, "SELECT finished FROM moving") == [(None,)]


def refused_while(path: Path, url: str, tell: object) -> str:
    """Why a move that is watched is refused."""
    with pytest.raises(JournalError) as caught:
        move(path, url, tell, may_lose=True)  # type: ignore[arg-type]  # a function of the test
    return str(caught.value)


async def test_a_database_in_use_is_left_alone(tmp_path: Path, time: Time, target: str) -> None:
    """While routers work on it, and also later once it holds anything of theirs."""
    path = await a_journal(tmp_path, time)
    async with a_router(target, CALM) as journal:
        await journal.remember("others", "rules: []")
        at_work = refused(path, target)
        await recorded(journal, time, "slack")
    held = refused(path, target)

    assert at_work == "routers are at work on the target; stop them, or name an empty database"
    assert held == "the target holds a journal already; name an empty database"
    assert rows(target, "SELECT count(*) FROM events") == [(1,)]
    assert rows(target, "SELECT digest FROM rulesets") == [("others",)]
    assert rows(target, "SELECT count(*) FROM moving") == [(0,)]


async def test_a_database_that_was_only_opened_will_do(tmp_path: Path, time: Time, target: str) -> None:
    """A router that started there by mistake left its rules; they are nothing to keep."""
    path = await a_journal(tmp_path, time)
    async with a_router(target, CALM) as journal:
        await journal.remember("others", "rules: []")
        await journal.ping()
    assert move(path, target, silent, may_lose=True).same

    assert moved(target, tmp_path) == rows_of(path)


async def test_a_server_that_may_lose_it_is_refused(tmp_path: Path, time: Time, target: str) -> None:
    """Unless the operator says so: the source may be removed afterwards."""
    path = await a_journal(tmp_path, time)
    ((name,),) = rows(target, "SELECT quote_ident(current_database())")
    rows(target, f"ALTER DATABASE {name} SET synchronous_commit = off")

    assert refused(path, target, may_lose=False).startswith("this server can lose what it has acknowledged: ")
    assert rows(target, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


async def test_a_newer_or_foreign_database_is_left_alone(tmp_path: Path, time: Time, target: str) -> None:
    """The message says what it is."""
    path = await a_journal(tmp_path, time)
    rows(target, "CREATE TABLE events (id int)")
    foreign = refused(path, target, SchemaMismatch)
    rows(target, "CREATE TABLE visual_router (version int)")
    rows(target, "INSERT INTO visual_router VALUES (99)")

    assert foreign == (
        "the database holds tables of another program; name a database of its own in journal.url"
    )
    assert refused(path, target, SchemaMismatch).startswith("the database has version 99 and this release ")


async def test_counts_that_differ_keep_routers_away(tmp_path: Path, time: Time, target: str) -> None:
    """Whatever made rows vanish: nobody works on what is left."""
    path = await a_journal(tmp_path, time)
    async with a_router(target, CALM):
        pass
    rows(target, "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS"
         " $$ BEGIN IF NEW.sink = 'slack' THEN RETURN NULL; END IF; RETURN NEW; END $$")  # fmt: skip
    rows(target, "CREATE TRIGGER swallow BEFORE INSERT ON settled_deliveries"
         " FOR EACH ROW EXECUTE FUNCTION swallow()")  # fmt: skip
    verdict = move(path, target, silent, may_lose=True)
    again = move(path, target, silent, may_lose=True)
    with pytest.raises(JournalError):
        async with a_router(target, CALM):
            pass

    assert not verdict.same
    assert [one for one in verdict.counts if one.source != one.target] == [
        next(one for one in verdict.counts if one.kind == "settled_deliveries")
    ]
    assert (again.counts, again.added, again.same) == (verdict.counts, 0, False)


async def test_a_journal_of_the_first_version_is_moved(tmp_path: Path, target: str) -> None:
    """It knew no quarantine; the file stays of that version."""
    path = tmp_path / "old.db"
    connection = apsw.Connection(str(path))
    migrate(connection, path, migrations()[:1])
    connection.execute("INSERT INTO rulesets VALUES ('d', 'rules: []', 1.0)")
    connection.close()
    verdict = move(path, target, silent, may_lose=True)

    assert verdict.same
    assert verdict.added == 1
    assert apsw.Connection(str(path)).pragma("user_version") == 1
