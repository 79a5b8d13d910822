"""Archive on PostgreSQL: an index for every page and every search."""

from collections.abc import Sequence
from math import inf

from router.delivery import Route, State
from router.journal.archive import ArchiveSide, Dialect, Terms, escaped
from router.journal.bites import BITE
from router.journal.postgres.inbox import Owed, owe
from router.journal.postgres.moves import bury, bury_of, revive, revive_of
from router.journal.postgres.store import Side
from router.journal.postgres.text import stored
from router.journal.postgres.work import Cursor, Written
from router.journal.rows import Row
from router.journal.statements import statements
from router.journal.tally import Moves

# What may be longer than a key can hold is in its index by so many characters.
_LONG, _BEGINNING = ("branch", "project"), 500


def _equal(field: str, value: str) -> Terms:
    whole = (f"{field} = %s", (value,))
    if field not in _LONG:
        return [whole]
    beginning = (f"left({field}, {_BEGINNING}) = left(%s, {_BEGINNING})", (value,))
    # That is all of it: with a second condition it would be believed to be rare, and every match be sorted.
    if len(stored(value)) < _BEGINNING:
        return [beginning]
    return [beginning, whole]


def _containing(text: str) -> Terms:
    return [("searched(title, branch, author, commit, build, project) ILIKE %s", (escaped(text),))]


DIALECT = Dialect(
    sql=statements("postgres", "archive"),
    mark="%s",
    looks=(("open", [State.PENDING, State.IN_FLIGHT]), ("settled", [State.DELIVERED, State.DEAD])),
    equal=_equal,
    containing=_containing,
)


class PostgresArchive(ArchiveSide[Cursor, Written[object]], Side):
    """The operators' side."""

    _dialect = DIALECT
    _revive = staticmethod(revive)
    _revive_of = staticmethod(revive_of)
    _bury = staticmethod(bury)

    def _bury_of(self, sink: str, reason: str, now: float, cursor: Cursor) -> Written[int]:
        return bury_of(sink, inf, BITE, reason, now, cursor)

    def _owe(
        self, event: int, thread: str | None, owed: Sequence[tuple[int, Route]], now: float, cursor: Cursor
    ) -> Moves:
        return owe([Owed(delivery, event, route, now, thread) for delivery, route in owed], cursor)

    def _attempts_of(self, deliveries: Sequence[int], cursor: Cursor) -> Sequence[Row]:
        return self._ask(cursor, self._dialect.sql["attempts"], [list(deliveries)]) if deliveries else []
