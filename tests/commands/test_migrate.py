"""`migrate-journal`: what it prints, what it refuses, what it never shows; kill -9 does it no harm."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.commands.migrate import Progress
from router.journal.sqlite import open_sqlite
from router.journal.sqlite.lock import Lock
from tests.commands.shell import Shell
from tests.journal.backends import Time
from tests.journal.moving.link import a_link
from tests.journal.moving.origins import a_database, a_journal, moved, rows_of
from tests.journal.postgres.fleet import rows
from tests.journal.postgres.server import close_databases

ROOT = Path(__file__).parents[2]
LOSE = "--may-lose-acknowledged-events"


@pytest.fixture(scope="session", autouse=True)
def _servers() -> Iterator[None]:
    yield
    close_databases()


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database with nothing in it; its URL is in the variable TARGET."""
    with a_database() as url:
        monkeypatch.setenv("TARGET", url)
        yield url


async def test_both_sides_are_counted_and_the_next_step_is_told(
    shell: Shell, tmp_path: Path, target: str
) -> None:
    """A table of what there is, how fast it went, and how the old journal is removed."""
    path = await a_journal(tmp_path, Time(), name="the journal.db")
    result = shell.run("migrate-journal", f"sqlite:{path}", "env:TARGET", LOSE)
    head, _, rest = result.stdout.partition("\n\n")
    again = shell.run("migrate-journal", f"sqlite:{path}", "env:TARGET", LOSE)

    assert head.splitlines()[3:5] == [
        "events                   6     6",
        "bodies                   6     6",
    ]
    assert re.match(r"35 rows in \S+ m?s: \d+ a second\n", rest)
    assert rest.endswith(
        "\nnext: write TO as journal.url into the configuration and start the router; start none on FROM\n"
        f"again, it would deliver a second time what is open. Once all is well: rm '{path}' '{path}-wal'"
        f" '{path}-shm' '{path}.lock'\n"
    )
    assert again.stdout.startswith(
        "moved before: the target holds all of it\n\nnext: write TO as journal.url"
    )
    assert "bodies: 6 of 6\n" in result.stderr
    assert rows_of(path) == moved(target, tmp_path)


async def test_scripts_get_one_document(shell: Shell, tmp_path: Path, target: str) -> None:
    """With both numbers of each kind; standard output holds nothing else."""
    path = await a_journal(tmp_path, Time())
    document = json.loads(shell.run("migrate-journal", f"sqlite:{path}", "env:TARGET", LOSE, "--json").stdout)

    assert document["finished"]
    assert not document["already"]
    assert document["rows"] == sum(count["target"] for count in document["counts"])
    assert {"kind": "events", "source": 6, "target": 6} in document["counts"]


async def test_counts_that_differ_are_shown_and_fail(shell: Shell, tmp_path: Path, target: str) -> None:
    """Exit code 1, with the table, and what to do."""
    path = await a_journal(tmp_path, Time())
    empty = await a_journal_of_nothing(tmp_path)
    shell.run("migrate-journal", f"sqlite:{empty}", "env:TARGET", LOSE)
    rows(target, "DELETE FROM moving")
    rows(target, "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
    rows(target, "CREATE TRIGGER swallow BEFORE INSERT ON latest FOR EACH ROW EXECUTE FUNCTION swallow()")
    result = shell.run("migrate-journal", f"sqlite:{path}", "env:TARGET", LOSE, code=1)

    assert "newest of each build     2     0\n" in result.stdout
    assert "next:" not in result.stdout
    assert result.stderr.endswith(
        "error: the counts differ\n  fix: no router opens the target like this:"
        " drop it, make an empty database, and move once more\n"
    )


async def a_journal_of_nothing(folder: Path) -> Path:
    """A journal without an event."""
    async with open_sqlite(folder / "nothing.db", Time().clock()):
        pass
    return folder / "nothing.db"


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (
            "sqlite:a",
            "sqlite:b",
            "FROM and TO are both SQLite\n  fix: visual-router backup FILE copies a journal",
        ),
        (
            "postgresql://h/a",
            "postgres://h/b",
            "FROM and TO are both PostgreSQL\n"
            "  fix: pg_dump and pg_restore copy a database, with its journal",
        ),
        (
            "postgresql://h/a",
            "sqlite:b",
            "a journal is moved from SQLite to PostgreSQL only\n"
            "  fix: visual-router backup FILE writes the journal of a running router as a SQLite file",
        ),
        (
            "journal.db",
            "postgresql://h/b",
            "FROM is no journal\n  fix: write sqlite:var/journal.db postgresql://user@host/database,"
            " or a reference such as env:NAME",
        ),
        (
            "sqlite:a",
            "geheim",
            "TO is no journal\n  fix: write sqlite:var/journal.db postgresql://user@host/database,"
            " or a reference such as env:NAME",
        ),
        (
            "sqlite:",
            "postgresql://h/b",
            "FROM names no file\n  fix: write sqlite:var/journal.db or sqlite:/var/lib/journal.db",
        ),
        (
            "sqlite:a",
            "postgresql://u:geheim@h/b",
            "TO holds a password in plain sight, where every user of this host can read it\n"
            "  fix: use env:NAME, file:/path or credential:NAME for the whole URL",
        ),
        ("sqlite:a", "env:", "TO: 'env:' names nothing; use env:NAME, file:/path or credential:NAME"),
        (
            "sqlite:a",
            "env:VR_NOT_SET",
            "the environment variable 'VR_NOT_SET' is not set; set it, or use file:/path\n"
            "  fix: this command reads the secret itself: give it what the daemon was given",
        ),
    ],
)
def test_wrong_ends_are_told_apart(shell: Shell, source: str, target: str, message: str) -> None:
    """Wrong usage: exit code 2, and the way out; no value that may be a secret."""
    assert shell.run("migrate-journal", source, target, code=2).stderr == f"error: {message}\n"


