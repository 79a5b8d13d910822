"""Archive on SQLite: an index per state, and searches that no index serves, window by window."""

from collections.abc import Sequence
from functools import partial

import apsw

from router.delivery import State
from router.event import Event
from router.journal.archive import FILTERS, ArchiveSide, Dialect, Terms, escaped, number_of
from router.journal.journal import EventQuery
from router.journal.rows import Row, event_of
from router.journal.sqlite.filing import insert_deliveries
from router.journal.sqlite.moves import bury, bury_of, revive, revive_of
from router.journal.sqlite.statements import statements
from router.journal.sqlite.store import Side
from router.journal.sqlite.writer import Written

_SEARCHED = ("title", "branch", "author", '"commit"', "build", "project")
_WINDOW = 5000


def _equal(field: str, value: str) -> Terms:
    return [(f"{field} = ?", (value,))]


def _containing(text: str) -> Terms:
    """Case counts only beyond ASCII. LIKE takes a third of the time, but its pattern ends at a NUL."""
    if "\0" in text:
        contains, value = "instr(lower({}), lower(?))", text
    else:
        contains, value = "{} LIKE ? ESCAPE '\\'", escaped(text)
    any_of = " OR ".join(contains.format(column) for column in _SEARCHED)
    return [(f"({any_of})", (value,) * len(_SEARCHED))]


class SqliteArchive(ArchiveSide[apsw.Cursor, Written[object]], Side):
    """The operators' side."""

    _dialect = Dialect(
        sql=statements("archive"),
        mark="?",
        looks=(
            ("open", [State.PENDING]),
            ("open", [State.IN_FLIGHT]),
            ("settled", [State.DELIVERED]),
            ("settled", [State.DEAD]),
        ),
        equal=_equal,
        containing=_containing,
    )
    _revive = staticmethod(revive)
    _revive_of = staticmethod(revive_of)
    _bury = staticmethod(bury)
    _bury_of = staticmethod(bury_of)
    _owe = staticmethod(insert_deliveries)

    async def _pages(self, query: EventQuery, before: int, oldest: int) -> list[Event]:
        """What no index serves reads window by window, so that no read lasts long."""
        filtered = any(getattr(query, field) is not None for field in FILTERS)
        if query.text is None and (query.branch is not None or not filtered):
            return await super()._pages(query, before, oldest)
        page: list[Event] = []
        while before and len(page) < query.limit:
            room = query.limit - len(page)
            found, before = await self._store.reader.read(partial(self._window, query, before, oldest, room))
            page += found
        return page

    def _window(
        self, query: EventQuery, before: int, oldest: int, limit: int, cursor: apsw.Cursor
    ) -> tuple[list[Event], int]:
        """A page out of the next so many events, and where the following ones begin; 0: there are none."""
        end = self._ask(cursor, self._dialect.sql["window"], [before, _WINDOW])
        after = max(oldest, number_of(end[0]) if end else 0)
        rows = self._ask(cursor, *self._dialect.events(query, before, after, limit))
        return [event_of(row) for row in rows], after if after > oldest else 0

    def _attempts_of(self, deliveries: Sequence[int], cursor: apsw.Cursor) -> Sequence[Row]:
        sql = self._dialect.sql["attempts"]
        return [row for number in deliveries for row in self._ask(cursor, sql, [number])]
