"""`verify`: a file is called sound, or every problem is printed and the exit code is 1."""

from pathlib import Path

import apsw

from router.journal.sqlite.schema import migrate
from router.journal.sqlite.statements import migrations
from tests.commands.shell import Session, Shell


def damaged(path: Path) -> None:
    """Take all bodies out of a journal."""
    connection = apsw.Connection(str(path))
    connection.execute("DELETE FROM bodies")
    connection.close()


async def test_a_backup_is_verified(session: Session, tmp_path: Path) -> None:
    """With what it holds; and what is wrong with it, once something is."""
    path = tmp_path / "copy.db"
    await session.desk.event()
    await session.type("backup", str(path))
    sound = await session.type("verify", str(path))
    document = await session.read("verify", str(path))
    damaged(path)
    wrong = await session.type("verify", str(path), code=1)

    version = document["version"]
    held = "1 event, 2 open deliveries, 0 settled deliveries, 0 attempts, 0 refused requests"
    assert sound.stdout == f"{path}: version {version}; {held}\nsound\n"
    assert document["problems"] == []
    assert wrong.stdout.splitlines()[1].startswith("  1 events without a body; the first is evt_")
    assert wrong.stdout.endswith("\n1 problem\n")


async def test_the_journal_of_a_running_daemon_is_not_looked_at(session: Session, tmp_path: Path) -> None:
    """It would be another one before the end."""
    result = await session.type("verify", str(tmp_path / "journal.db"), code=1)

    assert result.stderr == (
        f"error: '{tmp_path}/journal.db' is in use by a daemon;"
        " stop that one first, or look at a backup of it\n"
    )


def test_an_older_file_is_told_from_an_empty_one(shell: Shell) -> None:
    """What the next start would make of it stands there; nothing is no journal."""
    (shell.folder / "empty.db").touch()
    older = apsw.Connection(str(shell.folder / "older.db"))
    migrate(older, shell.folder, migrations()[:1])
    older.close()
    told = shell.run("verify", str(shell.folder / "older.db")).stdout
    refused = shell.run("verify", str(shell.folder / "empty.db"), code=1).stderr

    held = "0 events, 0 open deliveries, 0 settled deliveries, 0 attempts"
    assert told == (
        f"{shell.folder}/older.db: version 1, {len(migrations())} after the next start; {held}\nsound\n"
    )
    assert refused == f"error: '{shell.folder}/empty.db' is empty; name a journal or a backup\n"
