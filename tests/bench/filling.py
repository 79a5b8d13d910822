"""Filling: a journal with a past, faster than any sender could make it.

One event goes through the journal's own doors; its rows are then copied, whatever columns they have.
"""

import os
import time
from pathlib import Path

import apsw
import msgspec

from router.clock import Clock, id_text
from router.delivery import Attempt, Route, Settlement, State
from router.journal.sqlite import open_sqlite
from router.sources.chromatic import Chromatic

_PAYLOAD = Path(__file__).parents[1] / "sources" / "payloads" / "chromatic" / "v1-plain-pending.json"
_RULESET = "0" * 64
_DAY = 86_400
# Every copy's ids are so much greater: more than the ids that one event and its deliveries take.
_STRIDE = 16
# The health check's row, and requests that never became events.
_APART = ("pulse", "quarantine")
_NUMBERS = ("id", "event", "delivery")
_NAMES = ("subject", "thread", "build")


async def fill(path: Path, events: int, *, pending: bool, days: float) -> None:
    """Make a journal with so many events of so many days ago, each delivered to `out-0`.

    With `pending` each is owed to `out-1` too.
    """
    await _seed(path, pending=pending, days=days)
    connection = apsw.Connection(str(path))
    try:
        for name, value in (("journal_mode", "DELETE"), ("synchronous", "OFF"), ("cache_size", -400_000)):
            connection.pragma(name, value)
        with connection:
            for table in _tables(connection):
                _multiply(connection, table, events)
    finally:
        connection.close()
    # Else the first start would wait until all of it is on the disk.
    with path.open("rb") as file:
        os.fsync(file.fileno())


async def _seed(path: Path, *, pending: bool, days: float) -> None:
    """One event, by the journal's own doors."""
    clock = Clock(lambda: time.time() - days * _DAY)
    async with open_sqlite(path, clock) as journal:
        await journal.remember(_RULESET, "rules: []\n")
        source = Chromatic(name="chromatic", unsigned=True)
        decoded = source.decode(_PAYLOAD.read_bytes(), clock.now())
        event = msgspec.structs.replace(decoded, id=id_text("evt", journal.ids.next()))
        routes = [Route("what is to arrive", sink) for sink in ("out-0", "out-1")[: 2 if pending else 1]]
        await journal.record(event, routes, window=0, ruleset=_RULESET)
        (claim,) = (await journal.claim({"out-0": 1})).claims
        attempt = Attempt(number=1, started_at=clock.now(), seconds=0.01, outcome="delivered", status=200)
        number = claim.delivery.claim
        await journal.settle(
            [Settlement(delivery_id=claim.delivery.id, claim=number, state=State.DELIVERED, attempt=attempt)]
        )


def _tables(connection: apsw.Connection) -> list[str]:
    """The tables whose rows belong to an event."""
    found = connection.execute(
        "SELECT DISTINCT held.name FROM pragma_table_list AS held, pragma_table_info(held.name) AS columns"
        " WHERE held.schema = 'main' AND columns.name IN (?, ?, ?) AND held.name NOT LIKE 'sqlite%'",
        _NUMBERS,
    ).fetchall()
    return [str(name) for (name,) in found if name not in _APART]


def _multiply(connection: apsw.Connection, table: str, events: int) -> None:
    """Copy the rows of a table until there are so many times as many."""
    columns = connection.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall()
    connection.execute(f"CREATE TEMP TABLE seed_{table} AS SELECT * FROM main.{table}")
    values = ", ".join(_copied(str(name), str(kind)) for name, kind in columns)
    connection.execute(
        "WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < ?)"
        f" INSERT INTO main.{table} SELECT {values} FROM counter CROSS JOIN seed_{table}",
        (events - 1,),
    )
    connection.execute(f"DROP TABLE seed_{table}")


def _copied(name: str, kind: str) -> str:
    """What a copy has in a column."""
    if name in _NUMBERS and kind == "INTEGER":
        return f'"{name}" + n * {_STRIDE}'
    return f"\"{name}\" || '-' || n" if name in _NAMES else f'"{name}"'
