"""Days: the partitions of what grows with every event, one per day of its time-ordered id.

A day is known by its first id. Made ahead of time, so that no request waits for it. For the writer's thread.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from psycopg import sql

from router.clock import first_id_at
from router.journal.postgres.work import Cursor
from router.journal.statements import statements

_SQL = statements("postgres", "upkeep")
_DAY = 86_400
_EPOCH = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
_WIDTH = first_id_at(_EPOCH + _DAY)
_TABLES = ("events", "bodies", "settled_deliveries", "attempts")
_AHEAD = 2


def first_of_day(number: int) -> int:
    """The first id of the day on which an id was given."""
    return number - number % _WIDTH


def _partition(table: str, first: int) -> str:
    day = datetime.fromtimestamp(_EPOCH + first // _WIDTH * _DAY, UTC)
    return f"{table}_{day:%Y%m%d}"


class Days:
    """Which days have their partitions."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def prepare(self, now: float, cursor: Cursor) -> None:
        """Have partitions for today and the next days."""
        self.ensure((first_id_at(now + day * _DAY) for day in range(_AHEAD)), cursor)

    def ensure(self, numbers: Iterable[int], cursor: Cursor) -> None:
        """Have partitions for these ids."""
        for first in sorted({first_of_day(number) for number in numbers} - self._known):
            past = first + _WIDTH
            if cursor.execute(_SQL["add_day"], (first, past)).fetchall():
                for table in _TABLES:
                    _make(table, first, past, cursor)
            self._known.add(first)

    def forget(self) -> None:
        """Look again which there are: what was made may have been rolled back."""
        self._known.clear()


def drop(first: int, cursor: Cursor) -> None:
    """Drop a day that nothing is owed of any more."""
    names = [sql.Identifier(_partition(table, first)) for table in _TABLES]
    cursor.execute(sql.SQL("DROP TABLE {}").format(sql.SQL(", ").join(names)))
    cursor.execute(_SQL["forget_day"], (first,))


def lock(first: int, cursor: Cursor) -> None:
    """Wait until nobody reads or writes a day, and let nobody begin."""
    names = [sql.Identifier(_partition(table, first)) for table in _TABLES]
    cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(names)))


def _make(table: str, first: int, past: int, cursor: Cursor) -> None:
    """Made aside and then attached: that holds up nobody who reads or writes the other days."""
    parent, child = sql.Identifier(table), sql.Identifier(_partition(table, first))
    cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {})").format(child, parent))
    cursor.execute(
        sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
            parent, child, first, past
        )
    )
