"""What another journal left beside a backup is never laid over it, and a journal's own log always is."""

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from router.errors import JournalBroken, JournalError
from router.journal.journal import EventQuery
from router.journal.moving.origin import open_origin
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.reader import open_idle
from router.journal.sqlite.schema import migrate
from router.journal.sqlite.statements import migrations
from router.journal.sqlite.verify import verify
from tests.journal.backends import Time, recorded

MARK = slice(18, 20)
LOG_HEADER = 32


def beside(path: Path, *suffixes: str) -> list[Path]:
    """Files of a journal."""
    return [path.with_name(f"{path.name}-{suffix}") for suffix in suffixes]


def contents(path: Path) -> dict[str, bytes]:
    """All that lies in a journal's folder, but for the lock."""
    return {
        file.name: file.read_bytes() for file in path.resolve().parent.iterdir() if file.suffix != ".lock"
    }


def copy(source: Path, target: Path) -> None:
    """One file over another, in its place."""
    target.write_bytes(source.read_bytes())


def put(file: Path, content: bytes = b"") -> None:
    """A file with this content."""
    file.write_bytes(content)


def read(file: Path) -> bytes:
    """All of a file."""
    return file.read_bytes()


def away(*files: Path) -> None:
    """Move files into a folder beside theirs."""
    for file in files:
        kept = file.parent.with_name("kept")
        kept.mkdir(exist_ok=True)
        file.rename(kept / file.name)


async def a_killed_journal(path: Path, time: Time) -> tuple[Path, set[str]]:
    """A journal whose log was left; returns a backup of it from before, and the events in that."""
    backup = path.with_name("backup.db")
    async with open_sqlite(path, time.clock()) as journal:
        await journal.remember("rules", "rules: []")
        held = {(await recorded(journal, time, "slack", payload=b"%d" % number)).id for number in range(5)}
        await journal.backup(str(backup))
        for number in range(50):
            await recorded(journal, time, "hook", subject=f"build {number}", payload=bytes(3000 + number))
        files = [path, *beside(path, "wal", "shm")]
        left = [file.read_bytes() for file in files]
    for file, content in zip(files, left, strict=True):
        put(file, content)
    return backup, held


async def events_in(path: Path, time: Time) -> set[str]:
    """What a journal holds."""
    async with open_sqlite(path, time.clock()) as journal:
        return {event.id for event in await journal.events(EventQuery(limit=500))}


async def opened(path: Path, time: Time) -> None:
    """Open and close it."""
    async with open_sqlite(path, time.clock()):
        pass


async def verified(path: Path, _: Time) -> None:
    """Look at it."""
    verify(path)


async def moved(path: Path, _: Time) -> None:
    """Begin to read it for a move."""
    with open_origin(path):
        pass


WAYS = [opened, verified, moved]


async def refusal(way: Callable[..., object], path: Path, time: Time) -> str:
    """How it is refused, without a change to anything."""
    before = contents(path)
    with pytest.raises(JournalError) as caught:
        await way(path, time)  # type: ignore[misc]  # all of them are asynchronous
    assert not isinstance(caught.value, JournalBroken)
    assert contents(path) == before
    return str(caught.value)


async def test_a_backup_says_that_nothing_beside_it_is_its_own_until_a_journal_is_opened(
    path: Path, time: Time
) -> None:
    """The journal it was taken from says the opposite, from its first opening on."""
    backup, _ = await a_killed_journal(path, time)
    before = read(backup)[MARK]
    await opened(backup, time)

    assert (read(path)[MARK], before, read(backup)[MARK]) == (b"\2\2", b"\1\1", b"\2\2")