async def test_no_password_is_ever_shown(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong behind a URL that holds one."""
    path = await a_journal(tmp_path, Time())
    for url in (
        "postgresql://u:geheim@127.0.0.1:1/db",
        "postgresql://u:geheim@127.0.0.1:1/db?nonsense=geheim",
        "sqlite:geheim",
        "geheim",
    ):
        monkeypatch.setenv("TARGET", url)
        result = shell.run(
            "migrate-journal", f"sqlite:{path}", "env:TARGET", code=2 if "//" not in url else 1
        )
        assert "geheim" not in result.output + result.stderr
        assert result.stderr.startswith("error: ")


async def test_a_server_that_is_away_is_no_loss(
    shell: Shell, tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told that the same command goes on."""
    path = await a_journal(tmp_path, Time())
    with a_link(target, budget=2000) as link:
        monkeypatch.setenv("CUT", link.url)
        result = shell.run("migrate-journal", f"sqlite:{path}", "env:CUT", LOSE, code=1)

    assert "error: the journal cannot be written now: " in result.stderr
    assert result.stderr.endswith(
        "\n  fix: run the same command again once that is over: it goes on where it was\n"
    )


async def test_a_daemon_keeps_its_journal(shell: Shell, tmp_path: Path, target: str) -> None:
    """Exit code 1, before the target is touched."""
    path = await a_journal(tmp_path, Time())
    lock = Lock.take(path)
    result = shell.run("migrate-journal", f"sqlite:{path}", "env:TARGET", LOSE, code=1)
    lock.release()

    assert result.stderr == f"error: '{path}' is in use by a daemon; stop that one first\n"
    assert rows(target, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_the_driver_is_an_extra(tmp_path: Path) -> None:
    """Without it the help can be read, and the command says what to install."""
    path = tmp_path / "journal.db"
    program = (
        "import sys; sys.modules['psycopg'] = None; from router.cli import main;"
        f"sys.argv[1:] = ['migrate-journal', 'sqlite:{path}', 'postgresql://h/db']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (
        1,
        "error: the driver of PostgreSQL is not there\n  fix: run: pip install 'visual-router[postgres]'\n",
    )


@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
async def test_kill_9_in_the_middle_does_no_harm(
    shell: Shell, tmp_path: Path, target: str, part: float
) -> None:
    """The same command again: nothing is missing, nothing is there twice."""
    path = await a_journal(tmp_path, Time(), many=60)
    with a_database() as other, a_link(other) as link:
        assert _command(path, link.url).wait(60) == 0
        size = link.carried["there"]
    with a_link(target, budget=int(part * size), falls_silent=True) as link:
        process = _command(path, link.url)
        assert link.silent.wait(60)
        process.kill()
        process.wait()
    killed = rows(target, "SELECT count(*) FROM moving WHERE finished IS NOT NULL")
    shell.run("migrate-journal", f"sqlite:{path}", "env:TARGET", LOSE)

    assert killed == [(0,)]
    assert moved(target, tmp_path) == rows_of(path)


def _command(path: Path, url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "router", "migrate-journal", f"sqlite:{path}", "env:URL", LOSE],
        cwd=ROOT, env={**os.environ, "URL": url}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_a_terminal_sees_one_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not more often than anybody can read; it is taken away at the end."""
    now = [100.0]
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = Progress(lambda: now[0])
    for there in (0, 1, 2):
        progress.show("events", there, 2)
        now[0] += 0.15
    progress.end()

    assert sys.stderr.getvalue() == "\r\x1b[Kevents: 0 of 2\r\x1b[Kevents: 2 of 2\r\x1b[K"  # type: ignore[attr-defined]  # a Terminal


def test_a_log_sees_each_kind_and_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line when a kind is done, and one every ten seconds; nothing about what there is none of."""
    now = [100.0]
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    progress = Progress(lambda: now[0])
    for there, seconds in ((0, 1), (1, 1), (2, 9), (3, 1), (4, 1)):
        progress.show("bodies", there, 4)
        now[0] += seconds
    progress.show("marks", 0, 0)
    progress.end()

    assert sys.stderr.getvalue() == "bodies: 0 of 4\nbodies: 3 of 4\nbodies: 4 of 4\n"  # type: ignore[attr-defined]  # a StringIO
