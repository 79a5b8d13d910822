"""Side: one of the four sides of a journal, whatever it stores in, and how it asks.

Must not know a statement.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from router.journal.journal import Stock
from router.journal.pieces import C, Outcome, W
from router.journal.rows import Row
from router.journal.store import Store
from router.journal.tally import Moves

T = TypeVar("T")


class Side(ABC, Generic[C, W]):
    """One side of a journal. A backend says how it asks, and what work comes to."""

    def __init__(self, store: Store[C, W]) -> None:
        self._store = store

    @abstractmethod
    def _ask(self, cursor: C, sql: str, values: Sequence[object]) -> Sequence[Row]:
        """The rows of a statement, texts as they were written."""

    @abstractmethod
    def _done(self, result: T, moves: Moves, stock: Mapping[str, Stock], *, wake: bool) -> Outcome[T]:
        """What a piece of work came to; `wake`: something may be due."""

    async def _read(self, made: Callable[[Row], T], sql: str, values: Sequence[object]) -> list[T]:
        """What a statement finds."""
        return await self._store.reader.read(
            lambda cursor: [made(row) for row in self._ask(cursor, sql, values)]
        )
