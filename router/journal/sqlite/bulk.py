"""Bulk: one statement for many rows.

Each statement that runs gives up the interpreter and has to get it back from the busy thread of the loop: few
large ones cost a fraction of many small ones. Must not know what a row is.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain

import apsw

from router.journal.rows import Row, Value

_ROW = re.compile(r"VALUES (\((\?(?:, \?)*)\))")
# Rows at once: any number of them is a sum of a few of these, and each is a statement worth keeping prepared.
_SIZES = (32, 16, 8, 4, 2, 1)


class Bulk:
    """A statement with one row of question marks after `VALUES`, for as many rows as there are."""

    def __init__(self, sql: str) -> None:
        found = _ROW.search(sql)
        if found is None:
            raise ValueError(f"'{sql}' has no row of values")
        before, row, after = sql[: found.start(1)], found[1], sql[found.end(1) :]
        self._texts = {size: before + ", ".join([row] * size) + after for size in _SIZES}

    def run(self, cursor: apsw.Cursor, rows: Sequence[Sequence[Value]]) -> None:
        """Run it for all rows, in their order."""
        for text, values in self._pieces(rows):
            cursor.execute(text, values)

    def ask(self, cursor: apsw.Cursor, rows: Sequence[Sequence[Value]]) -> list[Row]:
        """What it answers for all rows."""
        found: list[Row] = []
        for text, values in self._pieces(rows):
            found += cursor.execute(text, values).fetchall()
        return found

    def _pieces(self, rows: Sequence[Sequence[Value]]) -> Iterator[tuple[str, list[Value]]]:
        start = 0
        while (left := len(rows) - start) > 0:
            size = next(size for size in _SIZES if size <= left)
            yield self._texts[size], list(chain.from_iterable(rows[start : start + size]))
            start += size
