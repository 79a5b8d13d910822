"""Connecting: sessions that notice a dead server, and what a server must promise before it is trusted.

Nothing here or later keeps state in a session, so a pooler may stand between, in transaction mode.
"""

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict

from router.errors import JournalError
from router.journal.statements import statements

log = structlog.get_logger(__name__)

_SQL = statements("postgres", "schema")
_OLDEST = 140000
_SYNCHRONOUS = ("on", "remote_apply")
# Seconds; milliseconds for the last. A link that swallows packets is found out within half a lease.
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

Connection = psycopg.Connection[tuple[object, ...]]


class Url:
    """Where the journal is. Its parts stay in here: it may hold a password.

    Raises:
        JournalError: it cannot be read; the URL itself is never repeated.
    """

    def __init__(self, url: str) -> None:
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            raise JournalError(
                "journal.url cannot be read as a PostgreSQL URL; write postgresql://user@host/database"
            ) from None
        self.hosts = len(str(given.get("host") or given.get("hostaddr") or "").split(","))
        # Of several hosts only the one that can write is the journal.
        several = {"target_session_attrs": "read-write"} if self.hosts > 1 else {}
        self.options: dict[str, str | int] = {
            **_PATIENCE, "application_name": "visual-router", **several,
            **{key: value for key, value in given.items() if value is not None},
        }  # fmt: skip

    def connect(self) -> Connection:
        """A session in which every statement is a transaction of its own unless it says BEGIN."""
        # No prepared statements: behind a pooler the next transaction may meet another session.
        return psycopg.connect(
            "",
            autocommit=True,
            prepare_threshold=None,
            **self.options,  # type: ignore[arg-type]  # libpq's options
        )


def begin(silence: float) -> str:
    """How a transaction that writes begins; one whose router says nothing for so many seconds is undone.

    A host that froze, or went without a word, would otherwise hold its locks for as long as the server's TCP
    waits for it: hours.
    """
    # No time limit for statements: one that ran out in a commit that waits for a standby would end that wait,
    # and the commit would be acknowledged without it. A limit for locks, or for silence, cannot.
    limits = {"statement": 0, "lock": 5000, "idle_in_transaction_session": int(1000 * silence)}
    return "; ".join(["BEGIN", *(f"SET LOCAL {name}_timeout = {ms}" for name, ms in limits.items())])


def check_server(connection: Connection, url: Url, *, may_lose: bool) -> None:
    """That a commit on this server is on its disk.

    Raises:
        JournalError: it is too old, or its settings break the promise of 202.
    """
    ((version, fsync, pages, commit, standbys, encoding),) = connection.execute(_SQL["settings"]).fetchall()
    if int(str(version)) < _OLDEST:
        raise JournalError(
            f"PostgreSQL {int(str(version)) // 10000} is too old for a journal; use 14 or newer"
        )
    if encoding != "UTF8":
        raise JournalError(f"the database has the encoding '{encoding}'; create one with encoding UTF8")
    unsafe = [
        f"{name} = {value}"
        for name, value in (("fsync", fsync), ("full_page_writes", pages))
        if value != "on"
    ]
    unsafe += [] if commit in _SYNCHRONOUS else [f"synchronous_commit = {commit}"]
    if unsafe and not may_lose:
        raise JournalError(
            f"this server can lose what it has acknowledged: {', '.join(unsafe)};"
            " set them to on, or write journal.may_lose_acknowledged_events: true"
        )
    if unsafe:
        log.warning("journal_may_lose_events", settings=unsafe)
    if url.hosts > 1 and not standbys:
        log.warning(
            "failover_may_lose_events",
            reason="journal.url names several hosts, but synchronous_standby_names is empty:"
            " a standby that takes over may lack the newest acknowledged events",
        )