@pytest.mark.parametrize("way", WAYS)
async def test_another_journals_log_beside_a_backup_is_refused_and_left(
    path: Path, time: Time, way: Callable[..., object]
) -> None:
    """With its names and what to do with it; who does that has what was backed up, and is not suspected."""
    backup, held = await a_killed_journal(path, time)
    copy(backup, path)
    log, index = beside(path, "wal", "shm")
    told = await refusal(way, path, time)

    assert told == (
        f"'{path}' is a backup that no router has run on yet, but another journal's files lie beside it;"
        f" move '{log}' and '{index}' away without deleting anything"
        " (events that the backup lacks may be in there), then try again"
    )
    assert b"a sync failed" not in read(path.with_name(f"{path.name}.lock"))
    away(log, index)
    assert verify(path).problems == []
    assert await events_in(path, time) == held


async def test_the_log_is_named_where_the_file_is_and_not_where_its_link_is(path: Path, time: Time) -> None:
    """SQLite looks for it there too."""
    backup, _ = await a_killed_journal(path, time)
    copy(backup, path)
    link = path.parent.with_name("link.db")
    link.symlink_to(path)

    assert f"; move '{path}-wal' and '{path}-shm' away" in await refusal(opened, link, time)


@pytest.mark.parametrize("way", WAYS)
async def test_another_journals_rollback_journal_beside_a_backup_is_refused(
    path: Path, time: Time, way: Callable[..., object]
) -> None:
    """It would cut the backup to the length that the other one had."""
    backup, held = await a_killed_journal(path, time)
    copy(backup, path)
    rollback, log = beside(path, "journal", "wal")
    away(log)
    put(rollback, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600))

    assert f"; move '{rollback}' and '{path}-shm' away" in await refusal(way, path, time)
    away(rollback)
    assert await events_in(path, time) == held


@pytest.mark.parametrize("length", [0, LOG_HEADER])
@pytest.mark.parametrize("index", ["stale", "none"])
async def test_a_log_without_content_stands_in_nobodys_way(
    path: Path, time: Time, length: int, index: str
) -> None:
    """Nor does an index alone. What is recorded then is the backup's own: it outlives a crash."""
    backup, held = await a_killed_journal(path, time)
    copy(backup, path)
    log, stale = beside(path, "wal", "shm")
    put(log, log.read_bytes()[:length])
    if index == "none":
        away(stale)
    assert verify(path).problems == []
    async with open_sqlite(path, time.clock()) as journal:
        more = await recorded(journal, time, "slack", payload=b"more")
        left = [(file, file.read_bytes()) for file in (path, log)]
    for file, content in left:
        put(file, content)

    assert left[0][1][MARK] == b"\2\2"
    assert await events_in(path, time) == held | {more.id}


@pytest.mark.parametrize("way", WAYS)
async def test_a_log_without_its_journal_is_not_thrown_away(
    path: Path, time: Time, way: Callable[..., object]
) -> None:
    """SQLite deletes one beside an empty file, even where it only reads."""
    await a_killed_journal(path, time)
    whole = read(path)
    put(path)
    told = await refusal(way, path, time)

    assert told == (
        f"'{path}' is empty, but a journal's log lies beside it; move that journal back,"
        f" or move '{path}-wal' and '{path}-shm' away without deleting anything"
        " (events may be in there), then try again"
    )
    put(path, whole)
    assert len(await events_in(path, time)) == 55


async def test_a_log_whose_journal_was_moved_away_is_not_thrown_away(path: Path, time: Time) -> None:
    """Whoever moved only the one file finds the other; no file is made meanwhile."""
    await a_killed_journal(path, time)
    away(path)

    assert (await refusal(opened, path, time)).startswith(f"'{path}' is not there, but a journal's log lies")


async def test_a_journal_of_an_older_release_without_a_log_is_taken_as_it_is(path: Path, time: Time) -> None:
    """Whatever it says of a log."""
    path.parent.mkdir()
    old = apsw.Connection(str(path))
    migrate(old, path, migrations()[:1])
    old.close()
    await opened(path, time)

    assert read(path)[MARK] == b"\2\2"


def test_what_cannot_be_read_is_told(path: Path) -> None:
    """A folder, for example."""
    path.mkdir(parents=True)
    with pytest.raises(JournalError) as caught:
        open_idle(path)

    assert str(caught.value) == f"cannot open '{path}': is a directory; let this user read it"
