"""Journals to be moved, the databases they are moved into, and what both hold, to be compared."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from router.clock import id_text
from router.delivery import State
from router.journal.journal import Journal, RefusedRequest, SinkMark
from router.journal.postgres.backup import back_up
from router.journal.postgres.connecting import Url
from router.journal.sqlite import open_sqlite
from tests.journal.backends import Time, attempt_of, claimed, recorded, settled, settlement
from tests.journal.postgres.server import databases

TABLES = (
    "rulesets", "marks", "events", "bodies", "seen", "settled_deliveries", "attempts", "latest",
    "quarantine", "open_deliveries",
)  # fmt: skip
DAY = 86_400.0
STRANGE = "a\x00b \U0010ffff1 \U0010ffff \u202e ☃ %_\\"


async def fill(journal: Journal, time: Time) -> None:
    """Every kind of row, over some days; two deliveries are left in flight."""
    await journal.remember("rules", f"rules: [] # {STRANGE}\n")
    await recorded(
        journal, time, "slack", subject="one", branch="release/7", title=STRANGE, changes=-3, build="7",
        project="web", pull_request=12, labels={"team": "design"}, payload=b'{"build": "\\u0000"}\x00\xff',
    )  # fmt: skip
    claim = await claimed(journal, "slack")
    await journal.settle([settlement(claim, State.DELIVERED, attempt=attempt_of(claim))])
    await recorded(journal, time, "hook", subject="two", title="only ☃ %_", author="ada")
    for state in (State.PENDING, State.DEAD):
        claim = await claimed(journal, "hook")
        await journal.settle(
            [settlement(claim, state, due=0.0, reason="503", attempt=attempt_of(claim, "retry"))]
        )
    time.pass_by(2 * DAY)
    await recorded(journal, time, subject="nobody wants it")
    await recorded(journal, time, "slack", "hook", subject="three", build="8")
    await settled(journal, "slack", State.DELIVERED, reason="nothing was tried")
    await journal.mark(SinkMark(sink="hook", paused="401", by_operator=True, fingerprint="f"))
    await journal.mark(SinkMark(sink="slack", held_until=time.wall + 60))
    for number in range(3):
        request = RefusedRequest(
            id=id_text("req", journal.ids.next()), source="web", received_at=time.wall, verified=number == 1,
            reason=STRANGE, signature={"x-signature": "s"}, labels={}, size=4, body=b"\x00{}\xff",
        )  # fmt: skip
        await journal.quarantine(request, most=10, most_bytes=1000)
    time.pass_by(DAY)
    await recorded(journal, time, "slow", subject="four")
    await recorded(journal, time, "slow", subject="five")
    await journal.claim({"slow": 2})


async def fill_many(journal: Journal, time: Time, count: int) -> None:
    """As many events, delivered or still pending, with bodies of some size."""
    for number in range(count):
        time.pass_by(DAY / count)
        await recorded(
            journal, time, "bulk", subject=f"many {number}", title=f"number {number}",
            payload=b'{"x": "%s"}' % (b"y" * number * 97),
        )  # fmt: skip
        if number % 3:
            claim = await claimed(journal, "bulk")
            await journal.settle([settlement(claim, State.DELIVERED, attempt=attempt_of(claim))])


async def a_journal(folder: Path, time: Time, *, many: int = 0, name: str = "journal.db") -> Path:
    """The files that a killed daemon left: the newest rows stand in the WAL only."""
    alive = folder / "life of the daemon"
    alive.mkdir()
    async with open_sqlite(alive / "journal.db", time.clock()) as journal:
        await fill_many(journal, time, many)
        await fill(journal, time)
        for suffix in ("", "-wal", ".lock"):
            shutil.copy(alive / f"journal.db{suffix}", folder / f"{name}{suffix}")
    return folder / name


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that a SQLite journal holds."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
            for table in TABLES
        }
    finally:
        connection.close()


def moved(url: str, folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that a database holds, by way of its backup."""
    copy = folder / "as it was moved.db"
    copy.unlink(missing_ok=True)
    back_up(Url(url), copy)
    return rows_of(copy)


@contextmanager
def a_database() -> Iterator[str]:
    """The URL of a database with nothing in it."""
    url = databases().create("template0")
    try:
        yield url
    finally:
        databases().drop(url)


def silent(kind: str, there: int, total: int) -> None:
    """Nobody looks."""
